"""dlt normalising NDJSON bodies to Parquet in a local folder, what curate is compared with. Runs in a venv of its own.

Nested values stay in their column (`max_table_nesting=0`), as curate keeps them: child tables would cost dlt more.

usage: with_dlt.py FOLDER OUT
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import dlt
import orjson
from dlt.destinations import filesystem

_PAGE = 10_000


def orders(folder: Path) -> Iterator[list[dict[str, Any]]]:
    """The bodies, parsed, in pages."""
    for file in sorted(folder.glob("*.ndjson")):
        with file.open("rb") as lines:
            while page := [orjson.loads(line) for line in islice(lines, _PAGE)]:
                yield page


def main() -> None:
    """Load FOLDER/*.ndjson into OUT; print how many rows."""
    folder, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    pipeline = dlt.pipeline(
        "bench", destination=filesystem(bucket_url=out.as_uri()), dataset_name="lake", pipelines_dir=str(out / "state")
    )
    source = dlt.resource(orders(folder), name="orders", max_table_nesting=0)
    pipeline.run(source, loader_file_format="parquet").raise_on_failed_jobs()
    print(pipeline.last_trace.last_normalize_info.row_counts["orders"])  # noqa: T201 - the answer to whoever started it


if __name__ == "__main__":
    main()

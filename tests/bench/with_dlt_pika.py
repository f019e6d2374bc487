"""dlt with a resource that reads a queue by pika, to Parquet in a local folder: what land is compared with.

Runs in a venv of its own. Bodies are parsed and acknowledged page by page, as such resources do: before anything is
written.

usage: with_dlt_pika.py URL QUEUE COUNT PREFETCH OUT
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import orjson
import pika
from dlt.destinations import filesystem

_PAGE = 1_000


def orders(url: str, queue: str, count: int, prefetch: int) -> Iterator[list[dict[str, Any]]]:
    """The bodies, parsed, in pages."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=prefetch)
    page: list[dict[str, Any]] = []
    for taken, (method, _, body) in enumerate(channel.consume(queue), 1):
        page.append(orjson.loads(body))
        if len(page) == _PAGE or taken == count:
            channel.basic_ack(method.delivery_tag, multiple=True)
            yield page
            page = []
        if taken == count:
            break
    connection.close()


def main() -> None:
    """Load the queue into OUT; print rows a second, from the first message asked for to the last file written."""
    url, queue, count, prefetch, folder = sys.argv[1:]
    out = Path(folder).resolve()
    pipeline = dlt.pipeline(
        "bench", destination=filesystem(bucket_url=out.as_uri()), dataset_name="lake", pipelines_dir=str(out / "state")
    )
    begun = time.perf_counter()
    source = dlt.resource(orders(url, queue, int(count), int(prefetch)), name="orders", max_table_nesting=0)
    pipeline.run(source, loader_file_format="parquet").raise_on_failed_jobs()
    seconds = time.perf_counter() - begun
    rows = pipeline.last_trace.last_normalize_info.row_counts["orders"]
    print(rows / seconds)  # noqa: T201 - the answer to whoever started it


if __name__ == "__main__":
    main()

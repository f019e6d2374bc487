"""Bare pyarrow, what curate is compared with: each NDJSON file read with a schema and written as Parquet, nothing else.

usage: bare.py FOLDER OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq


def main() -> None:
    """Read FOLDER/*.ndjson by FOLDER/schema and write one file each into OUT; print how many rows."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True)
    schema = pa.ipc.read_schema(pa.BufferReader((folder / "schema").read_bytes()))
    parse = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    rows = 0
    for file in sorted(folder.glob("*.ndjson")):
        table = pj.read_json(file, parse_options=parse)
        pq.write_table(table, out / f"{file.stem}.parquet", compression="zstd")
        rows += table.num_rows
    print(rows)  # noqa: T201 - the answer to whoever started this


if __name__ == "__main__":
    main()

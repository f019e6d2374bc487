"""Parquet files of a table that are written here and committed by hand, where delta-rs has no way of its own.

Memory holds a row group whatever the table's size.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.transaction import AddAction
from pyarrow import fs

from ingest.errors import LakeUnavailable
from ingest.lake.upkeep import TARGET_BYTES
from ingest.model.batches import gathered

__all__ = ["still_there", "written"]

_GROUP_ROWS, _GROUP_BYTES = 100_000, 64 * 1024 * 1024
"""A row group ends at either: what a rewrite holds in memory."""


def written(
    folder: fs.FileSystem,
    rows: Iterable[pa.RecordBatch],
    partition: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[AddAction]:
    """Write rows, of one partition, as Parquet files of about `TARGET_BYTES`, without its columns, as Delta has it.

    The log gets no statistics but the count: those of the columns stand in each file's footer, which readers use too.
    """
    path = "".join(f"{name}={value}/" for name, value in partition.items())
    groups = gathered(rows, rows=_GROUP_ROWS, size=_GROUP_BYTES)
    while (group := next(groups, None)) is not None:
        name, count = f"{path}part-{uuid.uuid4()}.parquet", 0
        with (
            folder.open_output_stream(name) as file,
            pq.ParquetWriter(file, group.drop_columns([*partition]).schema) as parquet,
        ):
            while group is not None:
                parquet.write_table(group.drop_columns([*partition]))
                count += group.num_rows
                group = next(groups, None) if file.tell() < TARGET_BYTES else None
        size = folder.get_file_info(name).size or 0
        yield AddAction(
            path=name,
            size=size,
            partition_values=dict(partition),
            modification_time=time.time_ns() // 10**6,
            data_change=True,
            stats=json.dumps({"numRecords": count}),
        )


def still_there(folder: fs.FileSystem, files: Iterable[AddAction]) -> None:
    """A vacuum takes files that no log names for orphans once they are old enough.

    Raises:
        LakeUnavailable: it took one of these.
    """
    found = folder.get_file_info([file.path for file in files])
    if any(file.type is not fs.FileType.File for file in found):
        raise LakeUnavailable(
            "a vacuum removed rewritten files before they were committed: the rewrite took longer than it spares",
            remedy="pause the DAG `maintain__lake` and run the same command again",
        )

"""The items that raw knows of a feed range, each as its newest row says.

Raw may have any number of rows. They are put aside in shares by a hash of the item's key, so that all rows of an item
are in one share, in files where there is more than one; one share at a time is in memory, of about `SHARE_ROWS` rows.
With `MOST_SHARES`, which bounds the files that are open at once, that holds up to 128 million rows of raw.
Of 10 million rows in 10 commits the process has 610 MB at most, 515 of them while delta-rs reads.
"""

from __future__ import annotations

import math
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from ingest.errors import TransientError
from ingest.lake.commit import scan
from ingest.model.container import DELETES
from ingest.model.tables import RAW

__all__ = ["items_before"]

SHARE_ROWS, MOST_SHARES = 500_000, 256

_READ = pa.schema([RAW.field(name) for name in ("key", "headers", "position", "event_id", "operation")])
_ROWS = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("generation", pa.int64()),
        pa.field("position", pa.int64()),
        pa.field("index", pa.int64()),
        pa.field("is_delete", pa.bool_()),
    ]
)
_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4")
_ORDER = [(name, "ascending") for name in ("generation", "position", "index")]


def items_before(table: DeltaTable, source: str, feed_range: str, generation: int) -> Iterator[pa.Table]:
    """The items (`key`) whose newest row is of a generation before this one, and no delete.

    Rows of erased people have no key. Newest is last by generation, position and place within the position.

    Raises:
        TransientError: what exceeds memory cannot be put aside.
        LakeUnavailable: raw cannot be read.
    """
    rows = _rows(table, source, feed_range)
    count = math.ceil(sum(pa.table(table.get_add_actions(flatten=True))["num_records"].to_pylist()) / SHARE_ROWS)
    if count <= 1:
        yield _older(pa.Table.from_batches(rows, _ROWS), generation)
        return
    with tempfile.TemporaryDirectory(prefix="lakepost-known-") as folder:
        for share in _shares(rows, Path(folder), min(count, MOST_SHARES)):
            with pa.memory_map(str(share)) as file:
                yield _older(pa.ipc.open_file(file).read_all(), generation)


def _rows(table: DeltaTable, source: str, feed_range: str) -> Iterator[pa.RecordBatch]:
    """Rows of raw as `_ROWS`."""
    where = " AND ".join([f"source = {_quoted(source)}", f"routing_key = {_quoted(feed_range)}", "key IS NOT NULL"])
    for batch in scan(table, _READ, where):
        columns = [
            batch["key"],
            _number(batch["headers"], r'"generation": ?(?P<number>\d+)'),
            pc.fill_null(batch["position"], 0),
            _number(batch["event_id"], r":(?P<number>\d+)$"),
            pc.is_in(batch["operation"], value_set=pa.array(DELETES, pa.string())),
        ]
        yield pa.record_batch(columns, schema=_ROWS)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _number(texts: pa.Array, pattern: str) -> pa.Array:
    """The number that the pattern finds in each text; 0 where it finds none."""
    found = pc.struct_field(pc.extract_regex(texts, pattern), "number")
    return pc.fill_null(found, "0").cast(pa.int64())


def _older(rows: pa.Table, generation: int) -> pa.Table:
    """Of all rows of some items, the items that were not seen since that generation began, and were not deleted."""
    seen = pc.unique(rows.filter(pc.greater_equal(rows["generation"], generation))["key"])
    older = rows.filter(pc.invert(pc.is_in(rows["key"], value_set=seen)))
    newest = older.sort_by(_ORDER).group_by("key", use_threads=False).aggregate([("is_delete", "last")])
    return newest.filter(pc.invert(newest["is_delete_last"])).select(["key"])


def _shares(rows: Iterator[pa.RecordBatch], folder: Path, count: int) -> list[Path]:
    """Files of so many shares."""
    paths = [folder / f"{number}.arrow" for number in range(count)]
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(pa.ipc.new_file(path, _ROWS, options=_LZ4)) for path in paths]
            for batch in rows:
                keys = batch["key"].cast(pa.binary()).to_pylist()
                share = np.fromiter(map(zlib.crc32, keys), np.uint32, len(keys)) % count
                for number in np.unique(share):
                    files[number].write_batch(batch.filter(pa.array(share == number)))
    except OSError as error:
        raise TransientError(
            f"rows that exceed memory could not be put aside in {folder}: {error}",
            remedy="make room there, or let TMPDIR name a folder that has it, and run again",
        ) from error
    return paths

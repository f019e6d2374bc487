"""The raw table: what land appends to and curate reads from, by version."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from ingest.lake.commit import Entry, commit, numbered, open_table, scan
from ingest.lake.log import added, appends, commits
from ingest.model.tables import RAW

__all__ = ["append", "limit", "pending_by_date", "pending_rows", "pending_windows", "read"]

_CHANGES = RAW.append(pa.field("_change_type", pa.string()))
_WINDOW, _ROWS, _BYTES = "lakepost.window", "lakepost.rows", "lakepost.bytes"


def append(
    uri: str, rows: pa.Table, *, window: str, application: str, position: int | None, tried: bool = False
) -> int:
    """Commit one window; returns raw's version.

    A queue's window has no position: its application transaction is the next number, and after an
    error the window itself is looked for before anything is written again; `tried` says that an earlier
    call may have written it.
    """

    def landed(table: DeltaTable, attempt: int) -> bool:
        if attempt == 1 and not tried:
            return False  # nothing was tried yet, and a window's name is new
        mine = scan(table, pa.schema([RAW.field("window")]), f"\"window\" = '{window}'")
        return any(batch.num_rows for batch in mine)

    metadata = {_WINDOW: window, _ROWS: str(rows.num_rows), _BYTES: str(rows.nbytes)}
    done = landed if position is None else numbered(application, position)
    return commit(uri, rows, Entry(application, position, done, metadata=metadata))


def limit(uri: str, after: int, *, max_rows: int, max_bytes: int) -> int | None:
    """The version a batch that begins after `after` reads to; null when nothing was appended since.

    The largest that stays within both limits, and at least one window: a window is never split.
    """
    rows = size = 0
    until = None
    for version, new_rows, new_bytes in _appends(uri, after, open_table(uri).version()):
        if new_rows and rows and (rows + new_rows > max_rows or size + new_bytes > max_bytes):
            break
        rows, size = rows + new_rows, size + new_bytes
        until = version if rows else None
    return until


def pending_rows(uri: str, after: int, until: int) -> int:
    """Rows appended in versions (`after`, `until`]."""
    return sum(rows for _, rows, _ in _appends(uri, after, until))


def pending_by_date(uri: str, after: int, until: int) -> dict[dt.date, int]:
    """Rows of each event date appended in versions (`after`, `until`]."""
    found: dict[dt.date, int] = defaultdict(int)
    for file in added(uri, after, until):
        found[dt.date.fromisoformat(file["partitionValues"]["event_date"])] += file["stats"]["numRecords"]
    return dict(found)


def pending_windows(uri: str, after: int) -> list[str]:
    """The windows appended beyond the version `after`."""
    told = commits(uri, after, open_table(uri).version())
    return [commit_info[_WINDOW] for _, commit_info in told if _WINDOW in commit_info]


def _appends(uri: str, after: int, until: int) -> Iterator[tuple[int, int, int]]:
    """(version, rows, bytes) of each version in (`after`, `until`], oldest first; 0 rows where none were added.

    Read one by one: whoever has enough reads no further.
    """
    for version, commit_info in commits(uri, after, until):
        metrics = commit_info.get("operationMetrics", {})
        rows = int(commit_info.get(_ROWS, metrics.get("num_added_rows", 0))) if appends(commit_info) else 0
        yield version, rows, int(commit_info.get(_BYTES, 0))


def read(uri: str, after: int, until: int) -> pa.Table:
    """The inserts of raw versions (`after`, `until`], `RAW`, in (`window`, `row`) order.

    Compaction between those versions changes nothing. A row that was deleted after its version is read all the
    same: whoever deletes from raw has curate read everything first.
    """
    columns = [*RAW.names, "_change_type"]
    reader = open_table(uri).load_cdf(
        starting_version=after + 1, ending_version=until, columns=columns, allow_out_of_range=True
    )
    changes = pa.RecordBatchReader.from_stream(reader)
    # delta-rs hands out string views, which most kernels do not take yet.
    batches = [_inserts(batch.cast(_CHANGES)) for batch in changes if batch.num_rows]
    if not batches:
        return RAW.empty_table()
    rows = pa.Table.from_batches(batches).combine_chunks()  # taking from many pieces costs ten times as much
    del batches  # or the rows are held three times below
    order = _order(rows)
    return rows if order is None else rows.take(order)


def _inserts(changes: pa.RecordBatch) -> pa.RecordBatch:
    inserted = pc.equal(changes["_change_type"], "insert")
    rows = changes.select(RAW.names)
    return rows if pc.all(inserted).as_py() else rows.filter(inserted)


def _order(rows: pa.Table) -> pa.Array | None:
    """The (`window`, `row`) order of the rows; null when they stand in it. Windows are few: their ranks are sorted."""
    windows = rows["window"].combine_chunks().dictionary_encode()
    ranks = np.argsort(np.argsort(np.array(windows.dictionary.cast(pa.binary()).to_pylist(), dtype=object)))
    keys = (ranks[windows.indices.to_numpy()].astype(np.int64) << 32) + rows["row"].to_numpy()
    return None if (keys[1:] >= keys[:-1]).all() else pa.array(np.argsort(keys, kind="stable"))

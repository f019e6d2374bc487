"""The raw table: what land appends to and curate reads from, by version."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from ingest.errors import Overtaken
from ingest.lake.commit import Done, Entry, commit, open_table, scan
from ingest.lake.log import added, appended, appends, commits
from ingest.model.batches import gathered
from ingest.model.tables import MOST_DATES, RAW

__all__ = [
    "PIECE_ROWS",
    "append",
    "append_from",
    "limit",
    "pending_by_date",
    "pending_rows",
    "pending_windows",
    "pieces",
]

_CHANGES = RAW.append(pa.field("_change_type", pa.string()))
PIECE_ROWS = 16_384
_WINDOW, _ROWS, _BYTES = "lakepost.window", "lakepost.rows", "lakepost.bytes"


def _stored(application: str, rows: pa.Table, position: int) -> Done:
    """Done when the log holds this position of a stream; its rows go on from what is stored, or not at all."""
    first = pc.min(rows["position"]).as_py()

    def done(table: DeltaTable, _attempt: int) -> bool:
        last = table.transaction_version(application)
        if last is not None and first <= last < position:
            raise Overtaken(
                f"another `land` has committed {application.removeprefix('land:')} up to offset {last}, and this window"
                f" begins at {first}",
                remedy="run it again: it goes on from there; let one at a time land a stream",
            )
        return last is not None and last >= position

    return done


def append(
    uri: str, rows: pa.Table, *, window: str, application: str, position: int | None, tried: bool = False
) -> int:
    """Commit one window; returns raw's version.

    A queue's window has no position: its application transaction is the next number, and after an
    error the window itself is looked for before anything is written again; `tried` says that an earlier
    call may have written it.

    Raises:
        Overtaken: another land of the same stream has committed a part of it.
    """

    def landed(table: DeltaTable, attempt: int) -> bool:
        if attempt == 1 and not tried:
            return False  # nothing was tried yet, and a window's name is new
        mine = scan(table, pa.schema([RAW.field("window")]), f"\"window\" = '{window}'")
        return any(batch.num_rows for batch in mine)

    metadata = {_WINDOW: window, _ROWS: str(rows.num_rows), _BYTES: str(rows.nbytes)}
    done = landed if position is None else _stored(application, rows, position)
    return commit(uri, rows, Entry(application, position, done, metadata=metadata))


def append_from(uri: str, rows: pa.Table, *, window: str, application: str, number: int, after: int | None) -> int:
    """Commit one window of a source with tokens under the number of its token; returns raw's version.

    The number belongs to one run: is it in the log, so is the window. Any other than `after` there means that another
    run has landed what begins there, perhaps up to another place: nothing may follow it but what was read after it.

    Raises:
        Overtaken: raw does not stand at `after`.
    """

    def done(table: DeltaTable, _attempt: int) -> bool:
        last = table.transaction_version(application)
        if last not in {number, after}:
            raise Overtaken(
                f"another `land` has committed {application.removeprefix('land:')} meanwhile",
                remedy="run it again: it goes on from there; let one at a time land a feed range",
            )
        return last == number

    metadata = {_WINDOW: window, _ROWS: str(rows.num_rows), _BYTES: str(rows.nbytes)}
    return commit(uri, rows, Entry(application, number, done, metadata=metadata))


def limit(uri: str, after: int, *, max_rows: int, max_bytes: int) -> int | None:
    """The version a batch that begins after `after` reads to; null when nothing was appended since.

    The largest that stays within both limits and `MOST_DATES`, and at least one window: a window is never split.
    """
    rows = size = 0
    dates: set[str] = set()
    until = None
    for version, new_rows, new_bytes, new_dates in _appends(uri, after, open_table(uri).version()):
        within = rows + new_rows <= max_rows and size + new_bytes <= max_bytes and len(dates | new_dates) <= MOST_DATES
        if new_rows and rows and not within:
            break
        rows, size, dates = rows + new_rows, size + new_bytes, dates | new_dates
        until = version if rows else None
    return until


def pending_rows(uri: str, after: int, until: int) -> int:
    """Rows appended in versions (`after`, `until`]."""
    return sum(rows for _, rows, _, _ in _appends(uri, after, until))


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


def _appends(uri: str, after: int, until: int) -> Iterator[tuple[int, int, int, set[str]]]:
    """(version, rows, bytes, dates) of each version in (`after`, `until`], oldest first; none where none were added.

    Read one by one: whoever has enough reads no further.
    """
    for version, commit_info, dates in appended(uri, after, until):
        metrics = commit_info.get("operationMetrics", {})
        rows = int(commit_info.get(_ROWS, metrics.get("num_added_rows", 0))) if appends(commit_info) else 0
        yield version, rows, int(commit_info.get(_BYTES, 0)), dates if rows else set()


def pieces(uri: str, after: int, until: int) -> Iterator[pa.Table]:
    """The inserts of raw versions (`after`, `until`], `RAW`, in pieces of at most `PIECE_ROWS` rows, in no order.

    Compaction between those versions changes nothing. Updates are passed over: they are erasures of what was read
    before, and the files that tell what stood there are gone.
    """
    yield from map(_inserts, gathered(_changes(uri, after, until), rows=PIECE_ROWS))


def _changes(uri: str, after: int, until: int) -> Iterator[pa.RecordBatch]:
    columns = [*RAW.names, "_change_type"]
    for first, last in _ranges(uri, after, until):
        reader = open_table(uri).load_cdf(
            starting_version=first, ending_version=last, columns=columns, allow_out_of_range=True
        )
        yield from pa.RecordBatchReader.from_stream(reader)


def _ranges(uri: str, after: int, until: int) -> Iterator[tuple[int, int]]:
    """The versions in (`after`, `until`] as ranges, both ends included, without updates."""
    first = after + 1
    for version, commit_info in commits(uri, after, until):
        if commit_info.get("operation") == "UPDATE":
            if first < version:
                yield first, version - 1
            first = version + 1
    if first <= until:
        yield first, until


def _inserts(changes: pa.Table) -> pa.Table:
    """delta-rs hands out string views, which most kernels do not take; putting views together copies no body."""
    rows = changes.combine_chunks().cast(_CHANGES)
    inserted = pc.equal(rows["_change_type"], "insert")
    rows = rows.select(RAW.names)
    return rows if pc.all(inserted).as_py() is not False else rows.filter(inserted)

"""erase's side of the lake: rows of one person out of curated and quarantine, and their content out of raw.

Which rows those are is told by whoever recognises them. Curated and quarantine go together as in a replay: the rows
that leave quarantine are recorded under a number first, curated's commit names that number and carries the account,
and whoever comes next takes out of quarantine what a killed run left there.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from ingest.errors import LakeUnavailable, Overtaken
from ingest.lake import published, raw
from ingest.lake.commit import KEEP_LOG, decided, history, open_table, scan
from ingest.lake.replaying import NUMBER, REPLAY, Tables, finish, is_behind, settled, standing
from ingest.lake.search import holds_rows
from ingest.model.batches import gathered
from ingest.model.erasure import ERASED, ERASED_ID
from ingest.model.points import Point, Reached
from ingest.model.ports import AccountOf
from ingest.model.tables import QUARANTINE, RAW, RECOGNISED, occurrences, row_names

__all__ = ["Pinned", "Recognise", "empty", "fence"]

Recognise = Callable[[pa.Table], pa.Table]
"""Rows of raw (`_READ`) → those of erased people, `tables.RECOGNISED`."""

_READ = pa.schema(
    [RAW.field(name) for name in ("window", "row", "event_date", "operation", "event_id", "event_type", "routing_key")]
    + [RAW.field(name) for name in ("body", "content_type", "content_encoding", "headers")]
)
_ROW = pa.schema([QUARANTINE.field(name) for name in ("window", "row")])
_NAMED_ROWS = 1_000
"""Rows that one commit names: each name is parsed, and above ten thousand delta-rs runs out of stack."""
_MOST_BYTES = 64 * 1024 * 1024
_COMMIT = "lakepost.erase"


class Pinned:
    """Implements `ports.PinnedErasure`: everything of erased people that curate has read, as of one curated version."""

    def __init__(self, tables: Tables, uris: Mapping[str, str], recognise: Recognise) -> None:
        self._tables = tables
        self._curated, quarantine = settled(tables)
        self._behind = is_behind(self._curated, quarantine)
        self.position = published.position(self._curated)
        self.rows = _recognised(uris["raw"], self.position, recognise)
        names = row_names(self.rows)
        self._in_curated = holds_rows(self._curated, self.rows)
        rejects = [row_names(some) for some in standing(tables, self._curated, quarantine, _ROW)]
        mine = (some.filter(pc.is_in(some, value_set=names)) for some in rejects)
        there = pa.concat_arrays([pa.array([], pa.string()), *mine])
        self._in_quarantine = pc.is_in(names, value_set=there)
        self.curated = pc.sum(self._in_curated).as_py() or 0
        self.quarantined = pc.sum(self._in_quarantine).as_py() or 0
        self._duplicates = self._not_told(published.by_date(uris["accounts"], self._curated, "erased"))

    def _not_told(self, told: Mapping[dt.date, int]) -> dict[str, int]:
        """Rows by date that no account tells as erased and that stand nowhere: they were counted as duplicates."""
        anywhere = pc.or_(self._in_curated, self._in_quarantine)
        rows = Counter(_by_date(self.rows.filter(pc.invert(anywhere))))
        rows.subtract({str(date): count for date, count in told.items() if str(date) in rows})
        return {date: count for date, count in rows.items() if count}

    def publish(self, account: AccountOf, reached: Reached) -> None:
        """Take the rows out of curated and quarantine, and account for them as erased.

        Raises:
            Overtaken: others changed curated since; pin again. What is committed is accounted for.
        """
        if self._behind:
            raise Overtaken(f"a replay of {self._tables.dataset} is under way", remedy="run the same command again")
        rows = self.rows.append_column("c", self._in_curated).append_column("q", self._in_quarantine)
        for date, chunk in _chunks(rows):
            leaving = chunk.filter(pc.or_(chunk["c"], chunk["q"]))
            if leaving.num_rows:
                self._take_out(date, leaving, account, reached)
        if self._duplicates:
            minus = {date: -count for date, count in self._duplicates.items()}
            self._commit(account(0, minus, self._duplicates), None)

    def _take_out(self, date: str, rows: pa.Table, account: AccountOf, reached: Reached) -> None:
        gone = row_names(rows.filter(rows["q"])).to_pylist()
        number = self._tables.record(self._curated, gone) if gone else None
        reached(Point.ERASURE_RECORDED)
        mine = rows.filter(rows["c"])
        told = account(-mine.num_rows, {}, {date: rows.num_rows})
        self._commit(told, _predicate(date, mine) if mine.num_rows else None, number)
        reached(Point.ERASURE_COMMITTED)
        if gone:
            finish(self._tables)

    def _commit(self, account: Mapping[str, Any], predicate: str | None, number: int | None = None) -> None:
        _commit(self._curated, account, predicate, number)


def fence(tables: Tables, account: Mapping[str, Any]) -> None:
    """Commit an account of no rows to curated: what was judged before it will not be published.

    Raises:
        Overtaken: others committed at the same moment.
    """
    _commit(settled(tables)[0], account, None, None)


def _commit(curated: DeltaTable, account: Mapping[str, Any], predicate: str | None, number: int | None) -> None:
    """Delete what `predicate` matches, or nothing, as the very next version, with the account."""
    mark, before = uuid.uuid4().hex, curated.version()
    metadata = {published.ACCOUNT: json.dumps(account, sort_keys=True), _COMMIT: mark}
    properties = CommitProperties(
        custom_metadata=metadata | ({} if number is None else {NUMBER: str(number)}),
        app_transactions=[] if number is None else [Transaction(REPLAY, number)],
        max_commit_retries=0,
    )
    try:
        if predicate is None:
            nothing = pa.schema(curated.schema().to_arrow()).empty_table()
            write_deltalake(
                curated, nothing, mode="append", commit_properties=properties, post_commithook_properties=KEEP_LOG
            )
        else:
            curated.delete(predicate, commit_properties=properties, post_commithook_properties=KEEP_LOG)
    except (DeltaError, OSError) as error:
        there = any(info.get(_COMMIT) == mark for _, info in history(curated.table_uri, before))
        if there or isinstance(error, CommitFailedError):  # an error does not mean that nothing was committed
            told = f"{curated.table_uri} changed while rows were erased from it"
            raise Overtaken(told, remedy="run the same command again") from error
        raise LakeUnavailable(f"{curated.table_uri}: {error}", remedy="run the same command again") from error


def empty(uri: str, rows: pa.Table) -> None:
    """Take the content of raw's `rows` (`tables.RECOGNISED`) away where it is still there.

    They stay as rows, so that counts, windows and positions do. Curate must have read them: an update is not among
    the inserts that it reads.
    """
    full = rows.filter(pc.invert(rows["emptied"]))
    for date, chunk in _chunks(full):
        predicate = f"coalesce(operation, '') <> '{ERASED}' AND {_predicate(date, chunk)}"
        updates = {"body": "arrow_cast('', 'Binary')", "headers": "NULL", "key": "NULL", "operation": f"'{ERASED}'"}
        for name, new in (("event_id", f"'{ERASED_ID}'"), ("event_type", "NULL"), ("routing_key", "NULL")):
            named = chunk.filter(chunk[name])
            if named.num_rows:
                updates[name] = f'CASE WHEN {_among(named)} THEN {new} ELSE "{name}" END'
        decided(uri, _never, _update(predicate, updates))


def _never(_table: DeltaTable, _attempt: int) -> bool:
    """An update finds by itself what is still to do."""
    return False


def _update(predicate: str, updates: Mapping[str, str]) -> Callable[[DeltaTable], None]:
    def update(table: DeltaTable) -> None:
        table.update(
            dict(updates),
            predicate=predicate,
            commit_properties=CommitProperties(
                max_commit_retries=0
            ),  # what it planned on one version holds on no other
            post_commithook_properties=KEEP_LOG,
        )

    return update


def _recognised(uri: str, position: int, recognise: Recognise) -> pa.Table:
    """The rows of erased people that stand in raw up to the position."""
    table = open_table(uri)
    pending = pa.array(raw.pending_windows(uri, position), pa.string())
    found = gathered(scan(table, _READ), size=_MOST_BYTES)
    read = (some.filter(pc.invert(pc.is_in(some["window"], value_set=pending))) for some in found)
    return pa.concat_tables([RECOGNISED.empty_table(), *map(recognise, read)]).combine_chunks()


def _chunks(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each event date, ISO, so many at a time."""
    for date in sorted(rows["event_date"].unique().to_pylist()):
        mine = rows.filter(pc.equal(rows["event_date"], pa.scalar(date, pa.date32())))
        for start in range(0, mine.num_rows, _NAMED_ROWS):
            yield date.isoformat(), mine.slice(start, _NAMED_ROWS)


def _by_date(rows: pa.Table) -> dict[str, int]:
    return {date.isoformat(): count for date, count in occurrences(rows["event_date"]).items()}


def _predicate(date: str, rows: pa.Table) -> str:
    """SQL that matches these rows of one event date and names nobody: it stays in the log."""
    return f"event_date = DATE '{date}' AND {_among(rows)}"


def _among(rows: pa.Table) -> str:
    names = ", ".join(f"'{name}'" for name in row_names(rows).to_pylist())
    return f'concat("window", \':\', CAST("row" AS STRING)) IN ({names})'

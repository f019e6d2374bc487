"""The tables that curate writes: curated with its position, quarantine, and the accounts derived from curated's log."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from ingest.errors import AccountBroken, Overtaken
from ingest.lake.commit import Entry, commit, history, numbered, open_table, scan
from ingest.model.ports import Batch
from ingest.model.tables import ACCOUNTS, QUARANTINE, RAW, row_names

__all__ = [
    "ACCOUNT",
    "CURATE",
    "accounted",
    "accounts",
    "append_curated",
    "duplicates",
    "duplicates_by_date",
    "duplicates_of",
    "holds_rows",
    "known",
    "position",
    "replace_quarantine",
    "write_accounts",
]

CURATE = "curate"
"""The application transaction of curated and quarantine; its number is the raw version a batch reads to."""

_ACCOUNTING = "account"
"""The application transaction of accounts; its number is the version of curated that it has accounted for."""

ACCOUNT = "lakepost.account"
"""The key of a commit's account in its metadata."""

_SEARCHED_ROWS = 500_000
_LAST_DAY = dt.date.max.toordinal()
_ROW = pa.schema([RAW.field("window"), RAW.field("row")])
_KEYS = pa.schema([RAW.field(name) for name in ("source", "event_id", "event_date")])


def position(curated: DeltaTable) -> int:
    """The raw version that curated has been read to; 0 (raw's creation) when nothing was."""
    return curated.transaction_version(CURATE) or 0


def replace_quarantine(uri: str, curated_uri: str, batch: Batch, rows: pa.Table) -> None:
    """Replace the batch's quarantine rows, unless its curated commit is already there.

    Replacing, and not skipping what stands there: a restart under newer code may judge a row differently, and
    quarantine must be of one judgement with the curated rows that follow.
    """

    def superseded(_table: DeltaTable, _attempt: int) -> bool:
        return position(open_table(curated_uri)) >= batch.until

    mine = f"batch = {batch.until}"
    before = scan(open_table(uri), pa.schema([QUARANTINE.field("batch")]), mine)
    if rows.num_rows or any(found.num_rows for found in before):
        commit(uri, rows, Entry(CURATE, batch.until, superseded, replacing=mine))


def append_curated(uri: str, batch: Batch, rows: pa.Table, account: Mapping[str, Any], seen: int | None = None) -> int:
    """Append the batch's rows with its account in the same commit: the point of truth.

    Rows that were found new in curated's version `seen` may not be new any more when another verb has published
    since: appends do not conflict in Delta, so the commit goes on top of what was looked at, or nowhere.

    Raises:
        Overtaken: a replay or a rebuild published after `seen`.
    """
    metadata = {ACCOUNT: json.dumps(account, sort_keys=True)}
    finished = numbered(CURATE, batch.until)

    def done(table: DeltaTable, attempt: int) -> bool:
        if finished(table, attempt):
            return True
        if seen is not None and table.version() > seen:
            kinds = {account["kind"] for _, account in _newer(uri, seen)} - {"curate"}
            if kinds:
                told = (
                    f"a {' and a '.join(sorted(kinds))} of {batch.dataset} published while batch {batch.until} was read"
                )
                raise Overtaken(told, remedy="run the same command again")
        return False

    return commit(uri, rows, Entry(CURATE, batch.until, done, metadata=metadata, alone=True, older=True))


def write_accounts(uri: str, curated_uri: str) -> None:
    """Write the account rows that curated's log holds and `accounts` does not: nobody else can have lost them."""
    written = _accounted(open_table(uri))
    for version, account in reversed(_newer(curated_uri, written)):
        moment = dt.datetime.fromisoformat(account["committed_at"])
        values = {**account, "curated_version": version, "committed_at": moment}
        row = pa.Table.from_pylist([values], schema=ACCOUNTS)
        commit(uri, row, Entry(_ACCOUNTING, version, numbered(_ACCOUNTING, version)))


def _accounted(accounts: DeltaTable) -> int:
    """The version of curated to which `accounts` was written; 0 is curated's creation."""
    return accounts.transaction_version(_ACCOUNTING) or 0


def accounted(accounts: DeltaTable, curated_uri: str, until: int) -> int:
    """The version of curated up to which nothing is left to account for, at most `until`."""
    written = _accounted(accounts)
    waiting = [version for version, _ in _newer(curated_uri, written)]
    return min(waiting) - 1 if waiting else max(until, written)


def _newer(curated_uri: str, version: int) -> list[tuple[int, dict[str, Any]]]:
    """(version, account) of curated's commits beyond `version` that carry one, newest first."""
    commits = history(curated_uri, version)
    return [(number, json.loads(commit_info[ACCOUNT])) for number, commit_info in commits if ACCOUNT in commit_info]


def accounts(uri: str, after: int = -1) -> pa.Table:
    """Every account row of curated's versions beyond `after`, `ACCOUNTS`, oldest first."""
    found = scan(open_table(uri), ACCOUNTS, f"curated_version > {after}")
    return pa.Table.from_batches(found, schema=ACCOUNTS).sort_by("curated_version")


def duplicates(uri: str, curated: DeltaTable) -> int:
    """Rows dropped as duplicates up to the version of `curated` as it was opened."""
    return sum(account["duplicates"] for account in _told(uri, curated, "duplicates"))


def duplicates_of(uri: str, curated: DeltaTable, date: dt.date) -> int:
    """Rows of one event date dropped as duplicates, up to the version of `curated` as it was opened."""
    return duplicates_by_date(uri, curated).get(date, 0)


def duplicates_by_date(uri: str, curated: DeltaTable) -> dict[dt.date, int]:
    """Rows of each event date dropped as duplicates, up to the version of `curated` as it was opened."""
    found: dict[dt.date, int] = defaultdict(int)
    for account in _told(uri, curated, "duplicates", "duplicates_by_date"):
        for date, rows in _by_date(account).items():
            found[dt.date.fromisoformat(date)] += rows
    return dict(found)


def _told(uri: str, curated: DeltaTable, *names: str) -> Iterator[Mapping[str, Any]]:
    """The columns `names` of each account, up to the version of `curated` as it was opened.

    From the accounts, and from curated's log for commits whose account a killed run left to the next one.
    """
    table, version = open_table(uri), curated.version()
    columns = pa.schema([ACCOUNTS.field(name) for name in names])
    for batch in scan(table, columns, f"curated_version <= {version}"):
        yield from batch.to_pylist()
    if _accounted(table) < version:
        yield from (told for number, told in _newer(curated.table_uri, _accounted(table)) if number <= version)


def _by_date(account: Mapping[str, Any]) -> dict[str, int]:
    by_date: dict[str, int] = json.loads(account.get("duplicates_by_date") or "{}")
    if sum(by_date.values()) != account["duplicates"]:
        raise AccountBroken(
            f"an account tells {account['duplicates']} duplicates and {sum(by_date.values())} by event date",
            remedy="this is a defect of Lakepost: keep the lake and report it",
        )
    return by_date


def known(curated: DeltaTable, keys: pa.Table, *, dedupe_days: int, but_for: dt.date | None = None) -> pa.Array:
    """For each of `keys` (`source`, `event_id`, `event_date`): is it in curated within `dedupe_days` of its date?

    Rows of the date `but_for` do not count. Reads the key columns of the partitions that can match, batch by
    batch; memory holds `keys` and what matched.
    """
    dates = [date for date in _dates_near(keys["event_date"], dedupe_days) if date != but_for]
    if not dates:
        return pa.array([False] * keys.num_rows, pa.bool_())
    near = ", ".join(f"DATE '{date}'" for date in dates)
    wanted = _joined(keys["source"], keys["event_id"])
    matched = []
    for keys_there in _groups(scan(curated, _KEYS, f"event_date IN ({near})")):
        key = _joined(keys_there["source"], keys_there["event_id"])
        hit = pc.is_in(key, value_set=wanted)
        if pc.any(hit).as_py():
            matched.append(pa.table({"key": key, "event_date": keys_there["event_date"]}).filter(hit))
    if not matched:
        return pa.repeat(pa.scalar(value=False), keys.num_rows)
    seen: dict[str, list[dt.date]] = {}
    for row in pa.concat_tables(matched).to_pylist():
        seen.setdefault(row["key"], []).append(row["event_date"])
    reach = dt.timedelta(days=dedupe_days)
    return pa.array(
        any(abs(date - other) <= reach for other in seen.get(key, ()))
        for key, date in zip(wanted.to_pylist(), keys["event_date"].to_pylist(), strict=True)
    )


def holds_rows(curated: DeltaTable, rows: pa.Table) -> pa.Array:
    """For each of `rows` (`window`, `row`, `event_date`): does `curated`, as it was opened, hold that very row?"""
    if rows.num_rows == 0:
        return pa.array([], pa.bool_())
    dates = ", ".join(f"DATE '{date}'" for date in sorted(rows["event_date"].unique().to_pylist()))
    windows = pc.min_max(rows["window"]).as_py()
    where = f"event_date IN ({dates}) AND \"window\" >= '{windows['min']}' AND \"window\" <= '{windows['max']}'"
    wanted = row_names(rows)
    found = pa.repeat(pa.scalar(value=False), rows.num_rows)
    for there in _groups(scan(curated, _ROW, where)):
        found = pc.or_(found, pc.is_in(wanted, value_set=row_names(there)))
    return found


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches put together: each search builds a hash of all that is wanted, so it had better be worth it."""
    waiting, rows = [], 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= _SEARCHED_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def _joined(source: Any, event_id: Any) -> pa.Array:
    """One key of both; the length in front tells where the first ends, whatever bytes it holds."""
    length = pc.cast(pc.binary_length(source), pa.string())
    key = pc.binary_join_element_wise(length, source, event_id, "\x00")
    return key.combine_chunks() if isinstance(key, pa.ChunkedArray) else key


def _dates_near(dates: pa.ChunkedArray, days: int) -> list[dt.date]:
    around = {
        ordinal + offset
        for ordinal in (date.toordinal() for date in dates.unique().to_pylist())
        for offset in range(-days, days + 1)
    }
    return [dt.date.fromordinal(ordinal) for ordinal in sorted(around) if 0 < ordinal <= _LAST_DAY]

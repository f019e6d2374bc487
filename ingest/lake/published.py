"""The tables that curate writes: curated with its position, quarantine, and the accounts derived from curated's log."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from ingest.lake.commit import Entry, commit, history, numbered, open_table, scan
from ingest.model.ports import Batch
from ingest.model.tables import ACCOUNTS, QUARANTINE, RAW

__all__ = [
    "CURATE",
    "accounted",
    "accounts",
    "append_curated",
    "duplicates",
    "known",
    "position",
    "quarantined",
    "replace_quarantine",
    "write_accounts",
]

CURATE = "curate"
"""The application transaction of curated and quarantine; its number is the raw version a batch reads to."""

_ACCOUNTING = "account"
"""The application transaction of accounts; its number is the version of curated that it has accounted for."""

_ACCOUNT = "lakepost.account"
_SEARCHED_ROWS = 500_000
_LAST_DAY = dt.date.max.toordinal()
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


def append_curated(uri: str, batch: Batch, rows: pa.Table, account: Mapping[str, Any]) -> int:
    """Append the batch's rows with its account in the same commit: the point of truth."""
    metadata = {_ACCOUNT: json.dumps(account, sort_keys=True)}
    done = numbered(CURATE, batch.until)
    return commit(uri, rows, Entry(CURATE, batch.until, done, metadata=metadata))


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
    return [(number, json.loads(commit_info[_ACCOUNT])) for number, commit_info in commits if _ACCOUNT in commit_info]


def accounts(uri: str, after: int = -1) -> pa.Table:
    """Every account row of curated's versions beyond `after`, `ACCOUNTS`, oldest first."""
    found = scan(open_table(uri), ACCOUNTS, f"curated_version > {after}")
    return pa.Table.from_batches(found, schema=ACCOUNTS).sort_by("curated_version")


def duplicates(uri: str, curated: DeltaTable) -> int:
    """Rows dropped as duplicates up to the version of `curated` as it was opened.

    From the accounts, and from curated's log for commits whose account a killed run left to the next one.
    """
    table, version = open_table(uri), curated.version()
    columns = pa.schema([ACCOUNTS.field(name) for name in ("curated_version", "duplicates")])
    written = pa.Table.from_batches(scan(table, columns, f"curated_version <= {version}"), schema=columns)
    unwritten = _newer(curated.table_uri, _accounted(table)) if _accounted(table) < version else []
    left = sum(int(account["duplicates"]) for number, account in unwritten if number <= version)
    return int(pc.sum(written["duplicates"]).as_py() or 0) + left


def quarantined(uri: str, curated: DeltaTable) -> int:
    """Quarantine rows of the batches that `curated`, as it was opened, holds: others are pending still."""
    column = pa.schema([QUARANTINE.field("batch")])
    return sum(batch.num_rows for batch in scan(open_table(uri), column, f"batch <= {position(curated)}"))


def known(uri: str, keys: pa.Table, *, dedupe_days: int) -> pa.Array:
    """For each of `keys` (`source`, `event_id`, `event_date`): is it in curated within `dedupe_days` of its date?

    Reads the key columns of the partitions that can match, batch by batch; memory holds `keys` and what matched.
    """
    if keys.num_rows == 0:
        return pa.array([], pa.bool_())
    near = ", ".join(f"DATE '{date}'" for date in _dates_near(keys["event_date"], dedupe_days))
    wanted = _joined(keys["source"], keys["event_id"])
    matched = []
    for keys_there in _groups(scan(open_table(uri), _KEYS, f"event_date IN ({near})")):
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

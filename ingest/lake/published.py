"""The tables that curate writes: curated with its position, quarantine, and the accounts derived from curated's log."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from ingest.errors import AccountBroken, Overtaken
from ingest.lake.commit import Entry, commit, history, numbered, open_table, scan
from ingest.model.ports import Batch
from ingest.model.tables import ACCOUNTS, QUARANTINE

__all__ = [
    "ACCOUNT",
    "CURATE",
    "accounted",
    "accounts",
    "append_curated",
    "by_date",
    "counted",
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


def counted(uri: str, curated: DeltaTable, count: str) -> int:
    """Rows that the accounts count as `duplicates` or `erased`, up to the version of `curated` as it was opened."""
    return sum(account[count] or 0 for account in _told(uri, curated, count))


def by_date(uri: str, curated: DeltaTable, count: str) -> dict[dt.date, int]:
    """Those rows by event date."""
    found: dict[dt.date, int] = defaultdict(int)
    for account in _told(uri, curated, count, f"{count}_by_date"):
        for date, rows in _by_date(account, count).items():
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
        newer = _newer(curated.table_uri, _accounted(table))
        yield from (dict.fromkeys(names) | account for number, account in newer if number <= version)


def _by_date(account: Mapping[str, Any], count: str) -> dict[str, int]:
    rows: dict[str, int] = json.loads(account[f"{count}_by_date"] or "{}")
    if sum(rows.values()) != (account[count] or 0):
        raise AccountBroken(
            f"an account tells {account[count]} rows as {count} and {sum(rows.values())} by event date",
            remedy="this is a defect of Lakepost: keep the lake and report it",
        )
    return rows

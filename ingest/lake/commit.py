"""The one way to commit to a table.

Delta refuses two writers that started from one snapshot, but a *fresh* handle happily commits an
application-transaction number that is already there, and rows double. An error does not mean that
nothing was committed either. So: open once, decide by the log, write with that very handle; after any
error reopen and decide again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from ingest.errors import CommitFailed, LakeUnavailable, SchemaMismatch

__all__ = ["KEEP_LOG", "Entry", "commit", "history", "numbered", "open_table", "same_schema", "scan"]

KEEP_LOG = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
"""A commit never cleans the log: an unread version must not vanish under a curate that was paused for long."""

_ATTEMPTS = 12


Done = Callable[[DeltaTable, int], bool]
"""Asked before each attempt (counted from 1) with the freshly opened table: is this commit there already?"""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a commit is in the table's log.

    `number` is the application transaction's; null takes the next free one. `done` decides whether the
    commit is there already. `replacing` is an SQL predicate: rows it matches are replaced instead of
    appended to. `alone`: any commit that comes between opening and writing is a conflict, an append too.
    """

    application: str
    number: int | None
    done: Done
    replacing: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    alone: bool = False


def numbered(application: str, number: int) -> Done:
    """Done when the log holds this number or a higher one: where a position decides (an offset, a batch)."""

    def done(table: DeltaTable, _attempt: int) -> bool:
        last = table.transaction_version(application)
        return last is not None and last >= number

    return done


class _Undecided(Exception):
    """An attempt failed: reopen the table and decide again."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def open_table(uri: str) -> DeltaTable:
    """Open a table at its newest version.

    Raises:
        LakeUnavailable: there is none, or the storage refuses.
    """
    try:
        return DeltaTable(uri)
    except TableNotFoundError as error:
        raise LakeUnavailable(f"no table at {uri}", remedy="run `lakepost lake init`") from error
    except (DeltaError, OSError) as error:
        raise LakeUnavailable(f"cannot open {uri}: {error}", remedy="run `lakepost doctor`") from error


def history(uri: str, after: int) -> list[tuple[int, dict[str, Any]]]:
    """(version, commit info) of every version beyond `after`, newest first.

    delta-rs reads the newest commits of the log but numbers them from the version of the handle: a commit
    that comes in between shifts every number. So a history counts when no commit came meanwhile.
    """
    while True:
        table = open_table(uri)
        unread = table.version() - after
        commits = table.history(unread) if unread > 0 else []
        if open_table(uri).version() == table.version():
            return [(table.version() - place, commit_info) for place, commit_info in enumerate(commits)]


def scan(table: DeltaTable, schema: pa.Schema, predicate: str | None = None) -> Iterator[pa.RecordBatch]:
    """The columns of `schema` of the rows that `predicate` (SQL) matches, in no order, batch by batch.

    By delta-rs's own engine: reading by `to_pyarrow_dataset` now and then aborts the interpreter's exit.
    It hands out string views, which most of pyarrow's kernels do not take yet: hence the cast.
    """
    for batch in pa.RecordBatchReader.from_stream(table.scan(columns=schema.names, predicate=predicate)):
        yield batch.select(schema.names).cast(schema)


def commit(uri: str, rows: pa.Table | Callable[[DeltaTable], pa.Table], entry: Entry) -> int:
    """Commit `rows` exactly once under `entry`; returns the table's version that holds them.

    A function gives the rows of each attempt, from the handle that writes them.

    Raises:
        SchemaMismatch: `rows` do not have the table's schema; written anyway, 1.5 would become 1.
        CommitFailed: other writers were first on every attempt.
        LakeUnavailable: the storage refused on every attempt.
    """
    attempts = Retrying(
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.01, max=1.0),
        retry=retry_if_exception_type(_Undecided),
    )
    try:
        for attempt in attempts:
            with attempt:
                return _attempt(uri, rows, entry, attempt.retry_state.attempt_number)
    except RetryError as exhausted:
        undecided = exhausted.last_attempt.exception()
        cause = undecided.cause if isinstance(undecided, _Undecided) else exhausted
        table = open_table(uri)
        if entry.done(table, _ATTEMPTS + 1):
            return table.version()
        if isinstance(cause, CommitFailedError):
            raise CommitFailed(f"{uri}: {cause}", remedy="run the same command again") from cause
        raise LakeUnavailable(f"{uri}: {cause}", remedy="check the lake's storage, then run again") from cause
    raise AssertionError("unreachable: an attempt returns or raises")


def _attempt(uri: str, given: pa.Table | Callable[[DeltaTable], pa.Table], entry: Entry, attempt: int) -> int:
    table = open_table(uri)
    if entry.done(table, attempt):
        return table.version()
    try:
        rows = given(table) if callable(given) else given
    except (DeltaError, OSError) as error:
        raise _Undecided(error) from error
    same_schema(table, rows.schema, uri)
    last = table.transaction_version(entry.application)
    number = entry.number if entry.number is not None else (-1 if last is None else last) + 1
    properties = CommitProperties(
        custom_metadata=dict(entry.metadata),
        app_transactions=[Transaction(entry.application, number)],
        max_commit_retries=0 if entry.alone else None,
    )
    try:
        if entry.replacing is None:
            write_deltalake(
                table, rows, mode="append", commit_properties=properties, post_commithook_properties=KEEP_LOG
            )
        else:
            write_deltalake(
                table,
                rows,
                mode="overwrite",
                predicate=entry.replacing,
                commit_properties=properties,
                post_commithook_properties=KEEP_LOG,
            )
    except (DeltaError, OSError) as error:
        raise _Undecided(error) from error
    return table.version()


def same_schema(table: DeltaTable, schema: pa.Schema, uri: str) -> None:
    """Raise `SchemaMismatch` unless rows of `schema` can be written to `table` as they are."""
    expected = pa.schema(table.schema().to_arrow())
    if expected.equals(schema):
        return
    differing = [
        f"{name}: table {_type(expected, name)}, rows {_type(schema, name)}"
        for name in dict.fromkeys([*expected.names, *schema.names])
        if _type(expected, name) != _type(schema, name)
    ]
    raise SchemaMismatch(
        f"{uri}: rows do not have the table's schema ({'; '.join(differing) or 'column order'})",
        remedy="a contract's columns cannot change under a table that has data: restore them, or start a new dataset",
    )


def _type(schema: pa.Schema, name: str) -> str:
    if name not in schema.names:
        return "absent"
    found = schema.field(name)
    return f"{found.type}{'' if found.nullable else ' not null'}"

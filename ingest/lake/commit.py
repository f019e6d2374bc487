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
from ingest.lake.growth import Growth, conformed, growth

__all__ = [
    "KEEP_LOG",
    "Done",
    "Entry",
    "aligned",
    "commit",
    "decided",
    "differences",
    "history",
    "numbered",
    "open_table",
    "scan",
    "schema_of",
    "streamed",
]

KEEP_LOG = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
"""A commit never cleans the log: an unread version must not vanish under a curate that was paused for long."""

_ATTEMPTS = 12
_STREAMED_ROWS = 32_768


Done = Callable[[DeltaTable, int], bool]
"""Asked before each attempt (counted from 1) with the freshly opened table: is this commit there already?"""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a commit is in the table's log.

    `number` is the application transaction's; null takes the next free one. `done` decides whether the
    commit is there already. `replacing` is an SQL predicate: rows it matches are replaced instead of
    appended to. `alone`: any commit that comes between opening and writing is a conflict, an append too.
    `older`: the rows may be of an older contract than the table, see `aligned`.
    """

    application: str
    number: int | None
    done: Done
    replacing: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    alone: bool = False
    older: bool = False


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

    A nullable column that the table does not have yet is null. By delta-rs's own engine: reading by
    `to_pyarrow_dataset` now and then aborts the interpreter's exit. It hands out string views, which most of
    pyarrow's kernels do not take yet: hence the cast.

    Raises:
        LakeUnavailable: the storage refuses, or lacks a file.
    """
    there = {field.name for field in table.schema().fields}
    columns = [field.name for field in schema if field.name in there or not field.nullable]
    try:
        for batch in pa.RecordBatchReader.from_stream(table.scan(columns=columns, predicate=predicate)):
            yield conformed(batch, schema)
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise LakeUnavailable(f"cannot read {table.table_uri}: {error}", remedy="run `lakepost doctor`") from error


def commit(uri: str, rows: pa.Table | Callable[[DeltaTable], pa.Table], entry: Entry) -> int:
    """Commit `rows` exactly once under `entry`; returns the table's version that holds them.

    A function gives the rows of each attempt, from the handle that writes them.

    Raises:
        SchemaMismatch: `rows` do not have the table's schema; written anyway, 1.5 would become 1.
        CommitFailed: other writers were first on every attempt.
        LakeUnavailable: the storage refused on every attempt.
    """
    return decided(uri, entry.done, lambda table: _write(table, rows, entry))


def decided(uri: str, done: Done, write: Callable[[DeltaTable], None], *, attempts: int = _ATTEMPTS) -> int:
    """Open, and `write` with that very handle unless the commit is `done`; after any error open and decide again.

    Returns the table's version that holds the commit.

    Raises:
        CommitFailed: other writers were first on every attempt.
        LakeUnavailable: the storage refused on every attempt.
    """
    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=0.01, max=1.0),
        retry=retry_if_exception_type(_Undecided),
    )
    try:
        for attempt in retrying:
            with attempt:
                return _attempt(uri, done, write, attempt.retry_state.attempt_number)
    except RetryError as exhausted:
        undecided = exhausted.last_attempt.exception()
        cause = undecided.cause if isinstance(undecided, _Undecided) else exhausted
        table = open_table(uri)
        if done(table, attempts + 1):
            return table.version()
        if isinstance(cause, CommitFailedError):
            raise CommitFailed(f"{uri}: {cause}", remedy="run the same command again") from cause
        raise LakeUnavailable(f"{uri}: {cause}", remedy="check the lake's storage, then run again") from cause
    raise AssertionError("unreachable: an attempt returns or raises")


def _attempt(uri: str, done: Done, write: Callable[[DeltaTable], None], attempt: int) -> int:
    table = open_table(uri)
    if not done(table, attempt):
        try:
            write(table)
        except (DeltaError, OSError) as error:
            raise _Undecided(error) from error
    return table.version()


def _write(table: DeltaTable, given: pa.Table | Callable[[DeltaTable], pa.Table], entry: Entry) -> None:
    rows = aligned(table, given(table) if callable(given) else given, older=entry.older)
    last = table.transaction_version(entry.application)
    number = entry.number if entry.number is not None else (-1 if last is None else last) + 1
    properties = CommitProperties(
        custom_metadata=dict(entry.metadata),
        app_transactions=[Transaction(entry.application, number)],
        max_commit_retries=0 if entry.alone else None,
    )
    some = streamed(rows)
    if entry.replacing is None:
        write_deltalake(table, some, mode="append", commit_properties=properties, post_commithook_properties=KEEP_LOG)
        return
    write_deltalake(
        table,
        some,
        mode="overwrite",
        predicate=entry.replacing,
        commit_properties=properties,
        post_commithook_properties=KEEP_LOG,
    )


def streamed(rows: pa.Table) -> pa.RecordBatchReader:
    """`rows` as delta-rs takes least memory for: what it is given at once it divides by partition at once."""
    return pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(max_chunksize=_STREAMED_ROWS))


def schema_of(table: DeltaTable) -> pa.Schema:
    """The table's schema as it was opened. Columns that were added later stand after its partition."""
    return pa.schema(table.schema().to_arrow())


def aligned(table: DeltaTable, rows: pa.Table, *, older: bool = False) -> pa.Table:
    """`rows` (n) with the table's columns in the table's order, as they must be for a write.

    `older` rows come from a contract that the table has outgrown since: columns that they lack become null, values
    take the wider type of today, as the body would be read under it.

    Raises:
        SchemaMismatch: they differ by more; written anyway, 1.5 would become 1.
    """
    schema = schema_of(table)
    if schema.equals(rows.schema):
        return rows
    if growth(rows.schema, schema) > (Growth.WIDENED if older else Growth.SAME):
        raise SchemaMismatch(
            f"{table.table_uri}: rows do not have the table's schema ({differences(schema, rows.schema, 'rows')})",
            remedy="nothing was written; run `lakepost doctor` with the contract that the table was made by last",
        )
    return conformed(rows, schema, exact=not older)


def differences(table: pa.Schema, other: pa.Schema, name_of_other: str) -> str:
    """The columns in which the two differ, with both types."""
    return "; ".join(
        f"{name}: table {_type(table, name)}, {name_of_other} {_type(other, name)}"
        for name in dict.fromkeys([*table.names, *other.names])
        if _type(table, name) != _type(other, name)
    )


def _type(schema: pa.Schema, name: str) -> str:
    if name not in schema.names:
        return "absent"
    found = schema.field(name)
    return f"{found.type}{'' if found.nullable else ' not null'}"

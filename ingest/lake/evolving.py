"""A table takes on the columns of a contract that grew: in place where Delta can, else by rewriting its files.

Either way it is one commit: readers see the table before or after it, never a mix. The table's identity, its
application transactions and its log stay what they were, so positions and accounts hold.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.transaction import AddAction

from ingest.errors import AccountBroken, SchemaMismatch
from ingest.lake.commit import KEEP_LOG, decided, differences, scan, schema_of
from ingest.lake.datafiles import still_there, written
from ingest.lake.growth import Growth, grown, growth
from ingest.lake.log import files_in
from ingest.lake.published import ACCOUNT
from ingest.model.contract import Column, Contract, LogicalType
from ingest.model.tables import LEARNED, curated_schema

__all__ = ["evolve", "fits", "learned", "widen"]

_ALONE = 0
"""Commit retries: without any, delta-rs does not rebase onto commits that it takes for harmless."""

_REWRITES = 3
"""Attempts at a rewrite, each of which reads and writes the whole table."""

_PARTITION = "event_date"

_LEARNED = {
    pa.string(): LogicalType.STRING,
    pa.int64(): LogicalType.INTEGER,
    pa.float64(): LogicalType.NUMBER,
    pa.bool_(): LogicalType.BOOLEAN,
}


def evolve(uri: str, schema: pa.Schema) -> None:
    """Add the nullable columns and the fields of objects that `schema` has more, if that is all that differs.

    Added columns come last. A commit without an application transaction and without an account: nobody who published
    or read meanwhile takes it for another verb's. Whoever writes at the same moment starts over, with the new columns.

    Raises:
        CommitFailed: others were first on every attempt.
        LakeUnavailable: the storage refused.
    """

    def done(table: DeltaTable, _attempt: int) -> bool:
        return growth(schema_of(table), schema) is not Growth.ADDED

    def add(table: DeltaTable) -> None:
        there = schema_of(table)
        more = pa.schema([field for field in schema if grown(there, schema, field.name) is Growth.ADDED])
        table.alter.add_columns(
            list(Schema.from_arrow(more).fields),
            commit_properties=CommitProperties(max_commit_retries=_ALONE),
            post_commithook_properties=KEEP_LOG,
        )

    decided(uri, done, add)


def learned(table: DeltaTable, contract: Contract) -> Contract:
    """The contract with the columns that `table` has learned beyond it."""
    names = curated_schema(dataclasses.replace(contract, learned=())).names
    more = [
        Column(name=field.name, field=field.name, type=_LEARNED[field.type])
        for field in schema_of(table)
        if field.name not in names and (field.metadata or {}).items() >= LEARNED.items()
    ]
    return dataclasses.replace(contract, learned=tuple(more))


def fits(table: DeltaTable, schema: pa.Schema, dataset: str, *, older: bool = False, widened: bool = False) -> None:
    """Raise `SchemaMismatch` unless rows of `schema` are the table's, but for columns that it gains in place.

    `older`: they come from a contract that the table has outgrown. `widened`: it may still have to be rewritten.
    """
    there = schema_of(table)
    grows = growth(schema, there) if older else growth(there, schema)
    if grows <= (Growth.WIDENED if older or widened else Growth.ADDED):
        return
    if grows is Growth.WIDENED:
        remedy = f"run `lakepost rebuild {dataset} --all`: it rewrites the table, what curate has not read waits"
    else:
        remedy = (
            "a column cannot go or change like this under a table that has data: restore it (or is this an older"
            " copy of the contract?), or add a new dataset"
        )
    told = f"curated of {dataset} does not have the contract's columns ({differences(there, schema, 'contract')})"
    raise SchemaMismatch(told, remedy=remedy)


def widen(uri: str, schema: pa.Schema, account: Mapping[str, Any]) -> None:
    """Rewrite the table to the wider types of `schema`, rows and values as they are, with `account` in the commit.

    Date by date into files of their own, so that memory holds a row group whatever the table's size; the one commit
    then replaces all files. Does nothing where the table has the types, or differs by more than wider ones.

    Raises:
        SchemaMismatch: a value does not fit its new type; nothing was committed.
        CommitFailed: others were first on every attempt.
        LakeUnavailable: the storage refused.
    """

    def done(table: DeltaTable, _attempt: int) -> bool:
        return growth(schema_of(table), schema) is not Growth.WIDENED

    decided(uri, done, lambda table: _rewrite(table, schema, account), attempts=_REWRITES)


def _rewrite(table: DeltaTable, schema: pa.Schema, account: Mapping[str, Any]) -> None:
    folder = files_in(table.table_uri)
    dates = pa.table(table.get_add_actions(flatten=True))[f"partition.{_PARTITION}"].unique().to_pylist()
    files: list[AddAction] = []
    for date in sorted(dates):
        rows = scan(table, schema, f"{_PARTITION} = DATE '{date}'")
        files += written(folder, rows, {_PARTITION: str(date)})
    rewritten = sum(json.loads(file.stats)["numRecords"] for file in files)
    if rewritten != table.count():
        raise AccountBroken(
            f"{table.table_uri} has {table.count()} rows, {rewritten} were rewritten",
            remedy="nothing was committed; this is a defect of Lakepost: keep the lake and report it",
        )
    still_there(folder, files)
    table.create_write_transaction(
        [*files],
        mode="overwrite",
        schema=Schema.from_arrow(schema),
        partition_by=[_PARTITION],
        commit_properties=CommitProperties(
            custom_metadata={ACCOUNT: json.dumps(account, sort_keys=True)}, max_commit_retries=_ALONE
        ),
        post_commithook_properties=KEEP_LOG,
    )

"""The Arrow schemas of the lake's tables. Expensive to change once there is data: change with care.

The one module of the vocabulary that imports pyarrow; DAG parsing never reaches it.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.model.contract import Column, Contract, LogicalType, Protection

__all__ = [
    "ACCOUNTS",
    "CHANGE",
    "DELETED",
    "EVENTS",
    "KEYS",
    "LEARNED",
    "MOST_DATES",
    "OF_ITEMS",
    "QUARANTINE",
    "RAW",
    "RECOGNISED",
    "REJECTS",
    "RESCUED",
    "ROW_ORDER",
    "STAGES",
    "TIME",
    "VERDICT",
    "arrow_type",
    "curated_schema",
    "decoded_schema",
    "occurrences",
    "published_schema",
    "row_names",
    "searched_columns",
]

STAGES = ("raw", "curated", "quarantine", "accounts")
"""The tables that each dataset has."""

OF_ITEMS = ("current", "deleted")
"""Those that a dataset has beside them whose curated table is the history of items: both are derived from it.

The items as they are now, with the columns of their last change, and which were deleted and not made again.
"""

ROW_ORDER = [("window", "ascending"), ("row", "ascending")]
"""The order in which rows landed, for `Table.sort_by`: of two deliveries of one event the first wins."""

TIME = pa.timestamp("us", tz="UTC")

RAW = pa.schema(
    [
        pa.field("window", pa.string(), nullable=False),  # UUIDv7; with `row` the identity and total order
        pa.field("row", pa.int32(), nullable=False),
        pa.field("body", pa.binary(), nullable=False),  # as received
        pa.field("content_type", pa.string()),
        pa.field("content_encoding", pa.string()),
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("event_type", pa.string()),
        pa.field("event_time", TIME),
        pa.field("operation", pa.string()),  # of a change feed; null for events
        pa.field("key", pa.string()),  # of a change feed: id and partition key
        pa.field("source", pa.string(), nullable=False),  # exchange/queue, or container
        pa.field("routing_key", pa.string()),
        pa.field("headers", pa.string()),  # JSON object; properties without a column of their own as "amqp:NAME"
        pa.field("position", pa.int64()),  # stream offset, LSN, or null
        pa.field("redelivered", pa.bool_(), nullable=False),
        pa.field("landed_at", TIME, nullable=False),
        pa.field("event_date", pa.date32(), nullable=False),  # the partition
    ]
)

CHANGE = pa.schema(
    [
        pa.field("operation", pa.string()),  # create, replace, delete; snapshot, upsert; see `model.container`
        pa.field("key", pa.string()),  # of the item: JSON of its id and partition key; hashed where one of those is
        pa.field("lsn", pa.int64()),
        pa.field("index", pa.int64()),  # which change of the item within the LSN, from 0
        pa.field("generation", pa.int64()),  # how many snapshots began on purpose, or after a gap, before it
        pa.field("container_rid", pa.string()),
        pa.field("expired", pa.bool_()),  # a delete by time to live
    ]
)
"""What curated has of changes beside events. Of an item, the last by (`generation`, `lsn`, `index`) is how it is."""

DELETED = pa.schema(
    [*(CHANGE.field(name) for name in ("key", "generation", "lsn", "index", "container_rid")), RAW.field("event_time")]
)
"""The deletes of items that were not made again since: an older change that comes late must not bring them back."""

EVENTS = pa.schema([field for field in RAW if field.name not in {"window", "row", "landed_at"}])
"""What deliveries say of the rows that they become."""

MOST_DATES = 1_000
"""Event dates of one commit: its writer holds a file open for each, about 300 KB."""

KEYS = pa.schema([RAW.field(name) for name in ("source", "event_id", "event_date")])
"""What says whether two rows are one event."""

REJECTS = pa.schema(
    [
        pa.field("index", pa.int64(), nullable=False),  # which row of the batch, from 0
        pa.field("reason", pa.string(), nullable=False),  # a `reason.Reason`
        pa.field("expectation", pa.string()),  # the first one broken, in the suite's order
        pa.field("column", pa.string()),
        pa.field("value", pa.string()),  # as text, cut at 200 characters
        pa.field("detail", pa.string(), nullable=False),  # one sentence
    ]
)

RECOGNISED = pa.schema(
    [
        *(RAW.field(name) for name in ("window", "row", "event_date")),
        pa.field("emptied", pa.bool_(), nullable=False),  # its content was taken out already
        *(pa.field(name, pa.bool_(), nullable=False) for name in ("event_id", "event_type", "routing_key")),
    ]
)
"""Rows of erased people; the last three: does that column tell who it was?"""

VERDICT = tuple(name for name in REJECTS.names if name != "index")
"""The columns that say why a row is in quarantine."""

QUARANTINE = pa.schema(
    [
        *(RAW.field(name) for name in RAW.names if name != "event_date"),
        *(REJECTS.field(name) for name in VERDICT),
        pa.field("contract_version", pa.string(), nullable=False),
        pa.field("contract_digest", pa.string(), nullable=False),
        pa.field("batch", pa.int64(), nullable=False),
        pa.field("quarantined_at", TIME, nullable=False),
        pa.field("event_date", pa.date32(), nullable=False),
    ]
)

ACCOUNTS = pa.schema(
    [
        pa.field("curated_version", pa.int64(), nullable=False),  # the commit of curated that it accounts for
        pa.field("kind", pa.string(), nullable=False),  # the verb: curate; others move rows, their records are 0
        pa.field("batch", pa.int64(), nullable=False),  # the raw version it reads to, inclusive
        pa.field("after", pa.int64(), nullable=False),  # the raw version it reads from, exclusive
        pa.field("records", pa.int64(), nullable=False),
        pa.field("curated", pa.int64(), nullable=False),
        pa.field("quarantined", pa.int64(), nullable=False),
        pa.field("duplicates", pa.int64(), nullable=False),
        pa.field("accepted", pa.bool_(), nullable=False),  # the gate was opened by hand
        pa.field("contract_version", pa.string(), nullable=False),
        pa.field("contract_digest", pa.string(), nullable=False),
        pa.field("partitions", pa.string(), nullable=False),  # JSON list of ISO dates
        pa.field("duplicates_by_date", pa.string()),  # JSON object: ISO date → rows, signed; null: none
        pa.field("rejected", pa.string(), nullable=False),  # JSON object: reason or expectation → rows
        pa.field("unknown_fields", pa.string()),  # JSON object: path of a field no column takes → rows; null: none
        pa.field("committed_at", TIME, nullable=False),
        pa.field("erased", pa.int64()),  # rows of people who were erased; null: none
        pa.field("erased_by_date", pa.string()),  # JSON object: ISO date → rows, signed; null: none
    ]
)

LEARNED = {b"lakepost.learned": b"true"}
"""The metadata of a column that curated has beyond the contract: its name was an unknown field's."""

RESCUED = "_rescued"
"""The column of the fields that a body has and the contract does not name: a JSON object nested as they were."""

_RESCUED = pa.field(RESCUED, pa.string())


_MOST_STATISTICS = 32
"""Columns of a contract that a file's entry in the log tells bounds of: as many as Delta's own default."""

_SCALARS: dict[LogicalType, pa.DataType] = {
    LogicalType.STRING: pa.string(),
    LogicalType.INTEGER: pa.int64(),
    LogicalType.NUMBER: pa.float64(),
    LogicalType.BOOLEAN: pa.bool_(),
    LogicalType.DATE: pa.date32(),
    LogicalType.TIMESTAMP: TIME,
    LogicalType.TIME: pa.string(),
}


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type of a contract's column, nested ones included."""
    if column.type is LogicalType.DECIMAL:
        return pa.decimal128(column.precision, column.scale)
    if column.type is LogicalType.OBJECT:
        return pa.struct([pa.field(child.name, arrow_type(child)) for child in column.children])
    if column.type is LogicalType.ARRAY:
        if column.items is None:
            raise ValueError(f"array column {column.name!r} has no items")
        return pa.list_(pa.field("element", arrow_type(column.items)))
    return _SCALARS[column.type]


def decoded_schema(contract: Contract) -> pa.Schema:
    """The contract's columns in its order, the learned ones, `RESCUED`.

    All are nullable: `required` is a verdict, not a type.
    """
    columns = [pa.field(column.name, arrow_type(column)) for column in contract.columns]
    learned = [pa.field(column.name, arrow_type(column), metadata=LEARNED) for column in contract.learned]
    return pa.schema([*columns, *learned, _RESCUED])


def published_schema(contract: Contract) -> pa.Schema:
    """The decoded columns as curated has them: without the dropped ones, a hash as text."""
    how = {column.name: column.protection for column in contract.columns}
    kept = (field for field in decoded_schema(contract) if how.get(field.name) is not Protection.DROP)
    return pa.schema([pa.field(one.name, pa.string()) if how.get(one.name) is Protection.HASH else one for one in kept])


def searched_columns(contract: Contract) -> list[str]:
    """Columns of curated whose statistics its log keeps: none that is private.

    Top-level scalars only, as delta-rs knows no others by name once they are named at all.
    """
    helpful = [
        column.name
        for column in contract.columns
        if column.name not in contract.private and column.type not in {LogicalType.OBJECT, LogicalType.ARRAY}
    ]
    return [*helpful[:_MOST_STATISTICS], "event_time", "window", "row", "landed_at", "batch"]


def curated_schema(contract: Contract) -> pa.Schema:
    """The curated table: the contract's columns, then where each row comes from, then its partition.

    Of changes, `CHANGE` stands between; the table of the items as they are now has the same columns.
    """
    return pa.schema(
        [
            *published_schema(contract),
            *(CHANGE if contract.keeps_history else ()),
            *(RAW.field(n) for n in ("event_id", "event_type", "event_time", "source", "window", "row", "landed_at")),
            pa.field("batch", pa.int64(), nullable=False),
            pa.field("event_date", pa.date32(), nullable=False),
        ]
    )


def occurrences(values: pa.Array | pa.ChunkedArray) -> dict[Any, int]:
    """How often each value occurs."""
    return {one["values"]: one["counts"] for one in values.value_counts().to_pylist()}


def row_names(rows: pa.Table | pa.RecordBatch) -> pa.Array:
    """`window:row` of each row: its identity in every table."""
    names = pc.binary_join_element_wise(rows["window"], pc.cast(rows["row"], pa.string()), ":")
    return names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names

"""A dataset's contract as plain values: what DAG parsing, land and curate all read.

Built by `ingest.catalog` from `schemas/<dataset>/contract.odcs.yaml` (Open Data Contract Standard v3).
Plain Python only, so that parsing a DAG folder costs no columnar library.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from ingest.model.container import ContainerBinding
from ingest.model.expectation import Expectation

__all__ = [
    "CHANGE_COLUMNS",
    "SYSTEM_COLUMNS",
    "UNKNOWN_DATE",
    "Column",
    "Contract",
    "Gate",
    "Identity",
    "LogicalType",
    "Protection",
    "QueueBinding",
    "UnknownFields",
]

UNKNOWN_DATE = dt.date(1970, 1, 1)
"""The partition of rows whose event time cannot be read, or lies outside the contract's window."""

SYSTEM_COLUMNS = (
    "event_id",
    "event_type",
    "event_time",
    "source",
    "window",
    "row",
    "landed_at",
    "batch",
    "event_date",
)
"""Columns that curate adds to every curated table, beside `_rescued`; a contract may not use these names."""

CHANGE_COLUMNS = ("operation", "key", "lsn", "index", "generation", "container_rid", "expired")
"""Columns that curate adds to the changes of a container; its contract may not use these names either."""


class LogicalType(StrEnum):
    """The column types a contract may use, and what they become in Arrow."""

    STRING = "string"  # string
    INTEGER = "integer"  # int64
    NUMBER = "number"  # float64
    DECIMAL = "decimal"  # decimal128(precision, scale)
    BOOLEAN = "boolean"  # bool
    DATE = "date"  # date32
    TIMESTAMP = "timestamp"  # timestamp[us, UTC]
    TIME = "time"  # string: Delta has no time of day
    OBJECT = "object"  # struct
    ARRAY = "array"  # list


class Identity(StrEnum):
    """Where `event_id` comes from when the delivery brings none of its own."""

    ENVELOPE = "envelope"  # a delivery without an id is quarantined: it cannot be told from its copy
    CONTENT = "content"  # two deliveries with equal bytes are one event


class UnknownFields(StrEnum):
    """What becomes of a row whose body has fields that the contract does not name."""

    RESCUE = "rescue"  # curated; the fields are kept in `_rescued`
    EVOLVE = "evolve"  # the same, and a field of one scalar type becomes a column
    QUARANTINE = "quarantine"
    FREEZE = "freeze"  # quarantined, and a single one closes the gate

    @property
    def refuses(self) -> bool:
        """Whether such a row is rejected."""
        return self in {UnknownFields.QUARANTINE, UnknownFields.FREEZE}


class Protection(StrEnum):
    """How a column reaches curated when not as it is. Raw keeps it, and the suite judges it, either way."""

    HASH = "hash"  # a keyed hash of its text, which joins with other hashes under the same key
    DROP = "drop"  # not at all


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `name` in the curated table, `field` in the payload, and what a value must be.

    `children` are the fields of an object; `items` describes the elements of an array. `precision`
    and `scale` belong to decimals. `assume_utc` accepts timestamps that name no zone as UTC.
    The bounds are the contract's own rules; `catalog.derived` turns them into expectations. `protection` is null
    where curated holds the plain value.
    """

    name: str
    field: str
    type: LogicalType
    required: bool = False
    description: str = ""
    classification: str | None = None
    precision: int = 38
    scale: int = 9
    assume_utc: bool = False
    minimum: int | float | None = None
    maximum: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    children: tuple[Column, ...] = ()
    items: Column | None = None
    protection: Protection | None = None

    @property
    def is_private(self) -> bool:
        """Whether the contract classifies or protects the column, or something that is nested in it.

        No verdict, report, error or log may show a value of it.
        """
        inner = (*self.children, *([self.items] if self.items else []))
        mine = self.classification is not None or self.protection is not None
        return mine or any(column.is_private for column in inner)


@dataclass(frozen=True, slots=True)
class Gate:
    """A batch of at least `min_rows` records is held back when more than `max_rejected_share` is rejected."""

    max_rejected_share: float = 0.05
    min_rows: int = 1000


@dataclass(frozen=True, slots=True)
class QueueBinding:
    """A RabbitMQ queue and how it hangs on its exchange. `arguments` are the queue's `x-…` arguments.

    `consumers` connections read it at once. `holds_dead_letters`: it is where the broker puts what the dataset's other
    queues give up. `dead_letters_by_policy`: a policy of the broker names this queue's dead-letter exchange, so that
    its arguments do not.
    """

    exchange: str
    queue: str
    routing_keys: tuple[str, ...]
    exchange_type: str = "topic"
    queue_type: str = "quorum"
    arguments: tuple[tuple[str, str | int | bool], ...] = ()
    consumers: int = 1
    holds_dead_letters: bool = False
    dead_letters_by_policy: bool = False


@dataclass(frozen=True, slots=True)
class Contract:
    """Everything that decides what a row of the dataset is.

    `event_time` lists where the event's time is read, first readable wins: `envelope` (what the
    envelope says), or `body:FIELD[.FIELD…]`. A date outside [`first_date`, `last_date`] is
    `UNKNOWN_DATE`: the window is absolute, so that a redelivery years later gets the same date.
    It comes from `queues`, all of them, that of dead letters last, or from a `container`. `wake_on_messages`: it also
    runs, beside its schedule, as soon as messages wait there.
    `latency` is the one that the SLA promises from an event to curated; null where it promises none.
    `learned` are columns that the lake's table has beyond the contract, where `unknown_fields` lets it evolve.
    `digest` names this exact contract and suite; `document` and `suite_document` are their texts, kept
    in the lake under that digest so that a batch begun with them is finished with them. `erasure_key` is the
    column that tells whose a row is; null: nobody can be erased from the dataset.
    """

    dataset: str
    version: str
    description: str
    columns: tuple[Column, ...]
    queues: tuple[QueueBinding, ...]
    expectations: tuple[Expectation, ...]
    digest: str
    document: str = field(repr=False)
    suite_document: str = field(repr=False)
    identity: Identity = Identity.ENVELOPE
    event_time: tuple[str, ...] = ("envelope",)
    first_date: dt.date = dt.date(2000, 1, 1)
    last_date: dt.date = dt.date(2099, 12, 31)
    dedupe_days: int = 7
    latency: dt.timedelta | None = None
    gate: Gate = Gate()
    unknown_fields: UnknownFields = UnknownFields.RESCUE
    learned: tuple[Column, ...] = ()
    schedule: str | None = None
    wake_on_messages: bool = False
    owner: str = ""
    tags: tuple[str, ...] = ()
    erasure_key: str | None = None
    container: ContainerBinding | None = None

    @property
    def origin(self) -> str:
        """Where its rows come from, in a line."""
        if self.container is not None:
            return self.container.name
        return "; ".join(f"{one.exchange} → {one.queue}" for one in self.queues)

    @property
    def keeps_history(self) -> bool:
        """Whether its rows are changes of items: curated is their history then, beside which the lake has the items.

        The items as they are now, that is, and which were deleted.
        """
        return self.container is not None

    @property
    def hides_keys(self) -> bool:
        """Whether an item's id or partition key is something that curated does not say plainly, or says whose it is."""
        fields = self.container.key_fields if self.container is not None else frozenset()
        told = (column for column in self.columns if column.field in fields)
        return any(column.protection is not None or column.name == self.erasure_key for column in told)

    @property
    def reserved(self) -> tuple[str, ...]:
        """Names that are no column's of the contract: curate has columns of its own."""
        return SYSTEM_COLUMNS + (CHANGE_COLUMNS if self.keeps_history else ())

    @property
    def private(self) -> frozenset[str]:
        """The columns of which no verdict, report, error or log may show a value; whose a row is among them."""
        return frozenset(one.name for one in self.columns if one.is_private or one.name == self.erasure_key)

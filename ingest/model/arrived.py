"""Deliveries as columns: what land makes rows of raw from, without a Python object per message."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload

import msgspec
import pyarrow as pa

from ingest.model.delivery import Delivery
from ingest.model.tables import RAW, TIME

__all__ = [
    "ARRIVED",
    "MILLISECONDS",
    "Arrived",
    "Deliveries",
    "Piece",
    "Values",
    "arrived",
    "headers_text",
    "names_text",
]

ARRIVED = pa.schema(
    [
        RAW.field("body"),
        RAW.field("content_type"),
        RAW.field("content_encoding"),
        pa.field("message_id", pa.string()),
        pa.field("type", pa.string()),
        pa.field("timestamp", TIME),  # AMQP's, whole seconds
        RAW.field("source"),
        pa.field("routing_key", pa.string(), nullable=False),
        RAW.field("headers"),  # as raw keeps them, properties included: `headers_text`
        pa.field("header_names", pa.string()),  # `names_text`; null where there are no headers
        pa.field("milliseconds", pa.int64()),  # the header `MILLISECONDS` where it is an integer of 64 bits
        RAW.field("position"),
        RAW.field("redelivered"),
        RAW.field("operation"),
        RAW.field("key"),
    ]
)
"""A `Delivery` per row, in the order of arrival."""

MILLISECONDS = "timestamp_in_ms"
"""The header in which RabbitMQ's own interceptor tells when a message came in."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """Some deliveries: `rows` is `ARRIVED`, and `delivery` makes the value of one row, for what columns cannot say."""

    rows: pa.Table
    delivery: Callable[[int], Delivery]


class Piece(Protocol):
    """Deliveries that arrived together."""

    def __len__(self) -> int: ...
    def __getitem__(self, at: int, /) -> Delivery: ...

    def arrived(self) -> Arrived:
        """All of them as columns."""
        ...


class Deliveries(Sequence[Delivery]):
    """Pieces one after the other. A value is made when it is asked for, each time; `arrived` makes none."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self._ends = list(itertools.accumulate(map(len, pieces)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, at: int) -> Delivery: ...
    @overload
    def __getitem__(self, at: slice) -> list[Delivery]: ...
    def __getitem__(self, at: int | slice) -> Delivery | list[Delivery]:
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self)))]
        place = range(len(self))[at]
        number = bisect_right(self._ends, place)
        return self.pieces[number][place - (self._ends[number - 1] if number else 0)]


class Values:
    """Deliveries that are values already; a `Piece`."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self._deliveries = deliveries

    def __len__(self) -> int:
        return len(self._deliveries)

    def __getitem__(self, at: int) -> Delivery:
        return self._deliveries[at]

    def arrived(self) -> Arrived:
        """All of them as columns."""
        some = self._deliveries
        columns: dict[str, object] = {
            "body": [one.body for one in some],
            "content_type": [one.content_type for one in some],
            "content_encoding": [one.content_encoding for one in some],
            "message_id": [one.message_id for one in some],
            "type": [one.type for one in some],
            "timestamp": [one.timestamp for one in some],
            "source": [one.source for one in some],
            "routing_key": [one.routing_key for one in some],
            "headers": [headers_text(one.headers, one.properties) for one in some],
            "header_names": [names_text(one.headers) for one in some],
            "milliseconds": [_integer(one.headers.get(MILLISECONDS)) for one in some],
            "position": [one.position for one in some],
            "redelivered": [one.redelivered for one in some],
            "operation": [one.operation for one in some],
            "key": [one.key for one in some],
        }
        return Arrived(pa.table(columns, schema=ARRIVED), some.__getitem__)


def arrived(deliveries: Sequence[Delivery]) -> Iterator[Arrived]:
    """Deliveries as columns, piece by piece."""
    pieces = deliveries.pieces if isinstance(deliveries, Deliveries) else [Values(deliveries)]
    return (piece.arrived() for piece in pieces)


def headers_text(headers: Mapping[str, Any], properties: Mapping[str, str]) -> str | None:
    """Headers as a JSON object; AMQP properties without a column of their own as `amqp:NAME`; null for none."""
    if not headers and not properties:
        return None
    named = {f"amqp:{name}": value for name, value in properties.items()}
    return msgspec.json.encode({**headers, **named}, enc_hook=str).decode()


def names_text(headers: Mapping[str, Any]) -> str | None:
    """The names of headers as a JSON array; null for none."""
    return msgspec.json.encode(list(headers)).decode() if headers else None


def _integer(value: Any) -> int | None:
    return value if type(value) is int and -(2**63) <= value < 2**63 else None  # a bool is an int, too

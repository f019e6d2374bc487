"""The raw envelope: AMQP's own properties. What applies when no framework's envelope is recognised."""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.model.arrived import MILLISECONDS
from ingest.model.delivery import CONTENT_PREFIX, Delivery, Identified

__all__ = ["LAST_MILLISECOND", "OFFSET_PREFIX", "content_id", "identify", "position_id", "position_ids"]

OFFSET_PREFIX = "lakepost:offset:"
"""An `event_id` that begins so is a place in a stream: the delivery brought none of its own."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LAST_MILLISECOND = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z

_TRACE_HEADERS = frozenset(
    {
        "traceparent",
        "tracestate",
        "baggage",
        "b3",
        "uber-trace-id",
        "request-id",
        "correlation-context",
        "diagnostic-id",
    }
)


def identify(
    delivery: Delivery, identity: str | None = None, kind: str | None = None, time: dt.datetime | None = None
) -> Identified:
    """What an envelope said, and in place of what it did not say the raw rule.

    Id: `message_id`, else the place in its stream, else the content's. Type: AMQP's, else the routing key. Time: see
    `_time`. Pure, and never raises on content: two deliveries of one message get the same answer at any time.
    """
    return Identified(
        identity or delivery.message_id or position_id(delivery) or content_id(delivery),
        kind or delivery.type or delivery.routing_key or None,
        time or _time(delivery),
    )


def _time(delivery: Delivery) -> dt.datetime | None:
    """The header `MILLISECONDS` where it is a number of milliseconds since 1970, else AMQP's timestamp."""
    milliseconds = delivery.headers.get(MILLISECONDS)
    if type(milliseconds) is int and 0 <= milliseconds <= LAST_MILLISECOND:  # a bool is an int, too
        return _EPOCH + dt.timedelta(milliseconds=milliseconds)
    return delivery.timestamp


def position_id(delivery: Delivery) -> str | None:
    """`lakepost:offset:<queue>/<offset>` of a message of a stream; null of any other."""
    if delivery.position is None:
        return None
    return f"{OFFSET_PREFIX}{delivery.source.partition('/')[2]}/{delivery.position}"


def position_ids(sources: pa.Array, positions: pa.Array) -> pa.Array:
    """`position_id` of many deliveries (n)."""
    if positions.null_count == len(positions):
        return pa.nulls(len(positions), pa.string())
    encoded = sources.dictionary_encode()
    prefixes = [f"{OFFSET_PREFIX}{source.partition('/')[2]}/" for source in encoded.dictionary.to_pylist()]
    return pc.binary_join_element_wise(
        pa.array(prefixes, pa.string()).take(encoded.indices), positions.cast(pa.string()), ""
    )


def content_id(delivery: Delivery) -> str:
    """`lakepost:content:<sha256>` over exchange, routing key, body and stable headers.

    Stable are all headers but those that brokers and tracing write on the way, and would make a copy look new:
    names that begin with `x-`, and the trace context (`traceparent`, `tracestate`, `baggage`, …). The queue is
    left out: one message in two queues is one event.
    """
    exchange = delivery.source.partition("/")[0]
    digest = hashlib.sha256()
    for part in (_bytes(exchange), _bytes(delivery.routing_key), delivery.body):
        digest.update(struct.pack(">Q", len(part)))
        digest.update(part)
    stable = {name: value for name, value in delivery.headers.items() if _is_stable(name)}
    for token in _tokens(stable):
        digest.update(token)
    return CONTENT_PREFIX + digest.hexdigest()


def _is_stable(name: str) -> bool:
    lower = name.lower()
    return not lower.startswith("x-") and lower not in _TRACE_HEADERS


def _tokens(value: Any) -> Iterator[bytes]:
    """A header value as bytes that differ when values or their types differ. A stack, as depth is the sender's."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping):
            yield b"{" + struct.pack(">Q", len(item))
            for name in sorted(item, key=str, reverse=True):
                stack += [item[name], name]
        elif isinstance(item, (list, tuple)):
            yield b"[" + struct.pack(">Q", len(item))
            stack += reversed(item)
        else:
            content = bytes(item) if isinstance(item, (bytes, bytearray)) else _bytes(str(item))
            yield type(item).__name__.encode() + b":" + struct.pack(">Q", len(content)) + content


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")

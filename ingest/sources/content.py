"""A message's method and header frames → `Delivery`. Pure, and for any bytes: never raises.

AMQP clients decode short strings as UTF-8 and timestamps as dates, and end the connection on what is neither:
such a message comes again for ever and nothing behind it is read. Here text that is not UTF-8 is kept
with backslash escapes, and a value that cannot be read is kept as such text, never dropped.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from ingest.model.delivery import Delivery

__all__ = [
    "LAST_SECOND",
    "UNREADABLE",
    "Address",
    "Unreadable",
    "address",
    "delivery",
    "field_value",
    "first_header",
    "short",
    "table",
]

UNREADABLE = "lakepost:unreadable"
"""The header under which the rest of a header table stands, as text, from the first value that cannot be read."""

_MAX_DEPTH = 16  # of tables and arrays in headers; what lies deeper is kept as text
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z
_NOTHING: Mapping[str, Any] = MappingProxyType({})

_TAG = struct.Struct(">Q?")
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")

# Properties stand in the order of their flags, from the highest bit.
_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS, _DELIVERY_MODE, _PRIORITY = 0x8000, 0x4000, 0x2000, 0x1000, 0x0800
_MESSAGE_ID, _TIMESTAMP, _TYPE = 0x0080, 0x0040, 0x0020
_BEFORE = ((0x0400, "correlation_id"), (0x0200, "reply_to"), (0x0100, "expiration"))
_AFTER = ((0x0010, "user_id"), (0x0008, "app_id"), (0x0004, "cluster_id"))


class Address(NamedTuple):
    """What the method frame says: its tag on the channel, and where the message came from."""

    tag: int
    redelivered: bool
    exchange: str
    routing_key: str


def address(method: bytes) -> Address:
    """Read a `basic.deliver` payload. The broker wrote all of it but the two names."""
    at = 5 + method[4]  # class, method, consumer tag
    tag, redelivered = _TAG.unpack_from(method, at)
    exchange, at = short(method, at + 9)
    routing_key, _ = short(method, at)
    return Address(tag, redelivered, exchange, routing_key)


def delivery(to: Address, queue: str, header: bytes, body: bytes) -> Delivery:
    """Put a delivery together; `header` is the payload of its content header frame."""
    source = f"{to.exchange}/{queue}"
    try:
        return _with_properties(to, source, header, body)
    except (IndexError, struct.error):  # cut off: no broker sends that, and it must not stop the queue
        unreadable = {UNREADABLE: _text(header)}
        return Delivery(body, source, to.routing_key, unreadable, redelivered=to.redelivered)


def _with_properties(  # noqa: C901, PLR0912 - one branch per property, in the protocol's order
    to: Address, source: str, header: bytes, body: bytes
) -> Delivery:
    flags = header[12] << 8 | header[13]  # class, weight, body size before them
    at = 14
    content_type = content_encoding = message_id = kind = timestamp = None
    headers: Mapping[str, Any] = _NOTHING
    properties: dict[str, str] = {}
    if flags & _CONTENT_TYPE:
        content_type, at = short(header, at)
    if flags & _CONTENT_ENCODING:
        content_encoding, at = short(header, at)
    if flags & _HEADERS:
        end = at + 4 + _U32.unpack_from(header, at)[0]
        headers, at = table(header[at + 4 : end]), end
    if flags & _DELIVERY_MODE:
        at += 1
    if flags & _PRIORITY:
        if header[at]:  # 0 is what a message without one has
            properties["priority"] = str(header[at])
        at += 1
    if flags & 0x0700:
        at = _texts(header, at, flags, _BEFORE, properties)
    if flags & _MESSAGE_ID:
        message_id, at = short(header, at)
    if flags & _TIMESTAMP:
        seconds = _U64.unpack_from(header, at)[0]
        at += 8
        if seconds <= LAST_SECOND:
            timestamp = _EPOCH + dt.timedelta(seconds=seconds)
        else:  # not a time, or not in seconds: the number is kept
            properties["timestamp"] = str(seconds)
    if flags & _TYPE:
        kind, at = short(header, at)
    if flags & 0x001C:
        _texts(header, at, flags, _AFTER, properties)
    return Delivery(
        body,
        source,
        to.routing_key,
        headers,
        content_type,
        content_encoding,
        message_id,
        kind,
        timestamp,
        properties or _NOTHING,
        to.redelivered,
    )


def short(data: bytes, at: int) -> tuple[str, int]:
    """The short string at `at`, and where it ends."""
    end = at + 1 + data[at]
    return _text(data[at + 1 : end]), end


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _texts(header: bytes, at: int, flags: int, names: tuple[tuple[int, str], ...], into: dict[str, str]) -> int:
    for flag, name in names:
        if flags & flag:
            into[name], at = short(header, at)
    return at


def first_header(header: bytes, name: str) -> Any:
    """The first value under `name` in the header table of a content header's payload; null for none.

    The broker sets what it has to say in the place of the first one; a producer may have sent several.
    """
    flags, at = header[12] << 8 | header[13], 14
    for flag in (_CONTENT_TYPE, _CONTENT_ENCODING):
        if flags & flag:
            _, at = short(header, at)
    end = at + 4 + _U32.unpack_from(header, at)[0] if flags & _HEADERS else at
    at += 4
    try:
        while at < end:
            key, at = short(header, at)
            value, at = field_value(header, at, 0)
            if key == name:
                return value
    except (IndexError, struct.error, Unreadable):
        pass
    return None


def table(data: bytes, depth: int = 0) -> dict[str, Any]:
    """Read the inside of a header table; values are what JSON has, or bytes, `Decimal`, aware `datetime`."""
    values: dict[str, Any] = {}
    at = 0
    while at < len(data):
        start = at
        try:
            key, at = short(data, at)
            values[key], at = field_value(data, at, depth)
        except (IndexError, struct.error, Unreadable):
            values[UNREADABLE] = _text(data[start:])
            break
    return values


def _array(data: bytes, depth: int) -> list[Any]:
    values: list[Any] = []
    at = 0
    while at < len(data):
        start = at
        try:
            value, at = field_value(data, at, depth)
        except (IndexError, struct.error, Unreadable):
            values.append({UNREADABLE: _text(data[start:])})
            break
        values.append(value)
    return values


class Unreadable(Exception):
    """A value of a type that nobody defined, or of more bytes than there are."""


def field_value(data: bytes, at: int, depth: int = 0) -> tuple[Any, int]:
    """The value of a table or an array whose type stands at `at`, and where it ends; `depth` tables lie around it.

    Raises `IndexError`, `struct.error` or `Unreadable` for what is none.
    """
    kind = data[at]
    if kind in _FIXED:
        shape, convert = _FIXED[kind]
        (raw,) = shape.unpack_from(data, at + 1)
        return (raw if convert is None else convert(raw)), at + 1 + shape.size
    if kind not in _LONG:
        raise Unreadable
    begin = at + 5
    end = begin + _U32.unpack_from(data, at + 1)[0]
    if end > len(data):
        raise Unreadable
    inside = data[begin:end]
    if kind == _STRING or (kind in _NESTING and depth >= _MAX_DEPTH):
        return _text(inside), end
    if kind == _BYTES:
        return inside, end
    return (table(inside, depth + 1) if kind == _TABLE else _array(inside, depth + 1)), end


def _moment(seconds: int) -> dt.datetime | int:
    return _EPOCH + dt.timedelta(seconds=seconds) if seconds <= LAST_SECOND else seconds


def _decimal(raw: bytes) -> Decimal:
    return Decimal(int.from_bytes(raw[1:], "big", signed=True)).scaleb(-raw[0])


_STRING, _BYTES, _TABLE, _ARRAY = b"SxFA"
_LONG = frozenset((_STRING, _BYTES, _TABLE, _ARRAY))
_NESTING = frozenset((_TABLE, _ARRAY))

# As in RabbitMQ's errata to AMQP 0.9.1: `l` and `L` are both signed, `s` is a short integer.
_FIXED: Mapping[int, tuple[struct.Struct, Callable[[Any], Any] | None]] = {
    ord("t"): (struct.Struct(">?"), None),
    ord("b"): (struct.Struct(">b"), None),
    ord("B"): (struct.Struct(">B"), None),
    ord("s"): (struct.Struct(">h"), None),
    ord("u"): (struct.Struct(">H"), None),
    ord("I"): (struct.Struct(">i"), None),
    ord("i"): (struct.Struct(">I"), None),
    ord("l"): (struct.Struct(">q"), None),
    ord("L"): (struct.Struct(">q"), None),
    ord("f"): (struct.Struct(">f"), None),
    ord("d"): (struct.Struct(">d"), None),
    ord("D"): (struct.Struct(">5s"), _decimal),
    ord("T"): (struct.Struct(">Q"), _moment),
    ord("V"): (struct.Struct(">0s"), lambda _: None),
    0: (struct.Struct(">0s"), lambda _: None),  # seen in the wild
}

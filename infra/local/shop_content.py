"""One message as AMQP 0.9.1 frames: Basic.Publish, the content header, the body."""

from __future__ import annotations

import struct
from functools import lru_cache

from pamqp import encode

from shop import Sent

__all__ = ["content"]

_METHOD, _HEADER, _BODY, _END = 1, 2, 3, b"\xce"
_FRAME = struct.Struct(">BHI")
_CONTENT = struct.Struct(">HHQH")
_MANDATORY = 1
_TYPE, _TIMESTAMP, _MESSAGE_ID, _ENCODING = 1 << 5, 1 << 6, 1 << 7, 1 << 14
_ALWAYS = 1 << 15 | 1 << 13 | 1 << 12  # content type, headers, delivery mode
_PERSISTENT = b"\x02"


def content(sent: Sent, exchange: str, channel: int, frame_max: int) -> bytes:
    """The bytes on the wire: mandatory, persistent, without a message id where `sent` has none."""
    flags, properties = _ALWAYS | _TYPE, [_short(sent.content_type)]
    if sent.content_encoding is not None:
        flags |= _ENCODING
        properties.append(_short(sent.content_encoding))
    properties += [encode.field_table(dict(sent.headers)), _PERSISTENT]
    if sent.message_id is not None:
        flags |= _MESSAGE_ID
        properties.append(_short(sent.message_id))
    if sent.timestamp is not None:
        flags |= _TIMESTAMP
        properties.append(encode.timestamp(sent.timestamp))
    properties.append(_short(sent.type))
    header = _CONTENT.pack(60, 0, len(sent.body), flags) + b"".join(properties)
    room = frame_max - _FRAME.size - 1
    return b"".join(
        (
            _publish(exchange, sent.routing_key, channel),
            _frame(_HEADER, channel, header),
            *(_frame(_BODY, channel, sent.body[at : at + room]) for at in range(0, len(sent.body), room)),
        )
    )


@lru_cache(maxsize=256)
def _publish(exchange: str, routing_key: str, channel: int) -> bytes:
    method = b"\x00\x3c\x00\x28\x00\x00" + _short(exchange) + _short(routing_key) + bytes([_MANDATORY])
    return _frame(_METHOD, channel, method)


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return _FRAME.pack(kind, channel, len(payload)) + payload + _END


def _short(text: str) -> bytes:
    data = text.encode()
    return bytes([len(data)]) + data

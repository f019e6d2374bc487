"""MassTransit: a JSON envelope around the message, with the content type `application/vnd.masstransit+json`."""

from __future__ import annotations

from typing import Any

import msgspec

from ingest.envelope.encoding import Broken
from ingest.envelope.media import media_type
from ingest.envelope.traits import Traits
from ingest.envelope.values import NOTHING, Said, json_members, named, says_twice, string, string_moment

__all__ = ["payload", "recognises", "refusal", "said"]

_PREFIX = "application/vnd.masstransit"
_JSON = f"{_PREFIX}+json"
_WRITTEN = {"bson": "BSON", "xml": "XML", "msgpack": "MessagePack", "aes": "encrypted", "binary": ".NET binary"}


class _Envelope(msgspec.Struct):
    """Of whatever type they are: a wrong one is none, and makes the others no worse."""

    messageId: Any = None  # noqa: N815 - as on the wire
    messageType: Any = None  # noqa: N815
    sentTime: Any = None  # noqa: N815


_envelope = msgspec.json.Decoder(_Envelope).decode


def recognises(traits: Traits) -> bool:
    """By the content type, of every format that MassTransit writes."""
    return media_type(traits.content_type).startswith(_PREFIX)


def refusal(content_type: str | None) -> str | None:
    """Why nothing can be taken out of a message of this content type; null for JSON."""
    name = media_type(content_type)
    if name == _JSON:
        return None
    suffix = name.rpartition("+")[2]
    kind = next((words for known, words in _WRITTEN.items() if known in suffix), repr(name)[:100])
    return f"MassTransit wrote this as {kind}; there is a reader for its JSON only."


def said(content_type: str | None, body: bytes) -> Said:
    """`messageId`, the first of `messageType` (a URN), `sentTime`."""
    found = _members(body) if refusal(content_type) is None else None
    if found is None:
        return NOTHING
    types = found.messageType
    kind = string(types[0]) if isinstance(types, list) and types else None
    return string(found.messageId), kind, string_moment(found.sentTime)


def _members(body: bytes) -> _Envelope | None:
    """Null where the body is no JSON object, or one of them cannot be read."""
    try:
        found = _envelope(body)
        if found.messageId is None:  # other capitals, perhaps
            members = json_members(body) or {}
            given = {name: named(members, name) for name in _Envelope.__struct_fields__}
            found = _Envelope(**{name: msgspec.json.decode(one) for name, one in given.items() if one is not None})
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found


def payload(body: bytes) -> bytes:
    """`message`, as it is written.

    Raises:
        Broken: there is none, or several.
    """
    members = json_members(body)
    if members is None:
        raise Broken("The body is not MassTransit's envelope, which its content type says it is.")
    found = named(members, "message")
    if found is None or found == b"null":
        raise Broken("MassTransit's envelope has no message.")
    if says_twice(body, "message", any_case=True):
        raise Broken("MassTransit's envelope says message more than once.")
    return bytes(found)

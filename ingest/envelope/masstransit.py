"""MassTransit: a JSON envelope around the message, with the content type `application/vnd.masstransit+json`."""

from __future__ import annotations

import msgspec

from ingest.envelope.encoding import Broken
from ingest.envelope.media import media_type
from ingest.envelope.raw import identify as identify_raw
from ingest.envelope.traits import Traits
from ingest.envelope.values import json_members, json_text, moment, named, says_twice
from ingest.model.delivery import Delivery, Identified

__all__ = ["identify", "payload", "recognises", "refusal"]

_PREFIX = "application/vnd.masstransit"
_JSON = f"{_PREFIX}+json"
_WRITTEN = {"bson": "BSON", "xml": "XML", "msgpack": "MessagePack", "aes": "encrypted", "binary": ".NET binary"}


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


def identify(delivery: Delivery, body: bytes) -> Identified:
    """`messageId`, the first of `messageType` (a URN), `sentTime`."""
    raw = identify_raw(delivery)
    members = json_members(body) if refusal(delivery.content_type) is None else None
    if members is None:
        return raw
    return Identified(
        json_text(named(members, "messageId")) or raw.id,
        _first(named(members, "messageType")) or raw.type,
        moment(json_text(named(members, "sentTime"))) or raw.time,
    )


def _first(types: msgspec.Raw | None) -> str | None:
    try:
        first = msgspec.json.decode(types or b"", type=list[msgspec.Raw])[0]
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError, IndexError):
        return None
    return json_text(first)


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

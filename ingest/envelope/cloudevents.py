"""CloudEvents in structured mode: the JSON event format, one event in a body, or several in a batch.

`source` and `id` together name an event, so the id here is both: `SOURCE ID`, with one blank between them. A source is
a URI and has none; where one is in it all the same, it becomes `%20` and `%` becomes `%25`, so that no two pairs meet.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from ingest.envelope.encoding import Broken
from ingest.envelope.media import media_type
from ingest.envelope.traits import Traits
from ingest.envelope.values import LONGEST, NOTHING, Said, json_members, json_text, says_twice, string, string_moment

__all__ = ["EVENT", "MOST_EVENTS", "elements", "event_id", "is_batch", "payload", "recognises", "refusal", "said"]

_PREFIX = "application/cloudevents"
EVENT = f"{_PREFIX}+json"
_BATCH = f"{_PREFIX}-batch+json"
MOST_EVENTS = 100_000
"""Of one batch. A few compressed bytes could hold millions."""

_MOST_COMMAS = 20 * MOST_EVENTS  # told before anything is made of the events; twice what small events have
_READ = frozenset({_PREFIX, EVENT, _BATCH})


class _Attributes(msgspec.Struct):
    """Of whatever type they are: a wrong one is none, and makes the others no worse."""

    id: Any = None
    source: Any = None
    type: Any = None
    time: Any = None


_attributes = msgspec.json.Decoder(_Attributes).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def recognises(traits: Traits) -> bool:
    """By the content type, of every event format."""
    return media_type(traits.content_type).startswith(_PREFIX)


def is_batch(content_type: str | None) -> bool:
    """Whether the body is an array of events."""
    return media_type(content_type) == _BATCH


def refusal(content_type: str | None) -> str | None:
    """Why nothing can be taken out of a message of this content type; null for JSON."""
    name = media_type(content_type)
    return None if name in _READ else f"There is no reader for CloudEvents as {name!r:.100}; send them as JSON."


def event_id(source: str | None, identity: str | None) -> str | None:
    """What names the event; null unless there are both, in a length that an id may have."""
    if source is None or identity is None:
        return None
    found = f"{source.replace('%', '%25').replace(' ', '%20')} {identity}"
    return found if len(found) <= LONGEST else None


def said(content_type: str | None, body: bytes) -> Said:
    """`source` and `id`, `type`, `time`. A batch that stands unsplit says nothing."""
    if media_type(content_type) not in {_PREFIX, EVENT}:
        return NOTHING
    try:
        found = _attributes(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NOTHING
    return event_id(string(found.source), string(found.id)), string(found.type), string_moment(found.time)


def elements(body: bytes) -> list[bytes]:
    """The events of a batch, each as it is written.

    Raises:
        Broken: the body is no array, has none, or more than `MOST_EVENTS`.
    """
    try:
        if body.count(b",") > _MOST_COMMAS:
            raise Broken(f"The batch holds more than {MOST_EVENTS} events, or very large ones.")
        found = [bytes(one) for one in _list(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Broken("The body is not one JSON array, which its content type says it is.") from None
    if not found:
        raise Broken("The batch holds no events.")
    if len(found) > MOST_EVENTS:
        raise Broken(f"The batch holds more than {MOST_EVENTS} events.")
    return found


def payload(body: bytes) -> tuple[bytes, str | None]:
    """`data` as it is written, or the bytes of `data_base64`, and the content type where the latter names one.

    Raises:
        Broken: there is neither, or both, or one several times, or no base64.
    """
    members = json_members(body)
    if members is None:
        raise Broken("The body is not one CloudEvent, which its content type says it is.")
    given = [name for name in ("data", "data_base64") if members.get(name, b"null") != b"null"]
    if not given:
        raise Broken("The event has no data.")
    if len(given) > 1 or says_twice(body, given[0]):
        raise Broken("The event says its data more than once.")
    if given == ["data"]:
        return bytes(members["data"]), None
    return _from_base64(members), json_text(members.get("datacontenttype"))


def _from_base64(members: Mapping[str, msgspec.Raw]) -> bytes:
    try:
        return base64.b64decode(msgspec.json.decode(members["data_base64"], type=str), validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError):
        raise Broken("The event's data_base64 is not base64.") from None

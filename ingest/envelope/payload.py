"""The payload of a body: what the contract speaks of, without compression and without the envelope around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ingest.envelope import cloudevents, masstransit, rebus
from ingest.envelope.encoding import Broken, codings, decompressed
from ingest.envelope.kinds import Kind, recognise
from ingest.envelope.media import is_utf8
from ingest.model.delivery import Delivery
from ingest.model.reason import Reason

__all__ = ["Payload", "is_plain", "payload", "payload_of"]

_JSON = "application/json"


class Payload(NamedTuple):
    """`body` and what it is; or, with a `reason` and a sentence, the bytes as far as they could be read."""

    body: bytes
    content_type: str | None = None
    content_encoding: str | None = None
    reason: Reason | None = None
    detail: str | None = None


def is_plain(content_type: str | None, content_encoding: str | None) -> bool:
    """Whether the body is the payload, as far as these properties tell."""
    kind = recognise(content_type, (), None)
    return codings(content_encoding) in {(), None} and kind not in {Kind.CLOUDEVENTS, Kind.MASSTRANSIT}


def payload_of(delivery: Delivery) -> Payload:
    """The payload of a delivery. Pure, and never raises on content."""
    return payload(delivery.body, delivery.content_type, delivery.content_encoding, delivery.headers)


def payload(body: bytes, content_type: str | None, content_encoding: str | None, headers: Mapping[str, Any]) -> Payload:
    """The payload of a body with these properties.

    An encoding or charset that has no reader is left for `decode` to refuse by its name.
    """
    kind = recognise(content_type, (), None)
    refusal = _refusal(kind, content_type, headers)
    if refusal is not None:
        return Payload(body, content_type, content_encoding, Reason.UNDECODABLE, refusal)
    compressions = codings(content_encoding or rebus.content_encoding(headers))
    if compressions is None or not is_utf8(content_type):
        return Payload(body, content_type, content_encoding or rebus.content_encoding(headers))
    try:
        body = decompressed(body, compressions)
        return _opened(kind, body, content_type)
    except Broken as broken:
        return Payload(body, content_type, None, Reason.ENVELOPE, str(broken))


def _refusal(kind: Kind, content_type: str | None, headers: Mapping[str, Any]) -> str | None:
    if kind is Kind.MASSTRANSIT:
        return masstransit.refusal(content_type)
    return cloudevents.refusal(content_type) if kind is Kind.CLOUDEVENTS else rebus.refusal(headers)


def _opened(kind: Kind, body: bytes, content_type: str | None) -> Payload:
    if kind is Kind.MASSTRANSIT:
        return Payload(masstransit.payload(body), _JSON)
    if kind is not Kind.CLOUDEVENTS:
        return Payload(body, content_type)
    if cloudevents.is_batch(content_type):
        cloudevents.elements(body)
        raise Broken("The batch was landed as one row; publish its events again.")
    data, named = cloudevents.payload(body)
    return Payload(data, named or _JSON)

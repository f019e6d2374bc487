"""A delivery's id, type and time: its envelope's, and by the raw rule whatever the envelope does not say readably."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ingest.envelope import (
    cap,
    cloudevents,
    cloudevents_binary,
    easynetq,
    masstransit,
    masstransit_raw,
    nservicebus,
    raw,
    rebus,
    wolverine,
)
from ingest.envelope.encoding import Broken, codings, decompressed
from ingest.envelope.kinds import Kind, recognise
from ingest.envelope.values import Said
from ingest.model.delivery import Delivery, Identified

__all__ = ["identify", "said"]

_BY_HEADERS: Mapping[Kind, Callable[[Delivery], Identified]] = {
    Kind.CLOUDEVENTS_BINARY: cloudevents_binary.identify,
    Kind.NSERVICEBUS: nservicebus.identify,
    Kind.MASSTRANSIT_RAW: masstransit_raw.identify,
    Kind.REBUS: rebus.identify,
    Kind.CAP: cap.identify,
    Kind.WOLVERINE: wolverine.identify,
    Kind.EASYNETQ: easynetq.identify,
    Kind.RAW: raw.identify,
}
_BY_BODY: Mapping[Kind, Callable[[str | None, bytes], Said]] = {
    Kind.CLOUDEVENTS: cloudevents.said,
    Kind.MASSTRANSIT: masstransit.said,
}


def identify(delivery: Delivery) -> Identified:
    """Id, type and time of a delivery, as its envelope has them.

    Pure, and never raises on content: two deliveries of one message get the same answer at any time, whatever
    `redelivered` and the order of the headers say.
    """
    kind = recognise(delivery.content_type, delivery.headers, delivery.type)
    if kind in _BY_HEADERS:
        return _BY_HEADERS[kind](delivery)
    return raw.identify(delivery, *said(kind, delivery.content_type, delivery.content_encoding, delivery.body))


def said(kind: Kind, content_type: str | None, content_encoding: str | None, body: bytes) -> Said:
    """What the body says, of a kind that is an envelope in the body."""
    compressions = codings(content_encoding)
    try:
        body = b"" if compressions is None else decompressed(body, compressions)
    except Broken:
        body = b""
    return _BY_BODY[kind](content_type, body)

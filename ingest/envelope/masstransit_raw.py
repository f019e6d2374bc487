"""MassTransit's raw JSON: headers `MT-…`, the body is the message."""

from __future__ import annotations

from ingest.envelope import raw
from ingest.envelope.traits import Traits
from ingest.envelope.values import header, text
from ingest.model.delivery import Delivery, Identified

__all__ = ["identify", "recognises"]


def recognises(traits: Traits) -> bool:
    """By a header of the prefix."""
    return traits.any_header("mt-")


def identify(delivery: Delivery) -> Identified:
    """`message_id`, else the header `MessageId`; the first of `MT-MessageType` (URNs); AMQP's own time."""
    identity = delivery.message_id or text(header(delivery.headers, "MessageId"))
    kind = (text(header(delivery.headers, "MT-MessageType")) or "").partition(";")[0].strip()
    return raw.identify(delivery, identity, kind)

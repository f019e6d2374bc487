"""Wolverine: the headers `message-type` and `sent-at`, the body is the message."""

from __future__ import annotations

from ingest.envelope import raw
from ingest.envelope.traits import Traits
from ingest.envelope.values import header, moment, text
from ingest.model.delivery import Delivery, Identified

__all__ = ["identify", "recognises"]

_HEADERS = frozenset({"message-type", "sent-at"})


def recognises(traits: Traits) -> bool:
    """By both headers: each name alone may be anybody's."""
    return traits.headers >= _HEADERS


def identify(delivery: Delivery) -> Identified:
    """`message_id`; AMQP's type, else `message-type`; `sent-at`."""
    kind = delivery.type or text(header(delivery.headers, "message-type"))
    return raw.identify(delivery, None, kind, moment(header(delivery.headers, "sent-at")))

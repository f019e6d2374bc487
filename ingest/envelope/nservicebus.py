"""NServiceBus: headers `NServiceBus.…`, the body is the message."""

from __future__ import annotations

from ingest.envelope import raw
from ingest.envelope.traits import Traits
from ingest.envelope.values import header, moment, text
from ingest.model.delivery import Delivery, Identified

__all__ = ["identify", "recognises"]


def recognises(traits: Traits) -> bool:
    """By a header of the prefix."""
    return traits.any_header("nservicebus.")


def identify(delivery: Delivery) -> Identified:
    """`MessageId`, the first of `EnclosedMessageTypes` (the message's own type, then those it inherits), `TimeSent`."""
    identity, types, time = (
        header(delivery.headers, f"NServiceBus.{name}") for name in ("MessageId", "EnclosedMessageTypes", "TimeSent")
    )
    kind = (text(types) or "").partition(";")[0].strip()
    return raw.identify(delivery, text(identity), kind, moment(time))

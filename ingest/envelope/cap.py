"""CAP (DotNetCore.CAP): headers `cap-…`, the body is the message."""

from __future__ import annotations

from ingest.envelope import raw
from ingest.envelope.traits import Traits
from ingest.envelope.values import header, moment, text
from ingest.model.delivery import Delivery, Identified

__all__ = ["identify", "recognises"]


def recognises(traits: Traits) -> bool:
    """By a header of the prefix."""
    return traits.any_header("cap-")


def identify(delivery: Delivery) -> Identified:
    """`cap-msg-id`; `cap-msg-name`, else `cap-msg-type`; `cap-senttime`, which .NET writes as its culture has it."""
    identity, name, kind, time = (
        header(delivery.headers, f"cap-{part}") for part in ("msg-id", "msg-name", "msg-type", "senttime")
    )
    return raw.identify(delivery, text(identity), text(name) or text(kind), moment(time))

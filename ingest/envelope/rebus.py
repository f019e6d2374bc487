"""Rebus: headers `rbs2-…`, the body is the message, perhaps compressed or encrypted as the headers say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.envelope import raw
from ingest.envelope.traits import Traits
from ingest.envelope.values import header, moment, text
from ingest.model.delivery import Delivery, Identified

__all__ = ["ENCODING", "ENCRYPTION", "PREFIX", "content_encoding", "identify", "recognises", "refusal"]

PREFIX = "rbs2-"
ENCODING = "rbs2-content-encoding"
ENCRYPTION = "rbs2-content-encryption"


def recognises(traits: Traits) -> bool:
    """By a header of the prefix."""
    return traits.any_header(PREFIX)


def identify(delivery: Delivery) -> Identified:
    """`rbs2-msg-id`, `rbs2-msg-type`, `rbs2-senttime`."""
    identity, kind, time = (header(delivery.headers, f"rbs2-{name}") for name in ("msg-id", "msg-type", "senttime"))
    return raw.identify(delivery, text(identity), text(kind), moment(time))


def content_encoding(headers: Mapping[str, Any]) -> str | None:
    """How Rebus compressed the body: it says so in a header of its own, not in AMQP's property."""
    return text(header(headers, ENCODING))


def refusal(headers: Mapping[str, Any]) -> str | None:
    """Why the body cannot be read; null where it can."""
    cipher = text(header(headers, ENCRYPTION))
    return None if cipher is None else "Rebus encrypted this body; there is no key for it here."

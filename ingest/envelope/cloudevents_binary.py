"""CloudEvents in binary mode: the attributes are headers `cloudEvents_…` or `cloudEvents:…`, the body is the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.envelope import raw
from ingest.envelope.cloudevents import event_id
from ingest.envelope.traits import Traits
from ingest.envelope.values import header, moment, text
from ingest.model.delivery import Delivery, Identified

__all__ = ["identify", "recognises"]

_PREFIXES = ("cloudEvents:", "cloudEvents_")  # the first wins where both are there


def recognises(traits: Traits) -> bool:
    """By a header of either prefix, in any capitals."""
    return traits.any_header(*(prefix.lower() for prefix in _PREFIXES))


def identify(delivery: Delivery) -> Identified:
    """`source` and `id`, `type`, `time`."""
    source, identity, kind = (text(_attribute(delivery.headers, name)) for name in ("source", "id", "type"))
    time = moment(_attribute(delivery.headers, "time"))
    return raw.identify(delivery, event_id(source, identity), kind, time)


def _attribute(headers: Mapping[str, Any], name: str) -> Any:
    return next((found for prefix in _PREFIXES if (found := header(headers, prefix + name)) is not None), None)

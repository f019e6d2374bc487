"""Which producer wrote a delivery. One that fits several is the first one's in the order of `Kind`.

A content type speaks of the body itself, so it comes first; then prefixes that are one framework's own; then names and
forms that others might use too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from enum import Enum

from ingest.envelope import (
    cap,
    cloudevents,
    cloudevents_binary,
    easynetq,
    masstransit,
    masstransit_raw,
    nservicebus,
    rebus,
    wolverine,
)
from ingest.envelope.traits import Traits

__all__ = ["Kind", "recognise"]

_KEPT_HEADERS = 64  # names of a delivery with more are looked at each time: what is kept stays small


class Kind(Enum):
    """The envelopes, in their order of precedence."""

    CLOUDEVENTS = "CloudEvents, structured"
    MASSTRANSIT = "MassTransit"
    CLOUDEVENTS_BINARY = "CloudEvents, binary"
    NSERVICEBUS = "NServiceBus"
    MASSTRANSIT_RAW = "MassTransit raw JSON"
    REBUS = "Rebus"
    CAP = "CAP"
    WOLVERINE = "Wolverine"
    EASYNETQ = "EasyNetQ"
    RAW = "raw"


_RECOGNISERS: tuple[tuple[Kind, Callable[[Traits], bool]], ...] = (
    (Kind.CLOUDEVENTS, cloudevents.recognises),
    (Kind.MASSTRANSIT, masstransit.recognises),
    (Kind.CLOUDEVENTS_BINARY, cloudevents_binary.recognises),
    (Kind.NSERVICEBUS, nservicebus.recognises),
    (Kind.MASSTRANSIT_RAW, masstransit_raw.recognises),
    (Kind.REBUS, rebus.recognises),
    (Kind.CAP, cap.recognises),
    (Kind.WOLVERINE, wolverine.recognises),
    (Kind.EASYNETQ, easynetq.recognises),
)


def recognise(content_type: str | None, headers: Iterable[str], kind: str | None) -> Kind:
    """By a delivery's content type, the names of its headers and AMQP's type. `Kind.RAW` where nothing fits."""
    names = tuple(headers)
    return (_remembered if len(names) <= _KEPT_HEADERS else _recognise)(content_type, names, kind)


def _recognise(content_type: str | None, names: tuple[str, ...], kind: str | None) -> Kind:
    traits = Traits(content_type, frozenset(name.lower() for name in names), kind)
    return next((found for found, recognises in _RECOGNISERS if recognises(traits)), Kind.RAW)


_remembered = functools.lru_cache(maxsize=256)(_recognise)

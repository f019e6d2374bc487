"""EasyNetQ: AMQP's type is a .NET type with its assembly, the body is the message."""

from __future__ import annotations

import re

from ingest.envelope import raw
from ingest.envelope.traits import Traits
from ingest.model.delivery import Delivery, Identified

__all__ = ["identify", "recognises"]

_TYPE = re.compile(r"[A-Za-z_][^\s,\[]*(\[\[.*\]\])?(\[\])?, ?[A-Za-z_][\w.-]*", re.DOTALL)


def recognises(traits: Traits) -> bool:
    """By a type of the form `Ns.Type, Assembly`."""
    return traits.type is not None and _TYPE.fullmatch(traits.type) is not None


def identify(delivery: Delivery) -> Identified:
    """As the raw rule has it: by default EasyNetQ writes neither id nor time, and the type is AMQP's."""
    return raw.identify(delivery)

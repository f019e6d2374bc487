"""What a source hands to land: deliveries, in windows, each with the call that acknowledges it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ingest.model.allowance import Allowance
from ingest.model.gap import Gap

__all__ = ["CONTENT_PREFIX", "REPLACED", "Bounds", "Delivery", "Identified", "Lost", "Start", "Window"]


CONTENT_PREFIX = "lakepost:content:"
"""An `event_id` that begins so was made from the content: the delivery brought none of its own."""


class Delivery(NamedTuple):
    """One message as the source gave it: bytes and properties, nothing interpreted.

    A named tuple and not a frozen dataclass: one is made per message, at a third of the cost.
    `source` is `exchange/queue` (or the container), `position` the stream offset or LSN where there
    is one. `timestamp` is the AMQP property, whole seconds, UTC. `operation` and `key` are a change feed's: what was
    done, and to which item.
    """

    body: bytes
    source: str
    routing_key: str = ""
    headers: Mapping[str, Any] = {}
    content_type: str | None = None
    content_encoding: str | None = None
    message_id: str | None = None
    type: str | None = None
    timestamp: dt.datetime | None = None
    properties: Mapping[str, str] = {}
    redelivered: bool = False
    position: int | None = None
    operation: str | None = None
    key: str | None = None


class Identified(NamedTuple):
    """What the envelope says of a delivery. `id` is never null; `time` is aware, in UTC."""

    id: str
    type: str | None
    time: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a window is full (`rows`, `bytes`, `seconds`) and when land stops.

    `max_messages` and `max_seconds` end the run. With neither, or with `max_messages` alone, land takes
    what was ready at the start (at most `max_messages` of it); with `max_seconds` it goes on taking what
    arrives until then. `idle_seconds` ends a run whose ready messages somebody else took. `allowance` is what this
    source and others may take together; a queue then does not ask what is ready.
    """

    rows: int = 50_000
    bytes: int = 16 * 1024 * 1024
    seconds: float = 30.0
    max_messages: int | None = None
    max_seconds: float | None = None
    idle_seconds: float = 5.0
    allowance: Allowance | None = None

    def shared(self, sources: int, allowance: Allowance) -> Bounds:
        """The bounds of one of so many `sources`, which together hold the rows and bytes of one."""
        rows, size = max(1, self.rows // sources), max(1, self.bytes // sources)
        return dataclasses.replace(self, rows=rows, bytes=size, max_messages=None, allowance=allowance)


Start = int | dt.datetime
"""Where to begin in a stream: at an offset, or at what was published from then on."""


REPLACED = (
    "restore the old one; or, if it was replaced on purpose, run `lakepost land` with --adopt-replaced: the new one is"
    " landed from its beginning, beside what was landed of the old one"
)
"""What to do about `SourceReplaced`."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The offsets `first` to `last`, both included, were gone from the stream when land came to them."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Window:
    """Deliveries that are committed together, then acknowledged together by awaiting `acknowledge()`.

    `position` is the last position inside, for sources that have one; null for a queue, which
    remembers by itself what was acknowledged. `lost` is what should have come before or between the deliveries.
    `token` is what a `ports.TokenSource` goes on from after them; such a window may have none. `gap` is what its feed
    does not tell between the window before and this one.
    """

    deliveries: Sequence[Delivery]
    acknowledge: Callable[[], Awaitable[None]] = field(repr=False)
    position: int | None = None
    lost: tuple[Lost, ...] = ()
    token: bytes | None = field(default=None, repr=False)
    gap: Gap | None = None

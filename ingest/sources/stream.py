"""A RabbitMQ stream as a source: an offset for a position, nothing taken out, and what was missed is told."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np
import structlog

from ingest.errors import SourceReplaced
from ingest.model.arrived import Deliveries
from ingest.model.contract import QueueBinding
from ingest.model.delivery import REPLACED, Bounds, Delivery, Lost, Start, Window
from ingest.sources import peek
from ingest.sources.compare import depth
from ingest.sources.connection import unavailable
from ingest.sources.conversation import Conversation
from ingest.sources.credit import consume
from ingest.sources.gather import Places
from ingest.sources.offsets import OFFSET, StreamChunk
from ingest.sources.run import Run, rouses

__all__ = ["RabbitStream"]

_QUIET_SECONDS = 1.0
"""How long an empty stream is listened to. A message that is there comes within milliseconds."""

_PATIENT_SECONDS = 5.0
"""How long a message is awaited that must be there."""

_MOST_UNDER_WAY = 2_000
_LEAST_UNDER_WAY = 16
_USUAL_UNDER_WAY = 1_000  # while the weight of messages is not known
_ACKNOWLEDGED_AT_ONCE = 4  # times per credit

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Reading:
    """What one call of `windows` reads: the offsets `begin` to `last`, both included; null for no end."""

    begin: int
    last: int | None
    credit: int
    taken: deque[StreamChunk] = field(default_factory=deque)
    unacknowledged: int = 0
    is_through: bool = False


class RabbitStream(Conversation):
    """A stream; implements `ports.Source`. `position` of deliveries and windows is the offset.

    The first landing begins at `start`, by default at the stream's beginning. With `again_until` it is a deliberate
    second reading instead: from `start` to that offset, the stored position, which does not move. `name` tells the
    stream from one that had the same name before. Acknowledging a delivery gives the broker leave to send more, and
    nothing else: it is done when the delivery is here.
    """

    def __init__(
        self,
        url: str,
        binding: QueueBinding,
        *,
        name: str | None = None,
        start: Start | None = None,
        again_until: int | None = None,
    ) -> None:
        super().__init__(url, binding, name=name)
        self.queue = binding.queue
        self.application = f"land:{self._name}" if again_until is None else f"land:{self._name}:again"
        self._start, self._again_until = start, again_until

    async def ready(self, after: int | None = None) -> int:
        """How many offsets there are to read beyond `after`.

        Raises:
            SourceUnavailable: the broker went away.
            TopologyError: the queue was deleted.
        """
        self._check()
        end = await self._newest()
        if end is None:
            return 0
        last = end.offset if self._again_until is None else min(end.offset, self._again_until)
        begin = self._begin(after)
        if not isinstance(begin, int):
            begin = await peek.oldest(self._url, self._binding, _PATIENT_SECONDS) or 0
        return max(last - begin + 1, 0)

    async def read_back(self, after: int | None) -> Delivery | None:
        """The message at the stored position; null when there is no position, or retention has passed it.

        Raises:
            SourceReplaced: the stream ends before it.
            SourceUnavailable: the broker went away, or says nothing.
        """
        position = after if self._again_until is None else self._again_until
        if position is None:
            return None
        found = await peek.there(self._url, self._binding, position, _PATIENT_SECONDS, name=self._name)
        if found is not None:
            return found if found.position == position else None
        end = await peek.newest(self._url, self._binding, _PATIENT_SECONDS)
        if end is None and (await depth(self._parts()[0], self._binding.queue))[0]:
            raise unavailable(f"the stream {self._binding.queue!r} holds messages and gives none")
        if end is not None and end.offset >= position:
            raise unavailable(f"the stream {self._binding.queue!r} has offset {position} and does not give it")
        ends = "is empty" if end is None else f"ends at offset {end.offset}"
        raise SourceReplaced(
            f"the stream {self._binding.queue!r} {ends}, and was landed up to offset {position}: it was deleted and"
            " made again",
            remedy=REPLACED,
        )

    async def windows(self, bounds: Bounds, after: int | None, stop: asyncio.Event) -> AsyncIterator[Window]:
        """Windows until `bounds` end the run or `stop` is set; from the offset behind `after` on.

        By default up to what was the stream's last offset when this began. A window is awaited for
        `bounds.seconds` from its first delivery. Raises `SourceUnavailable` as soon as the connection or the channel
        is gone. When the stream is, what was received of it is given before.
        """
        loop = asyncio.get_running_loop()
        deadline = math.inf if bounds.max_seconds is None else loop.time() + bounds.max_seconds
        end = await self._newest()
        begin, last = self._begin(after), self._again_until
        if bounds.max_seconds is None and last is None:
            last = -1 if end is None else end.offset
        if last is not None and last < (begin if isinstance(begin, int) else 0):
            return
        run: Run[StreamChunk] = Run(
            bounds, stop, deadline, math.inf if bounds.max_messages is None else bounds.max_messages
        )
        reading = _Reading(begin if isinstance(begin, int) else 0, last, _credit(bounds, end))
        expected = None if after is None or self._again_until is not None else after + 1
        _, channel, inbox = self._parts()
        inbox.limit(bounds.bytes)
        async with self._talking("consuming"):
            await consume(channel, self._binding.queue, reading.credit, {OFFSET: begin})
        with rouses(stop, self._wake):
            while run.left > 0 and not run.ended:
                await self._fill(run, reading)
                if not run.rows:
                    if self._cancellation is not None:
                        raise self._cancellation
                    break
                pieces, _, size = run.take()
                lost = await self._lost_before(expected, np.concatenate([piece.offsets for piece in pieces]))
                newest = pieces[-1].offsets[-1]
                expected = newest + 1
                position = newest if self._again_until is None else None
                yield Window(Deliveries(pieces), _kept, position, lost)
                del pieces
                inbox.release(size)
                self._check()
        nothing_is_due = last is None or reading.is_through or (expected is None and not isinstance(begin, int))
        if run.left > 0 and not run.ended and not nothing_is_due:
            raise unavailable(f"the stream {self._binding.queue!r} has offset {last} and does not give it")

    async def _fill(self, run: Run[StreamChunk], reading: _Reading) -> None:
        """Collect deliveries into `run` until its window is to be given, or there will be none."""
        loop = asyncio.get_running_loop()
        quiet_since = loop.time()
        while True:
            self._wake.clear()
            self._check()
            await self._take(run, reading)
            if run.collect(reading.taken):
                quiet_since = loop.time()
            until = run.until(quiet_since)
            is_over = until <= loop.time() or self._cancellation is not None
            if run.is_full or run.rows >= run.rest or is_over:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(None if math.isinf(until) else until):
                    await self._wake.wait()

    async def _take(self, run: Run[StreamChunk], reading: _Reading) -> None:
        """Take what was received as far as it is in the reading's range: a chunk may begin before and end behind it."""
        _, channel, inbox = self._parts()
        tag = inbox.tag if inbox.received else None
        while inbox.received:
            chunk = StreamChunk.of(inbox.received.popleft())
            reading.unacknowledged += len(chunk)
            inside = list(chunk.within(reading.begin, reading.last))
            reading.taken += inside
            inbox.release(chunk.size - sum(part.size for part in inside))
            if reading.last is not None and max(chunk.offsets) >= reading.last:
                reading.is_through = True
                run.left = min(run.left, run.rows + sum(map(len, reading.taken)))
        if tag is not None and reading.unacknowledged >= reading.credit // _ACKNOWLEDGED_AT_ONCE:
            reading.unacknowledged = 0
            async with self._talking("consuming"):
                await channel.basic_ack(tag, multiple=True, wait=False)

    async def _lost_before(self, expected: int | None, offsets: Places) -> tuple[Lost, ...]:
        """What of the gaps before and between `offsets` the stream no longer has.

        The broker's own entries leave gaps of one offset, in each new segment for example; and messages that a producer
        of the stream protocol has compressed leave longer ones: AMQP 0.9.1 does not give those.
        """
        if self._again_until is not None:
            return ()
        known = np.concatenate([[offsets[0] - 1 if expected is None else expected - 1], offsets])
        before = np.flatnonzero(np.diff(known) > 1)
        if not before.size:
            return ()
        gaps = list(zip((known[before] + 1).tolist(), (known[before + 1] - 1).tolist(), strict=True))
        oldest = await peek.oldest(self._url, self._binding, _PATIENT_SECONDS)
        if oldest is None:
            raise unavailable(f"the stream {self._binding.queue!r} does not say where it begins")
        for first, last in gaps:
            if oldest <= first < last:
                told = (
                    "the stream has offsets that are not given, as of compressed messages, which AMQP 0.9.1 cannot read"
                )
                _log.warning(told, stream=self._binding.queue, first=first, last=last)
        return tuple(Lost(first, min(last, oldest - 1)) for first, last in gaps if first < oldest)

    def _begin(self, after: int | None) -> Start | str:
        if after is None or self._again_until is not None:
            return "first" if self._start is None else self._start
        return after + 1

    async def _newest(self) -> peek.End | None:
        # The number of messages is seconds old: zero may be wrong, and then the next run takes them.
        waiting, _ = await depth(self._parts()[0], self._binding.queue)
        return await peek.newest(self._url, self._binding, _PATIENT_SECONDS if waiting else _QUIET_SECONDS)


async def _kept() -> None:
    """A stream keeps what was read, and the lake how far."""


def _credit(bounds: Bounds, end: peek.End | None) -> int:
    """How many messages may be under way: half a window by what they weigh, as all may be in the broker's memory."""
    if end is None:
        return _USUAL_UNDER_WAY
    return int(min(max(bounds.bytes / 2 / max(end.weight, 1.0), _LEAST_UNDER_WAY), _MOST_UNDER_WAY))

"""One look into a stream, on a connection of its own: what stands at an offset, at its beginning, at its end.

AMQP 0.9.1 has no question for it. The number of messages that a queue tells is seconds old for a stream; so a
consumer is asked, and it says nothing where there is nothing: hence the patience.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, NamedTuple

from ingest.errors import LakepostError
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Delivery
from ingest.model.finding import Finding
from ingest.sources.connection import CONNECT_SECONDS
from ingest.sources.conversation import Conversation
from ingest.sources.credit import consume
from ingest.sources.offsets import OFFSET, StreamChunk, offset_of

__all__ = ["End", "examine_stream", "newest", "oldest", "there"]

_LOOKING_SECONDS = 2.0
_MOST = 65_535  # what a prefetch can say


class End(NamedTuple):
    """The last message's offset, and the mean size of messages there, in bytes."""

    offset: int
    weight: float


async def oldest(url: str, binding: QueueBinding, patience: float) -> int | None:
    """The first offset that the stream still has; null if none comes within `patience` seconds."""
    found = await there(url, binding, "first", patience)
    return None if found is None else found.position


async def there(
    url: str, binding: QueueBinding, start: int | str, patience: float, *, name: str | None = None
) -> Delivery | None:
    """The first message from `start` on; null if none comes within `patience` seconds. `name` as in `Conversation`."""
    async with _Look(url, binding, name=name, declares=False) as look:
        return await look.first(start, patience)


async def newest(url: str, binding: QueueBinding, patience: float) -> End | None:
    """Where the stream ends now; null if none comes within `patience` seconds: it is empty.

    Whatever was confirmed before the call is at this offset or a lower one.
    """
    async with _Look(url, binding, declares=False) as look:
        return await look.last(patience)


class _Look(Conversation):
    def _cancelled(self, _: Any) -> None:
        self._lost(f"the queue {self._binding.queue!r} was deleted, or its leader went away")

    async def first(self, start: int | str, patience: float) -> Delivery | None:
        lowest = start if isinstance(start, int) else 0
        if not await self._asked(start, 1, lowest, patience):
            return None
        found = (part for chunk in self._parts()[2].received for part in StreamChunk.of(chunk).within(lowest, None))
        return next(found)[0]

    async def last(self, patience: float) -> End | None:
        if not await self._asked("last", _MOST, 0, patience):
            return None
        # The channel sends the last chunk in one go, so the answer to the next question comes behind all of it.
        _, channel, inbox = self._parts()
        async with self._talking("looking at the end of the stream"):
            await channel.queue_declare(self._binding.queue, passive=True, timeout=CONNECT_SECONDS)
        sizes = [size for chunk in inbox.received for size in chunk.sizes()]
        return End(offset_of(inbox.received[-1], -1), sum(sizes) / len(sizes))

    async def _asked(self, start: int | str, prefetch: int, lowest: int, patience: float) -> bool:
        """Consume from `start`; true when a message of offset `lowest` or above has come."""
        _, channel, inbox = self._parts()
        async with self._talking("looking into the stream"):
            await consume(channel, self._binding.queue, prefetch, {OFFSET: start})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not any(offset_of(chunk, -1) >= lowest for chunk in inbox.received):
                    self._wake.clear()
                    self._check()
                    await self._wake.wait()
                return True
        self._check()
        return False


async def examine_stream(url: str, binding: QueueBinding) -> Finding:
    """Which offsets the stream has, for `doctor`. Raises nothing of the broker's."""
    try:
        end = await newest(url, binding, _LOOKING_SECONDS)
        first = None if end is None else await oldest(url, binding, _LOOKING_SECONDS)
    except LakepostError as error:
        return Finding("offsets", ok=False, says=error.message, remedy=error.remedy)
    says = "none, it is empty" if end is None or first is None else f"{first:,} to {end.offset:,}"
    return Finding("offsets", ok=True, says=f"{says} in the stream {binding.queue!r}")

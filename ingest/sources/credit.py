"""How many messages the broker may have under way to us: the prefetch, as consumers of one channel.

A quorum queue gives a consumer 2,000 unacknowledged messages at most, so there are as many consumers as it
takes, each with a prefetch of its own, on one channel: one `ack(multiple)` then covers a window. The credit
starts small and grows with what the messages turn out to weigh, because all of it may be in the broker's
memory, on its way to us.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from aiormq import Channel
from aiormq.abc import DeliveredMessage
from pamqp import commands

from ingest.sources.connection import CONNECT_SECONDS

__all__ = ["Credit", "consume"]

_FIRST = 16  # messages, before any weight is known
_GROWTH = 4
_CONSUMER_LIMITS = {"quorum": 2_000, "classic": 65_535}  # of a prefetch


class _Qos(commands.Basic.Qos):
    """Sent without waiting for the answer, which `wire.Inbox` takes: reading may be paused, and would stay so."""

    synchronous = False


async def consume(channel: Channel, queue: str, prefetch: int, arguments: Mapping[str, Any] | None = None) -> str:
    """Begin to consume, without waiting for an answer; returns the consumer's tag."""
    tag = f"lakepost.{uuid.uuid4().hex}"
    channel.consumers[tag] = _never
    await channel.rpc(_Qos(prefetch_count=prefetch), timeout=CONNECT_SECONDS)
    wanted = commands.Basic.Consume(queue=queue, consumer_tag=tag, nowait=True, arguments=dict(arguments or {}))
    await channel.rpc(wanted, timeout=CONNECT_SECONDS)
    return tag


class Credit:
    """Consumers of `queue` on `channel`; `granted` is the sum of their prefetches. Waits for no answer.

    Whatever the broker refuses closes the channel.
    """

    def __init__(self, channel: Channel, queue: str, kind: str) -> None:
        self._channel, self._queue, self._limit = channel, queue, _CONSUMER_LIMITS[kind]
        self._consumers: list[tuple[str, int]] = []
        self._gone: list[tuple[int, int]] = []  # consumers taken away: the last tag received then, and their prefetch
        self.granted = 0

    def most(self, received: int, acknowledged: int) -> int:
        """How many messages may come at most before more are acknowledged; both are counted from the first one on."""
        self._gone = [(tag, prefetch) for tag, prefetch in self._gone if tag > acknowledged]
        with_them = sum(prefetch for _, prefetch in self._gone)
        return self.granted - max(received - acknowledged - with_them, 0)

    async def grow(self, free: int, wanted: int, most: float) -> bool:
        """Add one consumer of at most `most` if `free`, the credit not used up, is scant for `wanted`; true if so."""
        if free >= wanted or free > self.granted // 2 or most < 1:
            return False
        step = int(min(wanted - max(free, 0), self._limit, max(_FIRST, self.granted * (_GROWTH - 1)), most))
        self._consumers.append((await consume(self._channel, self._queue, step), step))
        self.granted += step
        return True

    async def shrink(self, limit: float, received: int) -> None:
        """Take consumers away until `granted` is within `limit`. What they were sent still arrives."""
        while self.granted > limit and self._consumers:
            tag, prefetch = self._consumers.pop()
            self.granted -= prefetch
            self._gone.append((received, prefetch))
            await self._channel.basic_cancel(tag, nowait=True, timeout=CONNECT_SECONDS)


async def _never(message: DeliveredMessage) -> None:
    """Deliveries do not come this way: the transport keeps them."""

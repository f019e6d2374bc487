"""A RabbitMQ queue as a source: windows of deliveries, acknowledged when land says so."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Self

from ingest.errors import TopologyError
from ingest.model.arrived import Deliveries, Piece
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Bounds, Window
from ingest.sources.chunk import Chunk
from ingest.sources.compare import depth
from ingest.sources.connection import CONNECT_SECONDS
from ingest.sources.conversation import Conversation
from ingest.sources.credit import Credit
from ingest.sources.dead_letters import DeadLetters
from ingest.sources.run import Run, rouses
from ingest.sources.wire import Inbox

__all__ = ["RabbitQueue"]

_CLASSIC_ROWS = 5_000
"""Most rows of a window of a classic queue: the more of it is unacknowledged, the slower the broker reads what it has
paged. Of 300,000 messages it gave 33,000 a second to windows of 5,000, 27,000 to 10,000 and 18,000 to 50,000."""


class RabbitQueue(Conversation):
    """A classic or quorum queue; implements `ports.Source`.

    Windows are taken in the order of arrival: a window is a contiguous range of delivery tags.
    """

    def __init__(self, url: str, binding: QueueBinding) -> None:
        super().__init__(url, binding)
        self.application = f"land:{binding.queue}"
        self._given = self._acknowledged = self._settled = 0
        self._taking: tuple[Run[Chunk], Credit] | None = None
        self._credit = asyncio.Lock()
        self._has_more = True

    async def __aenter__(self) -> Self:
        _refuse_unsuited(self._binding)
        self._given, self._acknowledged, self._settled = 0, 0, 0
        self._taking = None
        self._has_more = True
        return await super().__aenter__()

    async def ready(self, after: int | None = None) -> int:  # noqa: ARG002 - a queue remembers by itself
        """How many messages wait right now, without those under way to somebody.

        Raises:
            SourceUnavailable: the broker went away.
            TopologyError: the queue was deleted.
        """
        return await self._waiting()

    async def _waiting(self) -> int:
        self._check()
        connection, _, _ = self._parts()
        return (await depth(connection, self._binding.queue))[0]

    async def read_back(self, after: int | None) -> None:
        """Nothing: a queue has no positions."""

    async def windows(
        self,
        bounds: Bounds,
        after: int | None,  # noqa: ARG002 - a queue remembers by itself
        stop: asyncio.Event,
    ) -> AsyncIterator[Window]:
        """Windows until `bounds` end the run or `stop` is set; `after` means nothing to it.

        A window is awaited for `bounds.seconds` from its first delivery. Raises `SourceUnavailable` as soon as
        the connection or the channel is gone, and where the broker is silent to a question, too. When the queue is
        gone, what was received of it is given before: nobody else has it any more.
        """
        loop = asyncio.get_running_loop()
        deadline = math.inf if bounds.max_seconds is None else loop.time() + bounds.max_seconds
        if self._binding.queue_type == "classic":
            bounds = dataclasses.replace(bounds, rows=min(bounds.rows, _CLASSIC_ROWS))
        left: float = math.inf if bounds.max_messages is None else bounds.max_messages
        if bounds.max_seconds is None and bounds.allowance is None:
            left = min(left, await self.ready())
        run: Run[Chunk] = Run(bounds, stop, deadline, left)
        _, channel, inbox = self._parts()
        credit = Credit(channel, self._binding.queue, self._binding.queue_type)
        self._taking = run, credit
        inbox.limit(bounds.bytes)
        with rouses(stop, self._wake):
            while run.left > 0 and not run.ended:
                await self._fill(run, inbox, credit)
                if not run.rows:
                    if self._cancellation is not None:
                        raise self._cancellation
                    break
                chunks, count, size = run.take()
                acknowledge = self._acknowledge(count)
                pieces: Sequence[Piece] = chunks
                if self._binding.holds_dead_letters:
                    pieces = [DeadLetters(chunk, self._binding.queue) for chunk in chunks]
                async with self._credit, self._talking("consuming"):
                    await credit.shrink(self._given - self._acknowledged + run.keeps(), inbox.tag)
                yield Window(Deliveries(pieces), acknowledge)
                del chunks, pieces
                inbox.release(size)
                self._check()
        if run.left > 0 and not stop.is_set():
            await self.ready()  # a connection that is dead, but not closed, is as silent as an empty queue

    async def _fill(self, run: Run[Chunk], inbox: Inbox, credit: Credit) -> None:
        """Collect deliveries into `run` until its window is to be given, or there will be none."""
        loop = asyncio.get_running_loop()
        if self._spare(self._given - self._acknowledged) < 0:
            await self._look_behind(run, inbox)
        quiet_since = loop.time()
        while True:
            self._wake.clear()
            self._check()
            # A window that is not acknowledged yet may hold all the credit there is: then silence means nothing.
            if run.collect(inbox.received) or self._given > self._acknowledged:
                quiet_since = loop.time()
            until = run.until(quiet_since)
            if run.is_full or until <= loop.time() or self._cancellation is not None:
                if run.rows or run.ended or self._cancellation is not None or not await self._waiting():
                    return
                quiet_since = loop.time()  # the broker is busy
            async with self._credit, self._talking("consuming"):
                free = credit.granted - (inbox.tag - self._acknowledged)
                # Windows in hand hold their credit until they are acknowledged.
                most = min(self._given - self._acknowledged + run.keeps() - credit.granted, self._spare(0))
                if await credit.grow(free, run.room(), most):
                    continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(None if math.isinf(until) else until):
                    await self._wake.wait()

    def _acknowledge(self, count: int) -> Callable[[], Awaitable[None]]:
        """The call that acknowledges the next `count` deliveries, once; and no other window's."""
        first, last = self._given + 1, self._given + count
        self._given = last
        is_done = False

        async def acknowledge() -> None:
            nonlocal is_done
            if is_done:
                return
            self._check()
            _, channel, _ = self._parts()
            in_order = first == self._settled + 1
            async with self._credit, self._talking("acknowledging"), asyncio.timeout(CONNECT_SECONDS):
                await self._make_room(count)
                # `multiple` covers every lower tag: only where each of them is acknowledged already.
                for tag in (last,) if in_order else range(first, last + 1):
                    await channel.basic_ack(tag, multiple=in_order, wait=tag == last)
            is_done = True
            self._acknowledged += count
            self._wake.set()  # there is credit again
            if in_order:
                self._settled = last

        return acknowledge

    def _spare(self, acknowledging: int) -> float:
        """How many more messages the run may have than may come once so many are acknowledged."""
        if self._taking is None:
            return math.inf
        (run, credit), received = self._taking, self._parts()[2].tag
        return run.rest - (received - self._given) - credit.most(received, self._acknowledged + acknowledging)

    async def _look_behind(self, run: Run[Chunk], inbox: Inbox) -> None:
        """Ask whether the queue has more than the run may have: else credit that is too large brings nothing.

        What is published meanwhile may then be under way to us at the end; it is given back. The broker is slow in
        taking consumers away that hold messages.
        """
        inbox.limit(math.inf)  # credit bounds what comes, and the answer must not wait behind it
        try:
            waiting = await self._waiting()
        finally:
            inbox.limit(run.bounds.bytes)
        self._has_more = waiting > run.rest - (inbox.tag - self._given)

    async def _make_room(self, acknowledging: int) -> None:
        """Take credit away that would bring more than the run may have, once so many are acknowledged."""
        over = -self._spare(acknowledging)
        if self._taking is not None and over > 0 and self._has_more:
            await self._taking[1].shrink(self._taking[1].granted - over, self._parts()[2].tag)


def _refuse_unsuited(binding: QueueBinding) -> None:
    if dict(binding.arguments).get("x-single-active-consumer"):
        raise TopologyError(
            f"the queue {binding.queue!r} allows one active consumer, and a window takes several",
            remedy="drop x-single-active-consumer: raw keeps no order between windows that would need it",
        )

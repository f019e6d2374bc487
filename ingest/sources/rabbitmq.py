"""A RabbitMQ queue as a source: windows of deliveries, acknowledged when land says so."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self, cast

from aio_pika import Connection
from aiormq import Channel

from ingest.errors import SourceUnavailable, TopologyError
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Bounds, Window
from ingest.sources.compare import depth
from ingest.sources.connection import CONNECT_SECONDS, broker_errors, connect, place, unavailable
from ingest.sources.credit import Credit
from ingest.sources.run import Run, rouses
from ingest.sources.topology import declare
from ingest.sources.wire import Inbox, Transport

__all__ = ["RabbitQueue"]

_FAREWELL_SECONDS = 3.0


class RabbitQueue:
    """A classic or quorum queue; implements `ports.Source`.

    Delivery tags count from 1 on the one channel, in the order of arrival, and windows are taken in that order:
    a window is a contiguous range of tags. One connection serves one `async with`.
    """

    def __init__(self, url: str, binding: QueueBinding) -> None:
        self._url, self._binding = url, binding
        self.application = f"land:{binding.queue}"
        self._connection: Connection | None = None
        self._channel: Channel | None = None
        self._transport: Transport | None = None
        self._wake = asyncio.Event()
        self._loss: SourceUnavailable | None = None
        self._given = self._acknowledged = self._settled = 0

    def __repr__(self) -> str:
        return f"RabbitQueue({self._binding.queue!r} at {place(self._url)})"

    async def __aenter__(self) -> Self:
        queue = self._binding.queue
        _refuse_unsuited(self._binding)
        self._loss, self._given, self._acknowledged, self._settled = None, 0, 0, 0
        self._connection, self._transport = await connect(self._url, f"lakepost land {queue}", self._wake.set)
        try:
            await declare(self._connection, self._binding)
            with broker_errors("opening a channel"):
                opened = self._connection.channel(publisher_confirms=False)
                async with asyncio.timeout(CONNECT_SECONDS):
                    await opened.initialize()
                self._channel = cast("Channel", await opened.get_underlay_channel())
        except BaseException:
            await self._leave()
            raise
        self._transport.inbox.collect(self._channel.number, queue)
        self._channel.on_consumer_cancel_callbacks.add(self._cancelled)
        self._channel.closing.add_done_callback(self._closed)
        self._channel.connection.closing.add_done_callback(self._closed)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def ready(self) -> int:
        """How many messages wait right now, without those under way to somebody.

        Raises:
            SourceUnavailable: the broker went away.
            TopologyError: the queue was deleted.
        """
        self._check()
        connection, _, _ = self._parts()
        return (await depth(connection, self._binding.queue))[0]

    async def windows(
        self,
        bounds: Bounds,
        after: int | None,  # noqa: ARG002 - a queue remembers by itself
        stop: asyncio.Event,
    ) -> AsyncIterator[Window]:
        """Windows until `bounds` end the run or `stop` is set; `after` means nothing to it.

        A window is awaited for `bounds.seconds` from its first delivery. Raises `SourceUnavailable` as soon as
        the connection, the channel or the queue is gone.
        """
        loop = asyncio.get_running_loop()
        deadline = math.inf if bounds.max_seconds is None else loop.time() + bounds.max_seconds
        left: float = math.inf if bounds.max_messages is None else bounds.max_messages
        if bounds.max_seconds is None:
            left = min(left, await self.ready())
        run = Run(bounds, stop, deadline, left)
        _, channel, inbox = self._parts()
        credit = Credit(channel, self._binding.queue)
        inbox.limit(bounds.bytes)
        with rouses(stop, self._wake):
            while run.left > 0 and not run.ended:
                await self._fill(run, inbox, credit)
                if not run.window:
                    break
                deliveries, tags, size = run.take()
                async with self._talking("consuming"):
                    await credit.shrink(run.keeps())
                yield Window(deliveries, self._acknowledge(tags[0], tags[-1]))
                inbox.release(size)
                self._check()

    async def _fill(self, run: Run, inbox: Inbox, credit: Credit) -> None:
        """Collect deliveries into `run` until its window is to be given, or there will be none."""
        loop = asyncio.get_running_loop()
        quiet_since = loop.time()
        while True:
            self._wake.clear()
            self._check()
            if run.collect(inbox.received):
                quiet_since = loop.time()
            until = run.until(quiet_since)
            if run.is_full or until <= loop.time():
                return
            waiting = len(run.window) + len(inbox.received)
            free = credit.granted - (self._given + waiting - self._acknowledged)
            async with self._talking("consuming"):
                if await credit.grow(free, run.room() - len(inbox.received)):
                    continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(None if math.isinf(until) else until):
                    await self._wake.wait()

    def _acknowledge(self, first: int, last: int) -> Callable[[], Awaitable[None]]:
        """The call that acknowledges the window of tags `first` to `last`, once; and no other window's."""
        count = last - first + 1
        self._given += count
        is_done = False

        async def acknowledge() -> None:
            nonlocal is_done
            if is_done:
                return
            self._check()
            _, channel, _ = self._parts()
            in_order = first == self._settled + 1
            async with self._talking("acknowledging"), asyncio.timeout(CONNECT_SECONDS):
                # `multiple` covers every lower tag: only where each of them is acknowledged already.
                for tag in (last,) if in_order else range(first, last + 1):
                    await channel.basic_ack(tag, multiple=in_order, wait=tag == last)
            is_done = True
            self._acknowledged += count
            if in_order:
                self._settled = last

        return acknowledge

    @contextlib.asynccontextmanager
    async def _talking(self, doing: str) -> AsyncIterator[None]:
        """`broker_errors`, with the broker's reason where it closed the channel: that may come a moment later."""
        _, channel, _ = self._parts()
        try:
            with broker_errors(doing):
                yield
        except SourceUnavailable:
            await asyncio.wait({channel.closing}, timeout=1.0)
            await asyncio.sleep(0)  # for `_closed`, which was called in the same turn
            self._check()
            raise

    def _parts(self) -> tuple[Connection, Channel, Inbox]:
        if self._connection is None or self._channel is None or self._transport is None:
            raise unavailable("the source is not connected")
        return self._connection, self._channel, self._transport.inbox

    def _check(self) -> None:
        if self._loss is not None:
            raise self._loss
        if self._parts()[2].ended:
            raise unavailable(f"RabbitMQ closed the connection: {self._parts()[2].farewell or 'no reason given'}")

    def _cancelled(self, _: Any) -> None:
        self._lost(f"the queue {self._binding.queue!r} was deleted, or its leader went away")

    def _closed(self, closing: asyncio.Future[Any]) -> None:
        error = None if closing.cancelled() else closing.exception()
        self._lost(f"RabbitMQ closed the channel: {error or 'no reason given'}")

    def _lost(self, what: str) -> None:
        self._loss = self._loss or unavailable(what)
        self._wake.set()

    async def _leave(self) -> None:
        """Give back what was not acknowledged, by closing the connection; without a farewell if that takes long."""
        connection, transport = self._connection, self._transport
        self._connection = self._channel = self._transport = None
        if connection is None or transport is None:
            return
        transport.inbox.discard()
        try:
            with contextlib.suppress(SourceUnavailable), broker_errors("leaving"):
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await connection.close()
        finally:
            transport.abort()


def _refuse_unsuited(binding: QueueBinding) -> None:
    if binding.queue_type == "stream":
        raise TopologyError(
            f"the queue {binding.queue!r} is a stream, which keeps what was read",
            remedy="name a quorum or classic queue",
        )
    if dict(binding.arguments).get("x-single-active-consumer"):
        raise TopologyError(
            f"the queue {binding.queue!r} allows one active consumer, and a window takes several",
            remedy="drop x-single-active-consumer: raw keeps no order between windows that would need it",
        )

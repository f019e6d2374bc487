"""One connection and one channel about one queue: opened, watched, and left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self, cast

from aio_pika import Connection
from aiormq import Channel

from ingest.errors import SourceUnavailable
from ingest.model.contract import QueueBinding
from ingest.sources.connection import CONNECT_SECONDS, broker_errors, cancelled, connect, place, unavailable
from ingest.sources.topology import declare
from ingest.sources.wire import Inbox, Transport

__all__ = ["Conversation"]

_FAREWELL_SECONDS = 3.0
_TIMED_OUT = "delivery acknowledgement on channel"
_TOO_LATE = (
    "a window was not committed within the broker's consumer_timeout and comes again, which makes no duplicate in"
    " curated: look why the lake takes so long, lower LAKEPOST_WINDOW_SECONDS or LAKEPOST_WINDOW_ROWS, or raise"
    " consumer_timeout of the broker"
)


class Conversation:
    """Entering connects, declares the queue if it `declares`, and opens the channel, whose inbox takes deliveries.

    `_wake` is set when something was received or the conversation has ended; `_check` then raises what ended it. When
    the queue is gone, `_cancellation` says so: what was received of it comes first, as nobody else has it any more.
    Delivery tags count from 1, in the order of arrival. One connection serves one `async with`. Deliveries tell the
    queue that they come from by `name`, its own where none is given.
    """

    def __init__(self, url: str, binding: QueueBinding, *, name: str | None = None, declares: bool = True) -> None:
        self._url, self._binding, self._name, self._declares = url, binding, name or binding.queue, declares
        self._connection: Connection | None = None
        self._channel: Channel | None = None
        self._transport: Transport | None = None
        self._wake = asyncio.Event()
        self._loss: SourceUnavailable | None = None
        self._cancellation: SourceUnavailable | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._binding.queue!r} at {place(self._url)})"

    async def __aenter__(self) -> Self:
        queue = self._binding.queue
        self._loss = self._cancellation = None
        self._connection, self._transport = await connect(self._url, f"lakepost land {queue}", self._wake.set)
        try:
            if self._declares:
                await declare(self._connection, self._binding)
            with broker_errors("opening a channel"):
                opened = self._connection.channel(publisher_confirms=False)
                async with asyncio.timeout(CONNECT_SECONDS):
                    await opened.initialize()
                self._channel = cast("Channel", await opened.get_underlay_channel())
        except BaseException:
            await self._leave()
            raise
        self._transport.inbox.collect(self._channel.number, self._name)
        self._channel.on_consumer_cancel_callbacks.add(self._cancelled)
        self._channel.closing.add_done_callback(self._closed)
        self._channel.connection.closing.add_done_callback(self._closed)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

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
        kind = "stream" if self._binding.queue_type == "stream" else "queue"
        self._cancellation = cancelled(kind, self._binding.queue)
        self._wake.set()

    def _closed(self, closing: asyncio.Future[Any]) -> None:
        error = None if closing.cancelled() else closing.exception()
        what = f"RabbitMQ closed the channel: {error or 'no reason given'}"
        self._lost(what, _TOO_LATE if _TIMED_OUT in str(error) else None)

    def _lost(self, what: str, remedy: str | None = None) -> None:
        self._loss = self._loss or (SourceUnavailable(what, remedy=remedy) if remedy else unavailable(what))
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

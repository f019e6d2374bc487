"""A source under test, whichever it is, and what to do with it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from ingest.model.delivery import Bounds, Delivery, Window
from ingest.model.ports import Source

__all__ = ["Kind", "Resumed", "Stored", "drained", "given_back", "ids", "order", "orders", "run"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A source under test: `make` gives a new one on the same queue, `publish` fills the queue and waits for it."""

    make: Callable[[], Source]
    publish: Callable[[list[Delivery]], None]


@dataclasses.dataclass
class Stored:
    """The position of the newest window that was acknowledged, as the lake keeps it of a stream."""

    position: int | None = None


class Resumed:
    """A stream under test, which goes on after the stored position as land lets it."""

    def __init__(self, stream: Source, stored: Stored) -> None:
        self._stream, self._stored = stream, stored
        self.application = stream.application

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stream.__aexit__(kind, error, trace)

    async def ready(self, after: int | None = None) -> int | None:
        assert after is None
        return await self._stream.ready(self._stored.position)

    async def read_back(self, after: int | None) -> Delivery | None:
        assert after is None
        return await self._stream.read_back(self._stored.position)

    async def windows(self, bounds: Bounds, after: int | None, stop: asyncio.Event) -> AsyncIterator[Window]:
        assert after is None
        async for window in self._stream.windows(bounds, self._stored.position, stop):
            yield dataclasses.replace(window, acknowledge=self._storing(window))

    def _storing(self, window: Window) -> Callable[[], Awaitable[None]]:
        async def acknowledge() -> None:
            await window.acknowledge()
            self._stored.position = window.position

        return acknowledge


def order(number: int, body: bytes | None = None, **more: Any) -> Delivery:
    content = b"%d" % number if body is None else body
    return Delivery(content, "published", "order.placed", message_id=f"m{number}")._replace(**more)


def orders(count: int, first: int = 0) -> list[Delivery]:
    return [order(number) for number in range(first, first + count)]


async def drained(source: Source, bounds: Bounds, *, acknowledge: bool = True) -> list[Window]:
    """All windows of one run."""
    windows = []
    async with asyncio.timeout(60):
        async for window in source.windows(bounds, None, asyncio.Event()):
            windows.append(window)
            if acknowledge:
                await window.acknowledge()
    return windows


def ids(windows: list[Window]) -> list[str | None]:
    return [delivery.message_id for window in windows for delivery in window.deliveries]


def given_back(kind: Kind, count: int) -> None:
    """Wait until so many messages are ready: a broker takes back what was in hand a moment after the farewell."""

    async def wait() -> None:
        async with asyncio.timeout(30), kind.make() as source:
            while (await source.ready() or 0) < count:  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.02)

    asyncio.run(wait())


def run(kind: Kind, bounds: Bounds, *, acknowledge: bool = True) -> list[Window]:
    async def one() -> list[Window]:
        async with kind.make() as source:
            return await drained(source, bounds, acknowledge=acknowledge)

    return asyncio.run(one())

"""A source under test, whichever it is, and what to do with it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

from ingest.model.delivery import Bounds, Delivery, Window
from ingest.model.ports import Source

__all__ = ["Kind", "drained", "ids", "order", "orders", "run"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A source under test: `make` gives a new one on the same queue, `publish` fills the queue and waits for it."""

    make: Callable[[], Source]
    publish: Callable[[list[Delivery]], None]


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


def run(kind: Kind, bounds: Bounds, *, acknowledge: bool = True) -> list[Window]:
    async def one() -> list[Window]:
        async with kind.make() as source:
            return await drained(source, bounds, acknowledge=acknowledge)

    return asyncio.run(one())

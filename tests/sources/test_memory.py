"""What only the fake has: a log with offsets, faults and crash points."""

from __future__ import annotations

import asyncio

import pytest

from ingest.errors import SourceUnavailable
from ingest.model.delivery import Bounds, Delivery, Window
from ingest.model.points import Point
from ingest.sources.memory import CrashAt, MemoryBroker, MemorySource, SimulatedCrash


@pytest.fixture
def broker() -> MemoryBroker:
    broker = MemoryBroker()
    for number in range(10):
        broker.publish(Delivery(b"%d" % number, "memory"))
    return broker


async def read(source: MemorySource, bounds: Bounds, after: int | None) -> list[Window]:
    async with source:
        return [window async for window in source.windows(bounds, after, asyncio.Event())]


def test_a_stream_goes_on_after_the_stored_offset_and_keeps_everything(broker: MemoryBroker) -> None:
    first = asyncio.run(read(MemorySource(broker, stream=True), Bounds(rows=4), None))
    assert [window.position for window in first] == [3, 7, 9]
    assert [one.position for window in first for one in window.deliveries] == list(range(10))
    rest = asyncio.run(read(MemorySource(broker, stream=True), Bounds(rows=4), 3))
    assert [one.position for window in rest for one in window.deliveries] == [4, 5, 6, 7, 8, 9]
    assert not any(one.redelivered for window in rest for one in window.deliveries)
    assert asyncio.run(read(MemorySource(broker, stream=True), Bounds(), 9)) == []


def test_a_broker_that_vanishes_is_an_error_and_loses_nothing(broker: MemoryBroker) -> None:
    async def vanishing() -> None:
        async with MemorySource(broker) as source:
            windows = source.windows(Bounds(rows=4), None, asyncio.Event())
            held = await anext(windows)
            broker.vanish()
            with pytest.raises(SourceUnavailable):
                await held.acknowledge()
            with pytest.raises(SourceUnavailable):
                await anext(windows)

    asyncio.run(vanishing())
    broker.is_down = False
    (window,) = asyncio.run(read(MemorySource(broker), Bounds(), None))
    assert [one.redelivered for one in window.deliveries] == [True] * 4 + [False] * 6


def test_a_closed_source_is_an_error(broker: MemoryBroker) -> None:
    with pytest.raises(SourceUnavailable):
        asyncio.run(MemorySource(broker).ready())


def test_a_crash_comes_at_the_nth_passing_of_its_point_and_passes_every_handler() -> None:
    crash = CrashAt(Point.RECEIVED, 2)
    crash(Point.RECEIVED)
    crash(Point.ACKNOWLEDGED)
    with pytest.raises(SimulatedCrash):
        crash(Point.RECEIVED)
    assert not issubclass(SimulatedCrash, Exception)

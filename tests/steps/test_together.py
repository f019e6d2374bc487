"""land of several queues, and of several consumers of one, in one process: one run, and a commit for each window."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ingest import envelope, steps
from ingest.errors import SourceUnavailable, TopologyError
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from ingest.model.delivery import Bounds, Window
from ingest.model.points import Point
from ingest.model.ports import Source
from ingest.sources.memory import CrashAt, MemoryBroker, MemorySource, SimulatedCrash
from ingest.steps.land import Landed
from tests.reading import rows_of
from tests.steps.shop import order

TOPOLOGY = TopologyError("the queue was deleted", remedy="make it")
GONE = SourceUnavailable("the broker vanished", remedy="run again")


class Failing(MemorySource):
    """Fails instead of giving its first window, once something has happened to the others."""

    def __init__(self, broker: MemoryBroker, name: str, error: Exception, due: Callable[[], Awaitable[object]]) -> None:
        super().__init__(broker, name=name)
        self._error, self._due = error, due

    async def windows(self, bounds: Bounds, after: int | None, stop: asyncio.Event) -> AsyncIterator[Window]:
        async for window in super().windows(bounds, after, stop):
            await self._due()
            raise self._error
            yield window


class Several:
    """Queues by name, and landing them."""

    def __init__(self, lake: DeltaLake, contract: Contract, *names: str) -> None:
        self.lake, self.contract = lake, contract
        self.brokers = {name: MemoryBroker() for name in names}
        lake.prepare(contract)

    def publish(self, name: str, count: int) -> None:
        for number in range(count):
            self.brokers[name].publish(order(f"{name}{number}")._replace(source=f"shop.events/{name}"))

    def land(self, *sources: Source, rows: int = 50_000, **more: Any) -> Landed:
        bounds = Bounds(
            rows=rows,
            idle_seconds=0.2,
            max_messages=more.pop("max_messages", None),
            max_seconds=more.pop("max_seconds", None),
        )
        stop = more.pop("stop", None)
        return asyncio.run(
            steps.land(
                self.contract,
                sources or [MemorySource(broker, name=name) for name, broker in self.brokers.items()],
                self.lake,
                events=envelope.events,
                bounds=bounds,
                stop=stop or asyncio.Event(),
                patience=(),
                **more,
            )
        )

    def landed(self) -> list[str]:
        return sorted(row["event_id"] for row in rows_of(self.lake.uri("raw", "orders")).to_pylist())

    def left(self, name: str) -> int:
        return self.brokers[name].ready


@pytest.fixture
def two(tmp_path: Path, orders: Contract) -> Several:
    return Several(DeltaLake(LocalStorage(tmp_path)), orders, "a", "b")


def test_all_queues_are_landed_each_with_its_own_transaction(two: Several) -> None:
    two.publish("a", 5)
    two.publish("b", 3)
    progress: list[tuple[int, int]] = []
    landed = two.land(rows=4, progress=lambda done, expected: progress.append((done, expected)))
    assert landed.rows == 8
    assert two.landed() == ["a0", "a1", "a2", "a3", "a4", "b0", "b1", "b2"]
    assert progress[-1] == (8, 8)
    assert landed.windows == 3 + 2, "rows of a window are shared by two"
    positions = [two.lake.position("orders", f"land:{name}") for name in "ab"]
    assert positions == [2, 1]
    assert landed.raw_version == two.lake.totals("orders").raw_version


@pytest.mark.parametrize("max_seconds", [None, 30.0])
def test_no_more_than_max_messages_are_taken_from_all_together(two: Several, max_seconds: float | None) -> None:
    two.publish("a", 5)
    two.publish("b", 5)
    assert two.land(max_messages=7, max_seconds=max_seconds).rows == 7
    assert len(two.landed()) == 7
    assert two.left("a") + two.left("b") == 3


def test_consumers_of_one_queue_take_what_was_ready_once(two: Several) -> None:
    """More is published meanwhile: it is for the next run."""
    two.publish("a", 10)
    reached: list[Point] = []

    def more(point: Point) -> None:
        reached.append(point)
        if point is Point.RAW_COMMITTED and reached.count(point) == 1:
            two.publish("b", 4)
            for delivery in two.brokers["b"].log:
                two.brokers["a"].publish(delivery)

    consumers = [MemorySource(two.brokers["a"], name="a") for _ in range(3)]
    assert two.land(*consumers, rows=6, reached=more).rows == 10
    assert len(two.landed()) == 10
    assert two.left("a") == 4


@pytest.mark.parametrize("max_seconds", [None, 30.0])
def test_when_one_fails_the_others_finish_their_window_and_the_error_is_raised(
    two: Several, max_seconds: float | None
) -> None:
    two.publish("a", 4)
    two.publish("b", 4)
    begun = asyncio.Event()
    sources = (
        Failing(two.brokers["a"], "a", TOPOLOGY, begun.wait),
        MemorySource(two.brokers["b"], name="b"),
    )
    with pytest.raises(TopologyError, match="deleted"):
        two.land(*sources, rows=8, max_seconds=max_seconds, reached=lambda _: begun.set())
    assert two.landed() == ["b0", "b1", "b2", "b3"]
    assert (two.left("a"), two.left("b")) == (4, 0)
    assert two.land().rows == 4


@pytest.mark.parametrize("errors", [(GONE, TOPOLOGY), (TOPOLOGY, GONE), (GONE, ValueError("a defect"))])
def test_of_several_errors_the_one_that_another_try_would_not_mend_is_raised(
    two: Several, errors: tuple[Exception, Exception]
) -> None:
    two.publish("a", 4)
    two.publish("b", 4)
    begun, over = asyncio.Event(), asyncio.Event()

    async def earlier() -> None:
        await begun.wait()
        over.set()

    async def later() -> None:
        begun.set()
        await over.wait()

    first, second = errors
    worst = first if first is TOPOLOGY else second
    with pytest.raises(type(worst)) as raised:
        two.land(
            Failing(two.brokers["a"], "a", first, earlier),
            Failing(two.brokers["b"], "b", second, later),
        )
    assert raised.value is worst
    assert two.land().rows == 8


def test_a_queue_that_cannot_be_opened_is_told_before_anything_is_taken(two: Several) -> None:
    two.publish("b", 2)
    two.brokers["a"].vanish()
    with pytest.raises(SourceUnavailable):
        two.land()
    assert two.landed() == []
    two.brokers["a"].is_down = False
    assert two.land().rows == 2


def test_a_killed_process_lands_everything_the_next_time(two: Several) -> None:
    two.publish("a", 4)
    two.publish("b", 4)
    with pytest.raises(SimulatedCrash):
        two.land(rows=2, reached=CrashAt(Point.RAW_COMMITTED, 3))
    two.land()
    assert set(two.landed()) == {f"{name}{number}" for name in "ab" for number in range(4)}


def test_told_to_stop_all_end_with_the_window_they_have(two: Several) -> None:
    two.publish("a", 8)
    two.publish("b", 8)
    stop = asyncio.Event()
    two.land(rows=2, max_seconds=60.0, stop=stop, reached=lambda _: stop.set())
    assert 0 < len(two.landed()) < 8
    assert len(two.landed()) + two.left("a") + two.left("b") == 16

"""Die at every named point, with the shipped fake, and run again: the lake is what it would have been."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from ingest.model.delivery import Bounds, Delivery, Window
from ingest.model.points import OF_INGEST, Point, Reached, passing
from ingest.sources.memory import CrashAt, MemorySource, SimulatedCrash
from tests.crash.outcome import Outcome, outcome
from tests.steps.shop import Shop, order

EVENTS: list[Delivery] = [
    *[order(f"e{number}", day=18 + number % 3) for number in range(12)],
    order("e3", day=18),  # an exact duplicate
    order("late", day=1),
    order("broken", raw=b"{"),
    order("negative", total=-1),
    order("two", raw=b"{}{}"),
    order("empty", raw=b""),
]


def run(shop: Shop, reached: Reached) -> None:
    """Land in windows of 4, curate in batches of at most 8."""
    shop.land(reached=reached, rows=4)
    shop.curate(reached=reached, rows=8)


@pytest.fixture
def undisturbed(tmp_path: Path, orders: Contract) -> Outcome:
    shop = Shop(DeltaLake(LocalStorage(tmp_path / "undisturbed")), orders)
    for event in EVENTS:
        shop.broker.publish(event)
    run(shop, passing)
    return outcome(shop.lake, "orders")


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    shop = Shop(DeltaLake(LocalStorage(tmp_path / "killed")), orders)
    for event in EVENTS:
        shop.broker.publish(event)
    return shop


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", OF_INGEST)
def test_killed_once(point: Point, nth: int, shop: Shop, undisturbed: Outcome) -> None:
    with pytest.raises(SimulatedCrash):
        run(shop, CrashAt(point, nth))
    run(shop, passing)
    assert outcome(shop.lake, "orders") == undisturbed


def test_killed_at_every_point_in_turn(shop: Shop, undisturbed: Outcome) -> None:
    for point in OF_INGEST:
        with pytest.raises(SimulatedCrash):
            run(shop, CrashAt(point))
    run(shop, passing)
    assert outcome(shop.lake, "orders") == undisturbed


def test_running_twice_changes_nothing(shop: Shop, undisturbed: Outcome) -> None:
    run(shop, passing)
    before = shop.versions()
    run(shop, passing)
    assert shop.versions() == before
    assert outcome(shop.lake, "orders") == undisturbed


class AcknowledgesFirst(MemorySource):
    """Invariant 1 broken on purpose."""

    async def windows(self, bounds: Bounds, after: int | None, stop: asyncio.Event) -> AsyncIterator[Window]:
        async for window in super().windows(bounds, after, stop):
            await window.acknowledge()
            yield window


def test_a_source_that_acknowledges_first_loses_rows(shop: Shop, undisturbed: Outcome) -> None:
    """The loss that the tests above would tell."""
    with pytest.raises(SimulatedCrash):
        shop.land(reached=CrashAt(Point.RECEIVED), rows=4, source=AcknowledgesFirst(shop.broker))
    run(shop, passing)
    lost = set(undisturbed.raw_ids) - set(outcome(shop.lake, "orders").raw_ids)
    # Two windows: the one in hand, and the one received meanwhile. e3 came twice.
    assert lost == {f"e{number}" for number in range(8)} - {"e3"}

"""land from a stream: whether it is the same one, what was gone, and no row twice however wild the clocks."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ingest import envelope, steps
from ingest.errors import Overtaken, SourceReplaced
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from ingest.model.delivery import Bounds, Delivery, Lost, Window
from ingest.model.keys import Keys
from ingest.model.points import Point
from ingest.sources.memory import CrashAt, MemoryBroker, MemorySource, SimulatedCrash
from ingest.steps import Landed, erase
from ingest.steps.land import raw_rows
from tests.reading import rows_of
from tests.steps.shop import Shop, order

KEYS = Keys({"k1": b"1" * 32})


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders, KEYS)


def land(shop: Shop, *deliveries: Delivery, **more: Any) -> Landed:
    return shop.land(*deliveries, source=MemorySource(shop.broker, stream=True), **more)


def positions(shop: Shop) -> list[int]:
    return sorted(rows_of(shop.lake.uri("raw", "orders"))["position"].to_pylist())


def replaced(shop: Shop, *deliveries: Delivery) -> None:
    """The stream is deleted, made again, and these are published."""
    shop.broker.log.clear()
    shop.broker.log.extend(deliveries)


class TestReplaced:
    """The stored position says nothing of another stream: whatever stands at it there was not landed."""

    @pytest.mark.parametrize("count", [0, 2, 3, 5], ids=["empty", "shorter", "as long", "longer"])
    def test_another_stream_is_an_error_and_nothing_is_landed(self, shop: Shop, count: int) -> None:
        land(shop, order("a"), order("b"), order("c"))
        replaced(shop, *[order(f"new{n}", total=n) for n in range(count)])
        for _ in range(2):
            with pytest.raises(SourceReplaced) as caught:
                land(shop)
            assert "--adopt-replaced" in caught.value.remedy
        assert positions(shop) == [0, 1, 2]
        assert shop.lake.position("orders", "land:memory") == 2

    @pytest.mark.parametrize(
        "change", [{"body": b"{}"}, {"routing_key": "order.paid"}, {"content_type": None}, {"source": "other/queue"}]
    )
    def test_it_is_told_by_anything_that_came_with_the_message(self, shop: Shop, change: dict[str, Any]) -> None:
        land(shop, order("a"))
        replaced(shop, order("a")._replace(**change))
        with pytest.raises(SourceReplaced, match="another message"):
            land(shop)

    def test_a_number_of_windows_is_not_taken_for_an_offset(self, shop: Shop) -> None:
        """The queue of that name was a classic one before."""
        for name in "abc":
            shop.land(order(name))
        for name in "uvwxyz":
            shop.broker.publish(order(name))
        with pytest.raises(SourceReplaced, match="raw does not have"):
            land(shop)

    def test_an_erased_message_is_no_other_one(self, shop: Shop) -> None:
        contract = dataclasses.replace(shop.contract, erasure_key="customer_id")
        shop = Shop(shop.lake, contract, KEYS)
        land(shop, order("a", customer_id="c-000009"))
        erase(contract, shop.lake, "c-000009", keys=KEYS, drain=shop.curate, opened=envelope.opened)
        land(shop, order("b", order_id="o-00000002"))
        assert positions(shop) == [0, 1]

    def test_a_compacted_raw_is_compared_too(self, shop: Shop) -> None:
        for name in "abc":
            land(shop, order(name))
        shop.lake.compact("orders", "raw", dry_run=False)
        land(shop, order("d"))
        assert positions(shop) == [0, 1, 2, 3]


class TestLost:
    """What retention takes before land comes to it is told, kept in the lake, and land goes on."""

    def test_it_is_in_the_account_and_in_the_lake(self, shop: Shop) -> None:
        land(shop, *[order(f"e{n}") for n in range(3)])
        for number in range(3, 10):
            shop.broker.publish(order(f"e{number}"))
        shop.broker.first = 7
        assert land(shop).lost == (Lost(3, 6),)
        assert positions(shop) == [0, 1, 2, 7, 8, 9]
        (loss,) = shop.lake.losses("orders")
        assert (loss.stream, loss.first, loss.last) == ("memory", 3, 6)
        assert dt.datetime.fromisoformat(loss.found_at).tzinfo is not None
        assert land(shop, order("e10")).lost == ()
        assert len(shop.lake.losses("orders")) == 1

    @pytest.mark.parametrize("point", [Point.RECEIVED, Point.PART_COMMITTED, Point.RAW_COMMITTED])
    def test_killed_in_between_it_is_told_nevertheless_and_may_have_grown(self, shop: Shop, point: Point) -> None:
        land(shop, *[order(f"e{n}") for n in range(3)])
        for number in range(3, 10):
            shop.broker.publish(order(f"e{number}"))
        shop.broker.first = 5
        with pytest.raises(SimulatedCrash):
            land(shop, reached=CrashAt(point))
        shop.broker.first = 6 if point is Point.RECEIVED else 5
        land(shop)
        last = shop.broker.first - 1
        assert [(loss.first, loss.last) for loss in shop.lake.losses("orders")] == [(3, last)]
        assert positions(shop) == [0, 1, 2, *range(last + 1, 10)]


class TestWildClocks:
    """A window of more than a thousand event dates is several commits, each with the position that it ends at."""

    @pytest.fixture
    def wild(self) -> list[Delivery]:
        start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        return [order(f"e{n}")._replace(timestamp=start + dt.timedelta(days=n % 1050)) for n in range(1100)]

    def test_killed_between_two_commits_no_row_is_doubled(self, shop: Shop, wild: list[Delivery]) -> None:
        with pytest.raises(SimulatedCrash):
            land(shop, *wild, reached=CrashAt(Point.PART_COMMITTED))
        assert positions(shop) == list(range(1000))
        land(shop)
        assert positions(shop) == list(range(1100))

    def test_the_rows_of_one_message_stay_together(self, shop: Shop, wild: list[Delivery]) -> None:
        batch = (
            b"["
            + b",".join(
                b'{"specversion":"1.0","id":"b%d","source":"/s","type":"t","time":"2030-01-0%dT00:00:00Z"}' % (n, n + 1)
                for n in range(5)
            )
            + b"]"
        )
        some = wild[:998]
        some.append(order(None, raw=batch)._replace(content_type="application/cloudevents-batch+json", type=None))
        with pytest.raises(SimulatedCrash):
            land(shop, *some, reached=CrashAt(Point.PART_COMMITTED))
        assert positions(shop) == list(range(998))
        assert land(shop).rows == 5
        assert positions(shop) == [*range(998), *[998] * 5]


def test_several_streams_have_a_position_each_and_are_compared_each(shop: Shop) -> None:
    brokers = {name: MemoryBroker() for name in ("p1", "p2")}

    def land_both() -> Landed:
        sources = [MemorySource(broker, name=name, stream=True) for name, broker in brokers.items()]
        return asyncio.run(
            steps.land(
                shop.contract,
                sources,
                shop.lake,
                events=envelope.events,
                bounds=Bounds(),
                stop=asyncio.Event(),
                patience=(),
            )
        )

    for name, broker in brokers.items():
        for number in range(3):
            broker.publish(order(f"{name}{number}")._replace(source=f"shop.events/{name}"))
    brokers["p2"].publish(order("p2more")._replace(source="shop.events/p2"))
    assert land_both().rows == 7
    assert land_both().rows == 0
    assert [shop.lake.position("orders", f"land:{name}") for name in brokers] == [2, 3]
    # What stands at p1's position now was landed, but by p2.
    brokers["p1"].log[2] = order("p22")._replace(source="shop.events/p1", body=b"new")
    with pytest.raises(SourceReplaced, match="events/p1 has another message"):
        land_both()


def test_two_lands_at_once_do_not_double(shop: Shop) -> None:
    """The other one was faster by half of this window: it is left, and the next run goes on from there."""
    orders = [order(f"e{n}") for n in range(6)]

    async def kept() -> None: ...

    def faster(point: Point) -> None:
        if point is Point.RECEIVED:
            window = Window([one._replace(position=n) for n, one in enumerate(orders[:3])], kept)
            rows = raw_rows(window, shop.contract, events=envelope.events)
            shop.lake.append_raw("orders", rows, window="theirs", application="land:memory", position=2)

    with pytest.raises(Overtaken, match="up to offset 2"):
        land(shop, *orders, reached=faster, patience=(60.0,))
    assert land(shop).rows == 3
    assert positions(shop) == list(range(6))

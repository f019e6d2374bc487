"""land: acknowledged after the commit, whatever the body; positions; a lake that refuses."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import LakeUnavailable
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from ingest.model.points import Point
from ingest.sources.memory import CrashAt, MemoryBroker, MemorySource, SimulatedCrash
from tests.reading import rows_of
from tests.steps.shop import Shop, order


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders)


def raw(shop: Shop) -> list[dict[str, Any]]:
    rows = rows_of(shop.lake.uri("raw", "orders")).to_pylist()
    return sorted(rows, key=lambda row: (row["window"], row["row"]))


def waiting(broker: MemoryBroker) -> int:
    async def ready() -> int:
        async with MemorySource(broker) as source:
            return await source.ready()

    return asyncio.run(ready())


def test_every_body_lands_as_it_came_and_in_order(shop: Shop) -> None:
    bodies = [b'{"a":1}', b"", b"}{", b"\xff\xfe", b"a\nb", b"{" * 100_000, bytes(range(256)), b'{"a":NaN}']
    shop.land(*[order(f"e{number}", raw=body) for number, body in enumerate(bodies)], rows=3)
    rows = raw(shop)
    assert [row["body"] for row in rows] == bodies
    assert [row["row"] for row in rows] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert len({row["window"] for row in rows}) == 3


def test_a_lake_that_refuses_leaves_every_message_in_the_queue(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_kwargs: object) -> int:
        raise LakeUnavailable("No space left on device")

    monkeypatch.setattr(DeltaLake, "append_raw", full)
    with pytest.raises(LakeUnavailable):
        shop.land(order("a"), order("b"))
    monkeypatch.undo()
    assert waiting(shop.broker) == 2
    assert shop.land().rows == 2


@pytest.mark.parametrize("committed", [False, True])
def test_a_window_that_the_lake_refused_is_kept_in_hand_and_committed_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    """Given back, it would count as a failed delivery. The refused try may have been committed after all."""
    append, tries = DeltaLake.append_raw, []

    def refuse(lake: DeltaLake, *args: Any, **kwargs: Any) -> int:
        tries.append(kwargs["window"])
        if len(tries) < 3 and not committed:
            raise LakeUnavailable("No space left on device")
        version = append(lake, *args, **kwargs)
        if len(tries) < 3:
            raise LakeUnavailable("the answer was lost")
        return version

    monkeypatch.setattr(DeltaLake, "append_raw", refuse)
    assert shop.land(order("a"), order("b"), patience=(0.001, 0.001, 0.001)).rows == 2
    assert len(tries) == 3
    assert len(set(tries)) == 1
    assert [row["redelivered"] for row in raw(shop)] == [False, False]
    assert waiting(shop.broker) == 0


def test_a_redelivery_gets_the_date_and_the_id_of_the_first_delivery(shop: Shop) -> None:
    """Neither may come from landing time or the delivery: it would be another row for deduplication."""
    with pytest.raises(SimulatedCrash):
        shop.land(order("a", day=1), order(None, raw=b"{}"), reached=CrashAt(Point.RAW_COMMITTED))
    shop.land()
    rows = raw(shop)
    assert [row["redelivered"] for row in rows] == [False, False, True, True]
    assert [row["event_date"] for row in rows[:2]] == [row["event_date"] for row in rows[2:]]
    assert [row["event_id"] for row in rows[:2]] == [row["event_id"] for row in rows[2:]]


def test_hostile_clocks_share_one_partition(shop: Shop) -> None:
    start = dt.datetime(1600, 1, 1, tzinfo=dt.UTC)
    clocks = [start + dt.timedelta(days=number) for number in range(300)]
    shop.land(*[order(f"e{number}")._replace(timestamp=clock) for number, clock in enumerate(clocks)])
    assert {row["event_date"] for row in raw(shop)} == {dt.date(1970, 1, 1)}
    assert shop.lake.totals("orders").unknown_date == 300


def test_headers_and_properties_are_kept_as_json(shop: Shop) -> None:
    headers = {"tenant": "é", "x-death": [{"count": 1, "time": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}], "raw": b"\xff"}
    shop.land(order("a")._replace(headers=headers, properties={"correlation_id": "c-1"}))
    kept = json.loads(raw(shop)[0]["headers"])
    assert kept["tenant"] == "é"
    assert kept["x-death"][0]["count"] == 1
    assert kept["amqp:correlation_id"] == "c-1"


class TestASourceWithPositions:
    """The stored position is raw's application transaction: the last offset, in the commit of its rows."""

    def test_resumes_after_the_last_offset_without_a_duplicate(self, shop: Shop) -> None:
        shop.land(order("a"), order("b"), source=MemorySource(shop.broker, stream=True))
        with pytest.raises(SimulatedCrash):
            shop.land(order("c"), source=MemorySource(shop.broker, stream=True), reached=CrashAt(Point.RAW_COMMITTED))
        shop.land(order("d"), source=MemorySource(shop.broker, stream=True))
        assert [row["position"] for row in raw(shop)] == [0, 1, 2, 3]

    def test_a_window_that_is_committed_again_is_skipped(self, shop: Shop) -> None:
        source = MemorySource(shop.broker, stream=True)
        shop.land(order("a"), order("b"), source=source)
        again = rows_of(shop.lake.uri("raw", "orders"))
        shop.lake.append_raw("orders", again, window="again", application=source.application, position=1)
        assert len(raw(shop)) == 2

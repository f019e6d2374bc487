"""Dead letters wait in quarantine until a replay, which judges them by the contract; a rebuild leaves them there."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ingest import steps
from ingest.decoding import decode
from ingest.errors import GateClosed
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract, Gate, Identity, QueueBinding
from ingest.model.dead_letter import as_published
from ingest.model.delivery import Delivery
from ingest.model.replay import Replayed
from ingest.steps import Limits
from ingest.validate import Suite
from tests.reading import rows_of
from tests.steps.shop import Shop, order

DEAD = "lakepost.orders.dead"
DIED = dt.datetime(2026, 11, 25, 13, 0, tzinfo=dt.UTC)


def death(**more: Any) -> dict[str, Any]:
    """An entry of `x-death` as the broker writes it."""
    return {
        "count": 1,
        "reason": "delivery_limit",
        "queue": "lakepost.orders",
        "time": DIED,
        "exchange": "shop.events",
        "routing-keys": ["order.placed"],
        **more,
    }


def dead(delivery: Delivery, *deaths: dict[str, Any]) -> Delivery:
    """The delivery, as land gets it from the dead-letter queue."""
    headers = {**delivery.headers, "x-death": list(deaths or [death()])}
    moved = delivery._replace(source=f"/{DEAD}", routing_key=DEAD, headers=headers)
    return as_published(moved, DEAD)


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    queue = QueueBinding("", DEAD, (DEAD,), "direct", "classic", holds_dead_letters=True)
    contract = dataclasses.replace(orders, queues=(*orders.queues, queue), gate=Gate(0.05, 1))
    return Shop(DeltaLake(LocalStorage(tmp_path)), contract)


def replay(shop: Shop) -> Replayed:
    return steps.replay(shop.contract, shop.lake, decode=decode, validator=Suite(), limits=Limits())


def quarantine(shop: Shop) -> list[tuple[str, str]]:
    rows = rows_of(shop.lake.uri("quarantine", "orders")).to_pylist()
    return sorted((row["event_id"], row["reason"]) for row in rows)


def test_a_dead_letter_is_quarantined_with_what_the_broker_says(shop: Shop) -> None:
    shop.land(order("alive"), dead(order("dead")), dead(order("bad", total=-1)))
    shop.curate()
    assert shop.curated() == ["alive"]
    assert quarantine(shop) == [("bad", "dead-lettered"), ("dead", "dead-lettered")]
    row = rows_of(shop.lake.uri("quarantine", "orders")).to_pylist()[0]
    for said in ("delivery_limit", "'lakepost.orders'", "1 times", "2026-11-25T13:00:00Z", "'shop.events'"):
        assert said.strip("'") in row["detail"]
    assert row["source"] == f"shop.events/{DEAD}"
    assert row["body"] in {order("dead").body, order("bad", total=-1).body}


def test_the_gate_does_not_count_dead_letters(shop: Shop) -> None:
    shop.land(*[dead(order(f"d{number}")) for number in range(9)], *[order(f"a{number}") for number in range(40)])
    shop.curate()
    assert len(shop.curated()) == 40
    shop.land(dead(order("d9")), *[order(f"b{number}") for number in range(9)], order("bad", total=-1))
    with pytest.raises(GateClosed, match="1 of 10 rows rejected") as closed:
        shop.curate()
    assert "dead-lettered" not in closed.value.expectations


def test_a_replay_judges_it_by_the_contract_alone(shop: Shop) -> None:
    shop.land(dead(order("dead")), dead(order("bad", total=-1)))
    shop.curate()
    done = replay(shop)
    assert (done.curated, done.quarantined) == (1, 1)
    assert shop.curated() == ["dead"]
    assert quarantine(shop) == [("bad", "expectation")]
    (row,) = rows_of(shop.lake.uri("curated", "orders")).to_pylist()
    assert row["source"] == "shop.events/lakepost.orders", "where it was before it died"
    assert shop.lake.totals("orders").holds


@pytest.mark.parametrize("first", ["alive", "dead"])
@pytest.mark.parametrize("event_id", ["e1", None])
def test_a_copy_that_was_curated_already_is_a_duplicate(shop: Shop, first: str, event_id: str | None) -> None:
    """Redelivered too often after its window had been committed: the broker cannot know."""
    shop.contract = dataclasses.replace(shop.contract, identity=Identity.CONTENT)
    copies = [order(event_id), dead(order(event_id))]
    for copy in copies if first == "alive" else reversed(copies):
        shop.land(copy)
        shop.curate()
        replay(shop)
    assert len(shop.curated()) == 1
    assert quarantine(shop) == []
    totals = shop.lake.totals("orders")
    assert (totals.raw, totals.duplicates, totals.holds) == (2, 1, True)


def test_a_rebuild_leaves_what_waits_and_keeps_what_was_replayed(shop: Shop) -> None:
    shop.land(order("alive"), dead(order("replayed")))
    shop.curate()
    replay(shop)
    shop.land(dead(order("waits")), dead(order("alive")))
    shop.curate()
    before = shop.versions()
    done = shop.rebuild(20)
    assert [one.changed + one.verdicts for one in done.differences] == [0]
    assert shop.versions() == before
    assert shop.curated() == ["alive", "replayed"]
    assert quarantine(shop) == [("alive", "dead-lettered"), ("waits", "dead-lettered")]
    replay(shop)
    shop.rebuild(20)
    assert shop.curated() == ["alive", "replayed", "waits"]
    assert quarantine(shop) == []
    assert shop.lake.totals("orders").holds


def test_one_that_was_replayed_and_is_wrong_today_goes_back_for_that_reason(shop: Shop) -> None:
    shop.land(dead(order("bad", total=-1)))
    shop.curate()
    kept = tuple(one for one in shop.contract.expectations if str(one) != "expect_column_values_to_be_between(total)")
    strict = shop.contract
    shop.contract = dataclasses.replace(strict, expectations=kept, digest="mended", version="9.0.0")
    shop.lake.prepare(shop.contract)
    replay(shop)
    assert shop.curated() == ["bad"]
    shop.contract = strict
    shop.rebuild(20)
    assert quarantine(shop) == [("bad", "expectation")]


def test_a_dead_letter_is_known_when_the_contract_names_another_queue_for_them(shop: Shop) -> None:
    """Else a rebuild would curate a copy once more, under another source."""
    shop.land(order("e1"), dead(order("e1")), dead(order("waits")))
    shop.curate()
    shop.contract = dataclasses.replace(shop.contract, queues=shop.contract.queues[:1], digest="without")
    shop.lake.prepare(shop.contract)
    shop.rebuild(20)
    assert quarantine(shop) == [("e1", "dead-lettered"), ("waits", "dead-lettered")]
    assert replay(shop).duplicates == 1
    shop.rebuild(20)
    assert shop.curated() == ["e1", "waits"]


def test_the_source_of_a_dead_letter_that_tells_nothing_stays(shop: Shop) -> None:
    shop.land(as_published(order("put there")._replace(source=f"/{DEAD}"), DEAD))
    shop.curate()
    (row,) = rows_of(shop.lake.uri("quarantine", "orders")).to_pylist()
    assert "does not say why" in row["detail"]
    replay(shop)
    (row,) = rows_of(shop.lake.uri("curated", "orders")).to_pylist()
    assert row["source"] == f"/{DEAD}"

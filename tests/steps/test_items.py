"""The items of a container after each verb, and after each that was killed: what their history comes to."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ingest.decoding import decode
from ingest.errors import GateClosed
from ingest.model.container import DELETE, SNAPSHOT
from ingest.model.contract import Gate
from ingest.model.points import Point
from ingest.sources.memory import CrashAt, SimulatedCrash
from ingest.steps import Limits, replay
from ingest.validate import Suite
from tests.reading import rows_of
from tests.steps.erasing import GONE, erase
from tests.steps.histories import by_key, folded
from tests.steps.items import change, customers
from tests.steps.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = customers(tmp_path)
    shop.land(*(change(f"c-{number:06}", number, SNAPSHOT, day=18) for number in range(1, 5)), change(GONE, 5))
    shop.curate()
    return shop


def table(shop: Shop, stage: str) -> list[dict[str, Any]]:
    return by_key(rows_of(shop.lake.uri(stage, "customers")).to_pylist())


def holds(shop: Shop) -> bool:
    """Whether the items and the deleted ones are what a plain fold of the history says."""
    history = rows_of(shop.lake.uri("curated", "customers")).sort_by([(name, "ascending") for name in ("batch", "row")])
    return (table(shop, "current"), table(shop, "deleted")) == folded(history.to_pylist())


def names(shop: Shop) -> list[str]:
    return sorted(row["customer_id"] for row in table(shop, "current"))


def test_a_curate_that_was_killed_before_the_items_is_finished_by_one_with_nothing_new(shop: Shop) -> None:
    shop.land(change("c-000001", 7, city="Bonn"), change("c-000002", 8, DELETE))
    with pytest.raises(SimulatedCrash):
        shop.curate(reached=CrashAt(Point.CURATED_COMMITTED))
    assert not holds(shop)
    assert shop.curate().curated == 0
    assert holds(shop)
    assert names(shop) == ["c-000001", "c-000003", "c-000004", GONE]


def test_what_was_curated_before_a_gate_closed_is_in_the_items(shop: Shop) -> None:
    shop.contract = dataclasses.replace(shop.contract, gate=Gate(max_rejected_share=0.5, min_rows=1))
    shop.land(change("c-000001", 7, DELETE))
    shop.land(change("c-000002", 8, segment="?"))
    with pytest.raises(GateClosed):
        shop.curate(rows=1)
    assert holds(shop)
    assert "c-000001" not in names(shop)


def test_a_replay_lets_an_item_in_that_nothing_newer_was_said_of(shop: Shop) -> None:
    shop.land(change("c-000007", 7, "create", segment="wholesale"), change("c-000001", 8, segment="wholesale"))
    shop.land(change("c-000001", 9, city="Bonn"))
    shop.curate(accept=True)
    assert "c-000007" not in names(shop)
    kept = tuple(one for one in shop.contract.expectations if one.column != "segment")
    shop.contract = dataclasses.replace(shop.contract, expectations=kept, digest="1" * 64)
    replay(shop.contract, shop.lake, decode=decode, validator=Suite(), limits=Limits(), keys=shop.keys)
    assert holds(shop)
    assert {row["customer_id"]: row["city"] for row in table(shop, "current")}["c-000001"] == "Bonn"
    assert "c-000007" in names(shop)


def test_a_rebuild_mends_items_that_somebody_broke(shop: Shop) -> None:
    """By day, by way of files."""
    before = table(shop, "current")
    broken = shop.lake.pin_items("customers", anew=True)
    broken.replace([], list, lambda _point: None)
    assert table(shop, "current") == []
    shop.rebuild(18, rows=2)
    assert table(shop, "current") == before


@pytest.mark.parametrize("point", [Point.ERASURE_COMMITTED, Point.ERASURE_TAKEN, Point.DELETED_COMMITTED])
def test_who_is_erased_leaves_the_items_though_the_erasure_was_killed(shop: Shop, point: Point) -> None:
    shop.land(change("c-000003", 7, DELETE), change(GONE, 8, city="Bonn"))
    shop.curate()
    with pytest.raises(SimulatedCrash):
        erase(shop, reached=CrashAt(point))
    shop.curate()
    assert holds(shop)
    assert GONE not in names(shop)
    assert erase(shop).proved


def test_a_deleted_one_who_is_erased_leaves_the_deleted(shop: Shop) -> None:
    shop.land(change(GONE, 8, DELETE))
    shop.curate()
    assert len(table(shop, "deleted")) == 1
    passed: list[Point] = []
    assert erase(shop, reached=passed.append).proved
    assert passed.count(Point.ERASURE_DRAINED) == 1, "the search finds nothing left, and no second round is needed"
    assert table(shop, "deleted") == []
    shop.land(change(GONE, 9, "create"))
    shop.curate()
    assert GONE not in names(shop)
    assert holds(shop)

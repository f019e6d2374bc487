"""rebuild: what the increments gave, under today's contract, with nothing lost, doubled or brought back."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from ingest import catalog
from ingest.errors import RawTrimmed
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from ingest.model.expectation import Expectation
from ingest.model.points import Point
from ingest.sources.memory import CrashAt, SimulatedCrash
from tests.many import append_many, many
from tests.peak import peak_of
from tests.reading import rows_of
from tests.steps.shop import Shop, order

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
POINTS = [
    Point.QUARANTINE_COMMITTED,
    Point.CURATED_COMMITTED,
    Point.QUARANTINE_CLEARED,
    Point.ACCOUNT_COMMITTED,
]


def rows(shop: Shop, stage: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows_of(shop.lake.uri(stage, "orders")).to_pylist()
    return sorted(found, key=lambda row: (row["window"], row["row"]))


def without_total_rule(contract: Contract) -> Contract:
    """The contract as it would be if a negative total were valid."""
    kept = tuple(one for one in contract.expectations if one.column != "total")
    return dataclasses.replace(contract, expectations=kept, digest="no rule for total")


def only_swiss(contract: Contract) -> Contract:
    """The contract as it would be if euros were invalid."""
    rule = Expectation(type="expect_column_values_to_be_in_set", kwargs={"column": "currency", "value_set": ["CHF"]})
    return dataclasses.replace(contract, expectations=(*contract.expectations, rule), digest="only swiss")


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders)


@pytest.mark.parametrize("seed", range(3))
def test_rebuilding_gives_the_rows_that_the_increments_gave(shop: Shop, seed: int) -> None:
    """Duplicates across batches and dates, late events, rejects; by the table's version nothing even changes."""
    chance = random.Random(seed)
    for _ in range(5):
        shop.land(
            *[
                order(f"e{chance.randrange(25)}", day=chance.choice([1, 8, 18, 19]), total=chance.choice([1, 2, -1]))
                for _ in range(20)
            ]
        )
        shop.curate(rows=30)
    before, versions = (rows(shop, "curated"), rows(shop, "quarantine")), shop.versions()
    rebuilt = shop.rebuild()
    assert all(one.verdicts == one.changed == 0 for one in rebuilt.differences)
    assert sum(one.records for one in rebuilt.differences) == 100
    assert (rows(shop, "curated"), rows(shop, "quarantine")) == before
    assert shop.versions() == versions
    # and from nothing: the same rows but for the batch that a row stood in
    DeltaTable(shop.lake.uri("curated", "orders")).delete("event_date = '2026-11-08'")
    shop.rebuild(8)
    bare = [[{**row, "batch": 0} for row in found] for found in (rows(shop, "curated"), before[0])]
    assert bare[0] == bare[1]


@pytest.mark.parametrize(("limit", "change"), [(40, without_total_rule), (80, only_swiss)])
def test_beyond_the_limit_it_spills_and_does_what_it_does_in_memory(
    tmp_path: Path,
    orders: Contract,
    limit: int,
    change: Callable[[Contract], Contract],
) -> None:
    """Duplicates in the date and around it, rejects that become valid and the other way round, late rows."""
    chance = random.Random(limit)
    shops = [Shop(DeltaLake(LocalStorage(tmp_path / name)), orders) for name in ("spilling", "memory")]
    for _ in range(3):
        sent = [
            order(
                f"e{chance.randrange(60)}",
                day=chance.choice([1, 18, 19, 20]),
                total=chance.choice([1, -1]),
                currency=chance.choice(["EUR", "CHF"]),
            )
            for _ in range(60)
        ]
        shops[0].land(*sent)
        shops[0].curate()
    shutil.copytree(tmp_path / "spilling", tmp_path / "memory", dirs_exist_ok=True)
    done = []
    for shop, rows_held in zip(shops, (limit, 500_000), strict=True):
        shop.contract = change(orders)
        done.append(shop.rebuild(19, 18, rows=rows_held).differences)
        assert shop.lake.totals("orders").holds
    assert done[0] == done[1]
    assert sum(one.verdicts for one in done[0]) > 15
    assert rows(shops[0], "curated") == rows(shops[1], "curated")
    moments = {"quarantined_at": None}
    told = [[{**row, **moments} for row in rows(shop, "quarantine")] for shop in shops]
    assert told[0] == told[1]
    assert shops[0].rebuild(18, 19, rows=limit).account.curated == 0


def rebuilds_many(lake: Path, count: int, limit: int) -> None:
    """A date of `count` rows of which curated has lost some, a tenth of its events under the date before too."""
    shop = Shop(DeltaLake(LocalStorage(lake)), catalog.load(SCHEMAS, "orders"))
    day, before = dt.date(2026, 11, 20), dt.date(2026, 11, 19)
    append_many(shop.lake, many(0, count // 10, [before]))
    for first in range(0, count, 50_000):
        append_many(shop.lake, many(first, 50_000, [day]))
    shop.curate(rows=50_000)
    DeltaTable(shop.lake.uri("curated", "orders")).delete("event_date = '2026-11-20' AND row < 10")
    (one,) = shop.rebuild(20, rows=limit).differences
    assert (one.after, one.duplicates, one.changed) == (count * 9 // 10, 0, 0)
    assert one.added > 0


@pytest.mark.soak
def test_memory_does_not_grow_with_the_date(tmp_path: Path) -> None:
    few, more = (peak_of(rebuilds_many, tmp_path / str(count), count, 50_000) for count in (150_000, 600_000))
    assert more < 1.3 * few
    assert more < 0.8 * peak_of(rebuilds_many, tmp_path / "all", 600_000, 10_000_000)


def test_pending_rows_stay_pending_and_a_late_row_is_not_lost(shop: Shop) -> None:
    shop.land(order("a"), order("b", total=-1))
    shop.curate()
    shop.land(order("late"), order("a"))
    shop.rebuild(20)
    assert (shop.curated(), shop.lake.totals("orders").pending) == (["a"], 2)
    account = shop.curate()
    assert (account.curated, account.duplicates) == (1, 1)
    assert shop.lake.totals("orders").holds


def mend(shop: Shop) -> None:
    """Rejects that a mended contract lets in, one of them twice under two dates, and one known already."""
    shop.land(
        order("a", total=-1), order("a", total=-2), order("b"), order("x", total=-1), order("x", day=21, total=-1)
    )
    shop.land(order("b", total=-5), order("c", raw=b"{"))
    shop.curate()
    shop.contract = without_total_rule(shop.contract)


def tighten(shop: Shop) -> None:
    """Curated rows and duplicates that a tightened contract rejects."""
    shop.land(order("a"), order("a"), order("b", currency="CHF"), order("c", total=-1), order("c", currency="CHF"))
    shop.curate()
    shop.contract = only_swiss(shop.contract)


def test_a_mended_contract_brings_rejects_into_curated_once(shop: Shop) -> None:
    mend(shop)
    rebuilt = shop.rebuild()
    assert shop.curated() == ["a", "b", "x"]
    assert [row["event_id"] for row in rows(shop, "quarantine")] == ["c"]
    totals = shop.lake.totals("orders")
    assert (totals.holds, totals.duplicates) == (True, 3)
    assert (rebuilt.account.curated, rebuilt.account.quarantined, rebuilt.account.duplicates) == (2, -5, 3)


def test_a_tightened_contract_moves_rows_and_duplicates_into_quarantine(shop: Shop) -> None:
    tighten(shop)
    rebuilt = shop.rebuild(20)
    assert shop.curated() == ["b", "c"]
    assert shop.lake.totals("orders").holds
    (one,) = rebuilt.differences
    assert (one.before, one.after, one.removed, one.verdicts) == (3, 2, 1, 2)
    assert (one.curated, one.quarantined, one.duplicates) == (-1, 2, -1)
    assert one.raw_bytes > 0


@pytest.mark.parametrize("change", [mend, tighten])
def test_running_twice_changes_nothing(shop: Shop, change: Any) -> None:
    change(shop)
    shop.rebuild()
    before = shop.versions()
    shop.rebuild()
    assert shop.versions() == before


@pytest.mark.parametrize("change", [mend, tighten])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_and_run_again_it_is_as_if_it_never_was(
    tmp_path: Path, orders: Contract, point: Point, change: Any
) -> None:
    shops = [Shop(DeltaLake(LocalStorage(tmp_path / name)), orders) for name in ("killed", "undisturbed")]
    for shop in shops:
        change(shop)
    with pytest.raises(SimulatedCrash):
        shops[0].rebuild(reached=CrashAt(point))
    in_sight = {row["event_id"] for stage in ("curated", "quarantine") for row in rows(shops[0], stage)}
    assert in_sight >= {row["event_id"] for row in rows(shops[1], "curated")}
    for shop in shops:
        shop.rebuild()
        assert shop.lake.totals("orders").holds, point
    kept = [
        [sorted((row["event_id"], row["row"]) for row in rows(shop, stage)) for stage in ("curated", "quarantine")]
        for shop in shops
    ]
    assert kept[0] == kept[1]
    assert shops[0].lake.totals("orders").duplicates == shops[1].lake.totals("orders").duplicates


def test_a_commit_that_comes_between_starts_it_over(shop: Shop) -> None:
    mend(shop)
    landed: list[int] = []

    def curate_meanwhile(point: Point) -> None:
        if point is Point.QUARANTINE_COMMITTED and not landed:
            landed.append(shop.land(order("new", day=20)).rows)
            shop.curate()

    shop.rebuild(20, reached=curate_meanwhile)
    assert (landed, shop.curated()) == ([1], ["a", "b", "new", "x"])
    assert shop.lake.totals("orders").holds


def test_rows_that_are_erased_between_two_attempts_do_not_come_back(shop: Shop) -> None:
    mend(shop)

    def erase(point: Point) -> None:
        if point is Point.QUARANTINE_COMMITTED and "b" in shop.curated():
            for stage in ("raw", "curated", "quarantine"):
                DeltaTable(shop.lake.uri(stage, "orders")).delete("event_id = 'b'")

    shop.rebuild(20, reached=erase)
    assert shop.curated() == ["a", "x"]


def test_a_dry_run_writes_nothing_and_tells_the_same(shop: Shop) -> None:
    tighten(shop)
    before = shop.versions()
    told = shop.rebuild(20, dry_run=True).differences
    assert shop.versions() == before
    assert shop.rebuild(20).differences == told


def test_an_erased_row_does_not_come_back(shop: Shop) -> None:
    shop.land(order("a"), order("b"))
    shop.curate()
    for stage in ("raw", "curated"):
        DeltaTable(shop.lake.uri(stage, "orders")).delete("event_id = 'a'")
    shop.rebuild(20)
    assert shop.curated() == ["b"]


def test_a_date_whose_raw_was_trimmed_is_refused(shop: Shop) -> None:
    shop.land(order("a"))
    shop.curate()
    DeltaTable(shop.lake.uri("raw", "orders")).delete("event_id = 'a'")
    with pytest.raises(RawTrimmed, match=r"1 rows .* 2026-11-20"):
        shop.rebuild(20)
    assert shop.curated() == ["a"]

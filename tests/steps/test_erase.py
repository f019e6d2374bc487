"""erase: one person out of every table, kept out from then on, and proof that no byte is left."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ingest import envelope, steps
from ingest.decoding import decode
from ingest.errors import GateClosed
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract, UnknownFields
from ingest.model.delivery import Window
from ingest.model.erasure import Erasure
from ingest.model.points import OF_ERASURE, Point
from ingest.sources.memory import CrashAt, SimulatedCrash
from ingest.steps import Limits, replay
from ingest.steps.land import raw_rows
from ingest.validate import Suite
from tests.reading import rows_of
from tests.steps.erasing import GONE, KEYS, erase, everywhere, fill
from tests.steps.shop import Shop, order


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders, KEYS)


def test_a_person_is_out_of_every_table_and_byte_and_the_account_holds(shop: Shop) -> None:
    fill(shop)
    assert everywhere(shop)
    done = erase(shop)
    assert (done.erased, done.curated, done.quarantined) == (7, 3, 3)
    assert done.proved
    assert everywhere(shop) == []
    totals = shop.lake.totals("orders")
    assert totals.holds
    assert (totals.raw, totals.curated, totals.quarantined, totals.duplicates, totals.erased) == (10, 2, 1, 0, 7)
    assert shop.curated() == ["another", "other"]
    told = json.loads(json.dumps(done.to_dict()))
    assert (told["erased"], told["found"], told["proved"]) == (7, 0, True)
    assert told["files_searched"] > 10
    assert told["bytes_searched"] > 10_000


def test_running_it_again_finds_nothing_to_do(shop: Shop) -> None:
    fill(shop)
    erase(shop)
    before = rows_of(shop.lake.uri("raw", "orders")).sort_by([("window", "ascending"), ("row", "ascending")])
    again = erase(shop)
    assert (again.erased, again.curated, again.quarantined, again.proved) == (0, 0, 0, True)
    after = rows_of(shop.lake.uri("raw", "orders")).sort_by([("window", "ascending"), ("row", "ascending")])
    assert after.equals(before)
    assert shop.lake.totals("orders").erased == 7


@pytest.mark.parametrize("point", OF_ERASURE)
def test_killed_at_any_point_and_run_again(shop: Shop, point: Point) -> None:
    fill(shop)
    shop.land(order("pending", customer_id=GONE), order("waiting"))
    with pytest.raises(SimulatedCrash):
        erase(shop, reached=CrashAt(point))
    shop.land(order("redelivered", customer_id=GONE))
    assert erase(shop).proved
    assert everywhere(shop) == []
    totals = shop.lake.totals("orders")
    assert totals.holds
    assert (totals.curated, totals.quarantined, totals.erased, totals.pending) == (3, 1, 9, 0)


@pytest.mark.parametrize("point", [Point.ERASURE_STORED, Point.ERASURE_COMMITTED, Point.ERASURE_TAKEN])
def test_whatever_runs_after_a_killed_erasure_lets_nobody_back_in(shop: Shop, point: Point) -> None:
    fill(shop)
    with pytest.raises(SimulatedCrash):
        erase(shop, reached=CrashAt(point))
    lenient = dataclasses.replace(shop.contract, expectations=())
    replay(lenient, shop.lake, decode=decode, validator=Suite(), limits=Limits(), keys=KEYS)
    assert "negative" not in shop.curated()
    assert "other negative" in shop.curated()
    assert shop.lake.totals("orders").holds
    shop.rebuild()
    assert shop.lake.totals("orders").holds
    assert GONE not in rows_of(shop.lake.uri("curated", "orders"))["customer_id"].to_pylist()
    assert erase(shop).proved
    assert shop.lake.totals("orders").holds


def test_a_redelivery_does_not_bring_the_person_back(shop: Shop) -> None:
    fill(shop)
    erase(shop)
    shop.land(order("a", customer_id=GONE), order("new", customer_id=GONE), order("broken", raw=GONE.encode()))
    shop.land(order("fine"))
    assert everywhere(shop) == [], "land keeps no byte of it"
    account = shop.curate()
    assert (account.landed, account.curated, account.quarantined, account.duplicates) == (4, 1, 0, 0)
    totals = shop.lake.totals("orders")
    assert totals.holds
    assert totals.erased == 10
    shop.rebuild()
    assert shop.curated() == ["another", "fine", "other"]
    assert shop.lake.totals("orders").holds


def test_a_rebuild_after_an_erasure_changes_nothing(shop: Shop) -> None:
    fill(shop)
    erase(shop)
    for one in shop.rebuild().differences:
        assert (one.added, one.removed, one.changed, one.verdicts, one.erased, one.duplicates) == (0,) * 6


async def _acknowledged() -> None:
    pass


def test_what_a_land_wrote_that_began_before_is_kept_out_and_goes_with_the_next_run(shop: Shop) -> None:
    fill(shop)
    erase(shop)
    window = Window([order("plain", customer_id=GONE)], _acknowledged)
    rows = raw_rows(
        window,
        shop.contract,
        events=envelope.events,
    )
    shop.lake.append_raw("orders", rows, window="late", application="land:other", position=None)
    account = shop.curate()
    assert (account.landed, account.curated, account.quarantined) == (1, 0, 0)
    assert everywhere(shop)
    assert erase(shop).proved
    assert everywhere(shop) == []
    assert shop.lake.totals("orders").holds


def test_what_was_judged_before_the_erasure_is_not_published_after_it(shop: Shop) -> None:
    """A curate that had read who is erased before this one was, and publishes after everything was taken out."""
    shop.land(order("a", customer_id=GONE), order("other"))

    class Slow(DeltaLake):
        def write_curated(self, *given: Any, **more: Any) -> int:
            if not shop.lake.erasures("orders"):
                steps.erase(shop.contract, shop.lake, GONE, keys=KEYS, opened=decode.opened, drain=lambda: None)
            return super().write_curated(*given, **more)

    slow = Shop(Slow(LocalStorage(Path(shop.lake.uri("raw", "orders")).parents[1])), shop.contract, KEYS)
    assert slow.curate().curated == 1
    assert shop.curated() == ["other"]
    assert shop.lake.totals("orders").erased == 1


def test_a_rebuild_that_judged_before_the_erasure_judges_again(shop: Shop) -> None:
    shop.land(order("a"), order("negative", customer_id=GONE, total=-1))
    shop.curate(accept=True)

    class Slow(DeltaLake):
        def erasures(self, dataset: str) -> list[Erasure]:
            found = super().erasures(dataset)
            if not found:
                with pytest.raises(SimulatedCrash):
                    erase(shop, reached=CrashAt(Point.ERASURE_TAKEN))
            return found

    lenient = dataclasses.replace(shop.contract, expectations=())
    slow = Shop(Slow(LocalStorage(Path(shop.lake.uri("raw", "orders")).parents[1])), lenient, KEYS)
    slow.rebuild()
    assert shop.curated() == ["a"]
    assert shop.lake.totals("orders").holds


def test_a_batch_that_is_read_twice_counts_its_erased_rows_once(shop: Shop) -> None:
    """Where curated learns a column from it."""
    shop.contract = dataclasses.replace(shop.contract, unknown_fields=UnknownFields.EVOLVE)
    erase(shop)
    shop.land(order("a", customer_id=GONE, floor=1), order("b", floor=2))
    assert shop.curate().curated == 1
    totals = shop.lake.totals("orders")
    assert (totals.erased, totals.holds) == (1, True)


def test_who_has_no_row_is_kept_out_all_the_same(shop: Shop) -> None:
    shop.land(order("other"))
    done = erase(shop)
    assert (done.erased, done.curated, done.proved) == (0, 0, True)
    shop.land(order("a", customer_id=GONE))
    assert shop.curate().curated == 0
    assert shop.lake.totals("orders").erased == 1


def test_a_dry_run_tells_what_would_go_and_changes_nothing(shop: Shop) -> None:
    fill(shop)
    before = everywhere(shop)
    versions = shop.versions()
    done = erase(shop, dry_run=True)
    assert (done.erased, done.curated, done.quarantined, done.proved) == (7, 3, 3, False)
    assert (shop.versions(), everywhere(shop), shop.lake.erasures("orders")) == (versions, before, [])


def test_a_closed_gate_stops_it_and_the_person_is_kept_out_already(shop: Shop) -> None:
    shop.contract = dataclasses.replace(shop.contract, gate=dataclasses.replace(shop.contract.gate, min_rows=1))
    shop.land(order("a", customer_id=GONE), order("bad", total=-1))
    with pytest.raises(GateClosed, match="--accept"):
        erase(shop)
    shop.curate(accept=True)
    assert erase(shop).proved
    assert shop.lake.totals("orders").holds


def test_many_rows_go_in_several_commits(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.lake.erasing._NAMED_ROWS", 2)
    fill(shop)
    shop.land(*[order(f"e{number}", customer_id=GONE, total=(-1) ** number) for number in range(7)])
    shop.curate(accept=True)
    with pytest.raises(SimulatedCrash):
        erase(shop, reached=CrashAt(Point.ERASURE_COMMITTED, 2))
    assert erase(shop).proved
    totals = shop.lake.totals("orders")
    assert (totals.holds, totals.erased, totals.curated, totals.quarantined) == (True, 14, 2, 1)


def test_others_that_write_at_the_same_time_only_make_it_look_again(shop: Shop) -> None:
    fill(shop)
    busy = {"raw": 0, "curated": 0}

    class Busy(DeltaLake):
        """Somebody publishes or lands just before each first try."""

        def pin_erasure(self, dataset: str, recognise: Any) -> Any:
            pinned = super().pin_erasure(dataset, recognise)
            busy["curated"] += 1
            if busy["curated"] < 3:
                shop.land(order(f"meanwhile {busy['curated']}"))
                shop.curate()
            return pinned

        def empty_raw(self, dataset: str, rows: pa.Table) -> None:
            shop.land(order("between"))
            super().empty_raw(dataset, rows)

    shop_of_two = Shop(Busy(LocalStorage(Path(shop.lake.uri("raw", "orders")).parents[1])), shop.contract, KEYS)
    assert erase(shop_of_two).proved
    assert busy["curated"] == 3
    shop.curate()
    assert shop.curated() == ["another", "between", "meanwhile 1", "meanwhile 2", "other"]
    assert shop.lake.totals("orders").holds


def test_the_value_is_in_no_log_line_and_no_stored_file(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(shop)
    done = erase(shop)
    assert GONE not in capsys.readouterr().out + repr(done) + repr(shop.lake.erasures("orders"))
    assert not [file for file in tmp_path.rglob("*") if GONE in file.name]

"""curate beside others: workers, killed runs, changed contracts, tables that were made again."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ingest.decoding import decode
from ingest.errors import LakeUnavailable, SchemaMismatch, TableReplaced
from ingest.lake import DeltaLake, LocalStorage, raw
from ingest.model.account import Account
from ingest.model.contract import Contract
from ingest.model.points import OF_INGEST, Point
from ingest.sources.memory import CrashAt, SimulatedCrash
from ingest.steps.sifting import Sifting
from ingest.steps.verdicts import judge
from ingest.validate import Suite
from tests.reading import count, rows_of
from tests.steps.shop import Shop, order


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders)


def test_a_contract_whose_columns_changed_is_refused_before_anything_is_recorded(shop: Shop) -> None:
    """Recorded, the batch would stand in the way even after the contract was restored."""
    shipped = shop.contract
    shop.land(order("a"))
    renamed = dataclasses.replace(shipped.columns[-1], name="is_present")
    shop.contract = dataclasses.replace(shipped, columns=(*shipped.columns[:-1], renamed), digest="changed")
    with pytest.raises(SchemaMismatch, match="is_present"):
        shop.curate()
    shop.contract = shipped
    assert shop.curate().curated == 1


@pytest.mark.parametrize("stage", ["raw", "curated", "quarantine", "accounts"])
def test_a_table_that_was_made_again_is_refused_and_not_read_from_a_stale_position(shop: Shop, stage: str) -> None:
    shop.land(order("a"))
    shop.curate()
    shutil.rmtree(shop.lake.uri(stage, "orders"))
    with pytest.raises(TableReplaced, match=f"{stage} of orders is gone"):
        shop.lake.prepare(shop.contract)
    assert not Path(shop.lake.uri(stage, "orders")).exists()  # it may be a volume that is not mounted
    other = Shop(DeltaLake(LocalStorage(Path(shop.lake.uri("raw", "orders")).parents[1] / "other")), shop.contract)
    shutil.copytree(other.lake.uri(stage, "orders"), shop.lake.uri(stage, "orders"))
    with pytest.raises(TableReplaced, match="was made again"):
        shop.lake.prepare(shop.contract)


POINTS = [point for point in OF_INGEST if point is not Point.RECEIVED]


@pytest.mark.parametrize("point", POINTS)
def test_the_account_holds_wherever_a_run_was_killed(shop: Shop, point: Point) -> None:
    """What `status` and `doctor` say in the night: a killed run is no missing row."""
    shop.land(order("a"), order("a"), order("bad", total=-1))
    if point in {Point.PART_COMMITTED, Point.RAW_COMMITTED, Point.ACKNOWLEDGED}:
        with pytest.raises(SimulatedCrash):
            shop.land(order("b"), reached=CrashAt(point))
    else:
        with pytest.raises(SimulatedCrash):
            shop.curate(reached=CrashAt(point))
    totals = shop.lake.totals("orders")
    assert totals.raw == totals.curated + totals.quarantined + totals.duplicates + totals.pending, totals


def test_of_two_deliveries_in_a_batch_the_first_wins_in_whatever_order_they_are_decoded(shop: Shop) -> None:
    """Bodies of the usual form are decoded before the others: here the first delivery has a field beside them."""
    shop.land(order("a", floor=3), *(order(f"b{number}") for number in range(20)), order("a"), order("a", floor=4))
    account = shop.curate()
    assert (account.curated, account.duplicates) == (21, 2)
    rows = rows_of(shop.lake.uri("curated", "orders"))
    assert dict(zip(rows["event_id"].to_pylist(), rows["row"].to_pylist(), strict=True))["a"] == 0


def test_a_batch_that_another_worker_finished_meanwhile_is_not_told_as_duplicates(shop: Shop) -> None:
    shop.land(*[order(f"e{number}") for number in range(5)])
    told: list[Account] = []

    class Slow(DeltaLake):
        """Another worker curates between this one's reading and its verdicts."""

        def known(self, dataset: str, keys: pa.Table, *, dedupe_days: int) -> pa.Array:
            if not told:
                told.append(shop.curate())
            return super().known(dataset, keys, dedupe_days=dedupe_days)

    second = Shop(Slow(LocalStorage(Path(shop.lake.uri("raw", "orders")).parents[1])), shop.contract)
    account = second.curate()
    assert told[0].curated == 5
    assert (account.landed, account.duplicates) == (0, 0)
    assert len(shop.accounts()) == 1


def test_many_windows_and_a_checkpoint_are_all_read(shop: Shop) -> None:
    """A log with a checkpoint (every 100 commits) still tells every version's rows."""
    for number in range(105):
        shop.land(order(f"e{number}"))
    assert shop.lake.totals("orders").pending == 105
    assert shop.curate(rows=40).curated == 105
    assert shop.lake.totals("orders").pending == 0


def test_headers_count_towards_the_bytes_of_a_batch(shop: Shop) -> None:
    for number in range(3):
        shop.land(order(f"e{number}")._replace(headers={"trace": "x" * 100_000}))
    batch = shop.lake.next_batch(shop.contract, max_rows=1000, max_bytes=150_000)
    assert batch is not None
    assert count(shop.lake.read_raw(batch)) == 1


def test_a_damaged_record_is_an_error_of_ours_that_names_the_file(shop: Shop, tmp_path: Path) -> None:
    shop.land(order("a"))
    with pytest.raises(SimulatedCrash):
        shop.curate(reached=CrashAt(Point.BATCH_RECORDED))
    (record,) = (tmp_path / "_lakepost" / "batches" / "orders").iterdir()
    kept = record.read_bytes()
    record.write_bytes(b"{")
    with pytest.raises(LakeUnavailable, match=record.name):
        shop.curate()
    record.write_bytes(kept)
    assert shop.curate().curated == 1


def test_the_report_of_a_batch_is_kept(shop: Shop, tmp_path: Path) -> None:
    shop.land(order("a"), order("bad", total=-1))
    shop.curate()
    (report,) = (tmp_path / "_lakepost" / "reports" / "orders").glob("*.json")
    told: dict[str, Any] = json.loads(report.read_bytes())
    assert told


def test_judging_writes_nothing(shop: Shop) -> None:
    shop.land(order("a"), order("bad", total=-1))
    before = shop.versions()
    batch = shop.lake.next_batch(shop.contract, max_rows=10, max_bytes=10**6)
    assert batch is not None
    assert judge(batch, shop.contract, Sifting(shop.lake, decode, Suite())).records == 2
    assert shop.versions() == before


def test_pending_rows_are_those_of_the_versions_asked_for_however_far_the_log_has_grown(shop: Shop) -> None:
    shop.land(order("a"), order("b"), order("c"))
    shop.land(*[order(f"late{number}") for number in range(40)])
    uri = shop.lake.uri("raw", "orders")
    assert raw.pending_rows(uri, 0, 1) == 3
    assert raw.pending_rows(uri, 0, 2) == 43


def test_two_keys_that_join_to_one_text_are_two_events(shop: Shop) -> None:
    shop.land(order("b\0c")._replace(source="a/q"))
    shop.curate()
    shop.land(order("c")._replace(source="a/q\0b"))
    assert shop.curate().curated == 1


def test_the_last_day_of_the_calendar_has_no_day_after_it(shop: Shop) -> None:
    shop.contract = dataclasses.replace(shop.contract, last_date=dt.date.max)
    shop.land(order("a")._replace(timestamp=dt.datetime(9999, 12, 31, tzinfo=dt.UTC)))
    assert shop.curate().curated == 1

"""Batches: fixed once, finished by whoever comes, replaced and never appended twice."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from ingest.decoding import decode
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from ingest.model.points import Point
from ingest.sources.memory import CrashAt, SimulatedCrash
from ingest.steps.reading import read_batch
from ingest.validate import Suite
from tests.reading import count, rows_of
from tests.steps.shop import Shop, order


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders)


def quarantined(shop: Shop) -> list[str]:
    table = rows_of(shop.lake.uri("quarantine", "orders"))
    return sorted(table["event_id"].to_pylist())


class TestTheBatchIsRecordedBeforeAnythingIsPublished:
    """Every worker and every restart finishes the same batch."""

    def test_the_loss(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the record, a restart after more was landed makes a larger batch: its rejects stand twice."""
        monkeypatch.setattr(DeltaLake, "record_batch", lambda _self, batch: batch)
        shop.land(order("bad", total=-1))
        with pytest.raises(SimulatedCrash):
            shop.curate(reached=CrashAt(Point.QUARANTINE_COMMITTED))
        shop.land(order("good"))
        shop.curate()
        assert quarantined(shop) == ["bad", "bad"]

    def test_the_restart_finishes_the_recorded_batch(self, shop: Shop) -> None:
        shop.land(order("bad", total=-1))
        with pytest.raises(SimulatedCrash):
            shop.curate(reached=CrashAt(Point.QUARANTINE_COMMITTED))
        shop.land(order("good"))
        shop.curate()
        assert quarantined(shop) == ["bad"]
        assert shop.curated() == ["good"]

    def test_two_workers_with_different_ranges_agree_on_the_first_record(self, shop: Shop) -> None:
        shop.land(order("a"))
        first = shop.lake.next_batch(shop.contract, max_rows=10, max_bytes=10**6)
        assert first is not None
        larger = dataclasses.replace(first, until=first.until + 1)
        assert shop.lake.record_batch(first).until == first.until
        assert shop.lake.record_batch(larger).until == first.until

    def test_a_recorded_batch_is_finished_with_the_contract_it_began_with(self, shop: Shop) -> None:
        shop.land(order("a"))
        with pytest.raises(SimulatedCrash):
            shop.curate(reached=CrashAt(Point.BATCH_RECORDED))
        began_with = shop.contract
        shop.contract = dataclasses.replace(began_with, digest="another", version="9.9.9")
        asked: list[str] = []

        def contract_at(digest: str) -> Contract:
            asked.append(digest)
            return began_with

        shop.curate(contract_at=contract_at)
        assert asked == [began_with.digest]
        assert shop.accounts()[0]["contract_digest"] == began_with.digest


class TestQuarantineIsReplacedNotAppended:
    def test_the_loss(self, shop: Shop) -> None:
        shop.land(order("bad", total=-1))
        shop.curate()
        uri = shop.lake.uri("quarantine", "orders")
        write_deltalake(DeltaTable(uri), rows_of(uri), mode="append")
        assert quarantined(shop) == ["bad", "bad"]

    def test_a_restart_replaces_its_rows(self, shop: Shop) -> None:
        shop.land(order("bad", total=-1), order("good"))
        for _ in range(2):
            with pytest.raises(SimulatedCrash):
                shop.curate(reached=CrashAt(Point.QUARANTINE_COMMITTED))
        shop.curate()
        assert quarantined(shop) == ["bad"]

    def test_a_worker_that_comes_late_does_not_bring_rows_back(self, shop: Shop) -> None:
        """Its batch is in curated already, and what was replayed since must stay out of quarantine."""
        shop.land(order("bad", total=-1))
        batch = shop.lake.next_batch(shop.contract, max_rows=10, max_bytes=10**6)
        assert batch is not None
        shop.curate()
        uri = shop.lake.uri("quarantine", "orders")
        rows = rows_of(uri)
        DeltaTable(uri).delete("event_id = 'bad'")
        shop.lake.write_quarantine(batch, rows)
        assert quarantined(shop) == []


class TestTheAccountIsPartOfTheCuratedCommit:
    def test_a_run_killed_before_its_account_leaves_it_to_the_next(self, shop: Shop) -> None:
        shop.land(order("a"), order("b"), order("bad", total=-1))
        with pytest.raises(SimulatedCrash):
            shop.curate(reached=CrashAt(Point.CURATED_COMMITTED))
        assert shop.accounts() == []
        shop.curate()
        (account,) = shop.accounts()
        assert (account["records"], account["curated"], account["quarantined"]) == (3, 2, 1)
        assert (account["kind"], account["curated_version"]) == ("curate", 1)

    def test_writing_it_again_changes_nothing(self, shop: Shop) -> None:
        shop.land(order("a"))
        shop.curate()
        shop.lake.write_accounts("orders")
        assert len(shop.accounts()) == 1


class TestOfOneEventTheFirstDeliveryWins:
    def test_within_a_batch_and_across_batches(self, shop: Shop) -> None:
        shop.land(order("a", note="first"), order("a", note="second"))
        shop.land(order("a", note="third"))
        shop.curate()
        shop.land(order("a", note="fourth"))
        account = shop.curate()
        table = rows_of(shop.lake.uri("curated", "orders"))
        assert table["note"].to_pylist() == ["first"]
        assert account.duplicates == 1

    def test_a_rejected_first_delivery_does_not_hide_a_valid_second_one(self, shop: Shop) -> None:
        shop.land(order("a", total=-1), order("a"))
        shop.curate()
        assert shop.curated() == ["a"]
        assert quarantined(shop) == ["a"]

    @pytest.mark.parametrize("together", [True, False])
    def test_one_id_under_two_dates_is_a_duplicate_within_dedupe_days(self, shop: Shop, *, together: bool) -> None:
        deliveries = [order("a", day=1), order("a", day=1 + 7), order("a", day=1 + 8), order("a", day=1 + 20)]
        if together:
            shop.land(*deliveries)
            shop.curate()
        else:
            for delivery in deliveries:
                shop.land(delivery)
                shop.curate()
        dates = rows_of(shop.lake.uri("curated", "orders"))["event_date"]
        assert [date.day for date in sorted(dates.to_pylist())] == [1, 9, 21]

    def test_the_same_id_from_another_source_is_another_event(self, shop: Shop) -> None:
        shop.land(order("a"), order("a")._replace(source="shop.events/another"))
        shop.curate()
        assert shop.curated() == ["a", "a"]


def test_curating_when_nothing_is_new_changes_no_table(shop: Shop) -> None:
    shop.land(order("a"), order("bad", total=-1))
    shop.curate()
    before = shop.versions()
    account = shop.curate()
    assert shop.versions() == before
    assert (account.landed, account.curated, account.pending) == (0, 0, 0)


def test_a_batch_never_splits_a_window_and_otherwise_keeps_its_limits(shop: Shop) -> None:
    for size in (3, 3, 5, 1):
        shop.land(*[order(f"{size}-{number}") for number in range(size)])
    found = []
    while batch := shop.lake.next_batch(shop.contract, max_rows=4, max_bytes=10**9):
        found.append(count(shop.lake.read_raw(batch)))
        shop.curate(rows=4, batches=1)
    assert found == [3, 3, 5, 1]


def test_a_batch_tells_the_window_and_row_order_in_whatever_order_it_is_read(shop: Shop) -> None:
    for _ in range(3):
        shop.land(*[order(f"{number}") for number in range(50)])
    batch = shop.lake.next_batch(shop.contract, max_rows=1000, max_bytes=10**9)
    assert batch is not None
    for pieces in (list(shop.lake.read_raw(batch)), list(shop.lake.read_raw(batch))[::-1]):
        read = read_batch(pieces, shop.contract, decode, Suite())
        rows = read.raw.take(pc.sort_indices(read.places))
        assert rows.equals(rows.sort_by([("window", "ascending"), ("row", "ascending")]))
        assert pc.count_distinct(rows["window"]).as_py() == 3

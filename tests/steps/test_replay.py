"""replay: once out of quarantine, once in curated, whoever is killed and whoever comes between."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deltalake
import pytest
from deltalake import DeltaTable

from ingest import steps
from ingest.decoding import decode
from ingest.lake import DeltaLake, LocalStorage, replaying
from ingest.model.contract import Contract
from ingest.model.points import OF_REPLAY, Point, Reached, passing
from ingest.model.replay import Replayed
from ingest.sources.memory import CrashAt, SimulatedCrash
from ingest.steps import Limits
from ingest.validate import Suite
from tests.reading import rows_of
from tests.steps.shop import Shop, order


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders)


def mended(shop: Shop) -> Contract:
    """The shop's contract, without the rule that a total is not negative."""
    kept = tuple(one for one in shop.contract.expectations if str(one) != "expect_column_values_to_be_between(total)")
    return dataclasses.replace(shop.contract, expectations=kept, digest="mended", version="9.0.0")


def replay(
    shop: Shop,
    contract: Contract | None = None,
    *,
    lake: DeltaLake | None = None,
    rows: int = 500_000,
    dry_run: bool = False,
    reached: Reached = passing,
) -> Replayed:
    return steps.replay(
        contract or mended(shop),
        lake or shop.lake,
        decode=decode,
        validator=Suite(),
        limits=Limits(rows=rows),
        dry_run=dry_run,
        reached=reached,
    )


def quarantine(shop: Shop) -> list[dict[str, Any]]:
    rows = rows_of(shop.lake.uri("quarantine", "orders")).to_pylist()
    return sorted(rows, key=lambda row: (row["window"], row["row"]))


def holds(shop: Shop) -> None:
    totals = shop.lake.totals("orders")
    assert totals.holds, totals


def filled(shop: Shop) -> None:
    """Of two windows: two rows that the mended contract takes, one copy of one of them, one known, two rejects."""
    shop.land(order("good"), order("neg1", total=-1), order("neg1", total=-1), order("broken", raw=b"{"))
    shop.land(order("neg2", total=-2, day=21), order("good", total=-1), order("currency", total=-1, currency="XXX"))
    shop.curate()
    assert len(quarantine(shop)) == 6


EXPECTED = (["good", "neg1", "neg2"], ["broken", "currency"], 2)
"""Curated, quarantine and the number of duplicates after the replay of what `filled` makes."""


def found(shop: Shop) -> tuple[list[str], list[str], int]:
    ids = sorted(row["event_id"] for row in quarantine(shop))
    return shop.curated(), ids, shop.lake.totals("orders").duplicates


def test_what_a_mended_contract_takes_moves_to_curated(shop: Shop) -> None:
    filled(shop)
    before = {(row["window"], row["row"]): row for row in quarantine(shop)}
    position = shop.lake.curated_until("orders")
    told = replay(shop)
    assert (told.replayed, told.curated, told.duplicates, told.quarantined) == (6, 2, 2, 2)
    assert told.partitions == ("2026-11-20", "2026-11-21")
    assert found(shop) == EXPECTED
    holds(shop)
    assert shop.lake.curated_until("orders") == position
    for row in rows_of(shop.lake.uri("curated", "orders")).to_pylist():
        if (row["window"], row["row"]) in before:
            was = before[row["window"], row["row"]]
            assert [row[name] for name in ("batch", "event_id", "landed_at", "event_date")] == [
                was[name] for name in ("batch", "event_id", "landed_at", "event_date")
            ]


def test_the_account_is_signed_and_sums_to_nothing(shop: Shop) -> None:
    filled(shop)
    replay(shop)
    (row,) = [row for row in shop.accounts() if row["kind"] == "replay"]
    assert (row["records"], row["curated"], row["quarantined"], row["duplicates"]) == (0, 2, -4, 2)


def test_what_stays_gets_its_new_reason_and_contract(shop: Shop) -> None:
    filled(shop)
    was = quarantine(shop)[-1]
    replay(shop)
    row = quarantine(shop)[-1]
    assert was["column"] == row["column"] == "currency" or (was["column"], row["column"]) == ("total", "currency")
    assert (row["value"], row["contract_version"], row["contract_digest"]) == ("XXX", "9.0.0", "mended")
    assert row["quarantined_at"] == was["quarantined_at"]


def test_nothing_valid_still_brings_new_reasons(shop: Shop) -> None:
    shop.land(order("currency", total=-1, currency="XXX"))
    shop.curate()
    told = replay(shop, dataclasses.replace(shop.contract, digest="other", version="1.0.1"))
    assert (told.curated, told.quarantined) == (0, 1)
    assert quarantine(shop)[0]["contract_version"] == "1.0.1"
    holds(shop)


def test_running_twice_changes_nothing(shop: Shop) -> None:
    filled(shop)
    replay(shop)
    before = shop.versions()
    told = replay(shop)
    assert (told.replayed, told.curated, told.duplicates, told.quarantined) == (2, 0, 0, 2)
    assert shop.versions() == before


def test_a_dry_run_tells_the_same_and_changes_nothing(shop: Shop) -> None:
    filled(shop)
    before = shop.versions()
    told = replay(shop, dry_run=True)
    assert shop.versions() == before
    real = replay(shop)
    same = ("replayed", "curated", "duplicates", "quarantined", "partitions", "rejected")
    assert [getattr(told, name) for name in same] == [getattr(real, name) for name in same]


@pytest.mark.parametrize(("rows", "nth"), [(1, 1), (1, 2), (500_000, 1)])  # one chunk passes each point once
@pytest.mark.parametrize("point", OF_REPLAY)
def test_killed_and_run_again(shop: Shop, point: Point, nth: int, rows: int) -> None:
    """In one chunk, and in a chunk for each window; the duplicates are counted once."""
    filled(shop)
    with pytest.raises(SimulatedCrash):
        replay(shop, rows=rows, reached=CrashAt(point, nth))
    holds(shop)
    dry = replay(shop, rows=rows, dry_run=True)
    holds(shop)
    told = replay(shop, rows=rows)
    assert (told.curated, told.duplicates) == (dry.curated, dry.duplicates)
    assert found(shop) == EXPECTED
    holds(shop)


def test_a_row_that_curated_holds_by_itself_only_leaves_quarantine(shop: Shop) -> None:
    """As after a rebuild that was killed before it cleared quarantine: that row is no duplicate."""
    filled(shop)
    uri = shop.lake.uri("quarantine", "orders")
    version = DeltaTable(uri).version()
    replay(shop)
    DeltaTable(uri).restore(version)
    replay(shop, dataclasses.replace(mended(shop), dedupe_days=0))
    ids = [row["event_id"] for row in quarantine(shop)]
    assert not {"neg2"} & set(ids)
    assert shop.curated() == EXPECTED[0]


def test_rows_of_a_batch_that_curated_has_not_passed_stay(shop: Shop) -> None:
    shop.land(order("neg1", total=-1))
    with pytest.raises(SimulatedCrash):
        shop.curate(reached=CrashAt(Point.QUARANTINE_COMMITTED))
    assert replay(shop).replayed == 0
    assert len(quarantine(shop)) == 1
    shop.curate()
    assert replay(shop).curated == 1
    holds(shop)


class Between(DeltaLake):
    """Somebody else does `something` between a run's reading and its writing, once."""

    def __init__(self, shop: Shop, something: Callable[[], Any]) -> None:
        super().__init__(LocalStorage(Path(shop.lake.uri("raw", "orders")).parents[1]))
        self._something: Callable[[], Any] | None = something

    def known(self, *arguments: Any, **options: Any) -> Any:
        found = super().known(*arguments, **options)
        if self._something is not None:
            something, self._something = self._something, None
            something()
        return found


def test_two_replays_at_once_double_nothing(shop: Shop) -> None:
    filled(shop)
    other: list[Replayed] = []
    told = replay(shop, lake=Between(shop, lambda: other.append(replay(shop))))
    assert other[0].curated == 2
    assert (told.curated, told.duplicates) == (0, 0)
    assert found(shop) == EXPECTED
    holds(shop)


@pytest.mark.parametrize("point", OF_REPLAY)
def test_a_replay_that_is_killed_beside_another(shop: Shop, point: Point) -> None:
    filled(shop)

    def killed() -> None:
        with pytest.raises(SimulatedCrash):
            replay(shop, reached=CrashAt(point))

    replay(shop, lake=Between(shop, killed))
    assert found(shop) == EXPECTED
    holds(shop)


def test_a_curate_that_publishes_the_same_event_meanwhile_is_first(shop: Shop) -> None:
    filled(shop)
    shop.land(order("neg1"))
    told = replay(shop, lake=Between(shop, shop.curate))
    assert (told.curated, told.duplicates) == (1, 3)
    assert shop.curated() == EXPECTED[0]
    holds(shop)


def test_a_replay_while_curate_judges_the_same_event_is_first(shop: Shop) -> None:
    """Appends do not conflict in Delta: without looking at what came between, curate would double the event."""
    filled(shop)
    shop.land(order("neg1"))
    slow = Shop(Between(shop, lambda: replay(shop)), shop.contract)
    account = slow.curate()
    assert (account.curated, account.duplicates) == (0, 1)
    assert shop.curated() == EXPECTED[0]
    holds(shop)


def test_an_error_after_the_commit_is_decided_by_the_log(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(shop)
    write = deltalake.write_deltalake

    def late(*arguments: Any, **options: Any) -> None:
        write(*arguments, **options)
        raise OSError("the answer got lost")

    monkeypatch.setattr(replaying, "write_deltalake", late)
    assert replay(shop).curated == 2
    assert found(shop) == EXPECTED
    holds(shop)


def test_chunks_are_whole_windows_within_the_limits(shop: Shop) -> None:
    for number in range(5):
        shop.land(order(f"a{number}", total=-1), order(f"b{number}", total=-1))
    shop.curate()
    chunks = shop.lake.replay_chunks("orders", max_rows=4, max_bytes=10**9)
    assert [chunk.rows for chunk in chunks] == [4, 4, 2]
    assert [chunk.rows for chunk in shop.lake.replay_chunks("orders", max_rows=100, max_bytes=1)] == [2] * 5
    assert replay(shop, rows=4).curated == 10
    holds(shop)


def test_a_rebuild_while_curate_judges_the_same_event_is_first(shop: Shop) -> None:
    filled(shop)
    shop.land(order("neg1", day=21))
    beside = Shop(shop.lake, mended(shop))
    slow = Shop(Between(shop, lambda: beside.rebuild(20)), shop.contract)
    account = slow.curate()
    assert (account.curated, account.duplicates) == (0, 1)
    assert shop.curated() == ["good", "neg1"]
    holds(shop)


def test_a_rebuild_finishes_a_replay_that_was_killed(shop: Shop) -> None:
    filled(shop)
    with pytest.raises(SimulatedCrash):
        replay(shop, reached=CrashAt(Point.REPLAY_MOVED))
    Shop(shop.lake, mended(shop)).rebuild()
    assert found(shop) == EXPECTED
    holds(shop)

"""erase: one person out of every table, kept out from then on, and proof that no byte is left."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ingest import envelope, steps
from ingest.decode import decode
from ingest.errors import ConfigurationError, GateClosed
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract, UnknownFields
from ingest.model.delivery import CONTENT_PREFIX, Window
from ingest.model.erasure import ERASED_ID, Erased, Erasure
from ingest.model.keys import Keys
from ingest.model.points import OF_ERASURE, Point, Reached, passing
from ingest.model.upkeep import SPARED_HOURS
from ingest.sources.memory import CrashAt, SimulatedCrash
from ingest.steps import Limits, maintain, replay
from ingest.steps.land import raw_rows
from ingest.steps.screen import erasure_of, screen_of
from ingest.validate import Suite
from tests.contracts import with_protection
from tests.reading import rows_of
from tests.steps.shop import Shop, order

KEYS = Keys({"k1": b"o" * 32})
GONE = "c-666666"


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders, KEYS)


def erase(shop: Shop, value: str = GONE, *, reached: Reached = passing, **more: Any) -> Erased:
    def drain() -> None:
        shop.curate(reached=reached)

    return steps.erase(shop.contract, shop.lake, value, keys=shop.keys, drain=drain, reached=reached, **more)


def fill(shop: Shop) -> None:
    """Of the person: 3 in curated over two dates, 1 duplicate, 3 in quarantine; 2 and 1 of others."""
    shop.land(
        order("a", customer_id=GONE),
        order("b", customer_id=GONE, day=18),
        order("other"),
        order("late", customer_id=GONE, day=18),
    )
    shop.curate()
    shop.land(
        order("a", customer_id=GONE),
        order("negative", customer_id=GONE, total=-1),
        order("broken", raw=f'{{"customer_id": "{GONE}", "total": '.encode()),
        order("typed", customer_id=GONE, item_count="two"),
        order("other negative", total=-1),
        order("another"),
    )
    shop.curate()


def everywhere(shop: Shop, value: str = GONE) -> list[str]:
    """The files of the lake that hold the value, Parquet decoded: this test's own search."""
    found = []
    root = Path(shop.lake.uri("raw", "orders")).parents[1]
    for file in root.rglob("*"):
        if not file.is_file():
            continue
        content = file.read_bytes()
        if file.suffix == ".parquet":
            content = repr(pa.parquet.read_table(file).to_pylist()).encode()
        if value.encode() in content:
            found.append(str(file.relative_to(root)))
    return found


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
    rows = raw_rows(window, shop.contract, identify=envelope.identify, event_date=envelope.event_date)
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
                steps.erase(shop.contract, shop.lake, GONE, keys=KEYS, drain=lambda: None)
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


def test_bodies_in_every_disguise_are_recognised(shop: Shop) -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in GONE)
    shop.land(
        order("escaped", raw=f'{{"customer_id": "{escaped}"}}'.encode()),
        order("twice", raw=f'{{"customer_id": "c-000001", "customer_id": "{GONE}"}}'.encode()),
        order("cut", raw=f'{{"status": "placed", "customer_id": "{GONE}'.encode()),
        order("escaped and cut", raw=f'{{"customer_id": "{escaped}", "sta'.encode()),
        order("quote missing", raw=f'{{"status: "placed", "customer_id": "{GONE}"}}'.encode()),
        order("bytes", raw=b'{"x": "\xff", "customer_id": "' + GONE.encode() + b'"}'),
        order("xml", raw=f"<order><customer>{GONE}</customer></order>".encode())._replace(content_type="text/xml"),
        order("list", raw=f'[{{"customer_id": "{GONE}"}}]'.encode()),
        order("two", raw=f'{{"customer_id": "c-000001"}}{{"customer_id": "{GONE}"}}'.encode()),
        order("somebody else", raw=f'{{"customer_id": "{GONE}0", '.encode()),
    )
    shop.curate(accept=True)
    done = erase(shop)
    assert (done.erased, done.proved) == (9, True)
    assert rows_of(shop.lake.uri("quarantine", "orders"))["event_id"].to_pylist() == ["somebody else"]


def test_a_row_of_somebody_else_that_names_the_person_elsewhere_is_not_theirs(shop: Shop) -> None:
    """As a value, under the same name inside of another object, under another name; whole rows and rejects."""
    other: dict[str, Any] = {"referrer": {"customer_id": GONE}, "customer": GONE, "note": GONE}
    shop.land(order("curated", **other), order("rejected", total=-1, **other), order("typed", item_count="x", **other))
    shop.land(order("without", raw=json.dumps({"customer": GONE}).encode()))
    shop.curate(accept=True)
    done = erase(shop)
    assert (done.erased, done.curated, done.quarantined) == (1, 0, 1)  # whose the last one is nobody can tell
    assert shop.curated() == ["curated"]


def test_recognising_costs_little(shop: Shop) -> None:
    """Ten thousand bodies a second and far more: the screen stands before every window."""
    shop.lake.store_erasure("orders", erasure_of(shop.contract, GONE, KEYS))
    screen = screen_of(shop.contract, shop.lake, KEYS)
    bodies = [order(str(n), customer_id=f"c-{n:06d}").body for n in range(20_000)]
    rows = pa.table({"operation": pa.nulls(len(bodies), pa.string()), "body": bodies})
    begun = time.monotonic()
    assert screen.matches(rows) == {}
    assert time.monotonic() - begun < 2


def test_what_names_the_person_beside_the_body_goes_too(shop: Shop) -> None:
    """Ids, types, routing keys and headers; an id made from the content would tell who can guess the content."""
    named = order(f"order-{GONE}-1", customer_id=GONE)._replace(
        routing_key=f"order.{GONE}", type=f"placed.{GONE}", headers={"customer": GONE}
    )
    shop.land(named, order(None, customer_id=GONE), order("kept", customer_id=GONE))
    shop.curate(accept=True)
    assert erase(shop).proved
    shop.land(named, order(None, customer_id=GONE), order("kept", customer_id=GONE))
    assert everywhere(shop) == []
    raw = rows_of(shop.lake.uri("raw", "orders"))
    assert sorted(raw["event_id"].to_pylist()) == ["kept"] * 2 + [ERASED_ID] * 4
    assert not [text for text in raw["event_id"].to_pylist() if text.startswith(CONTENT_PREFIX)]
    assert set(raw["routing_key"].to_pylist()) == {None, "order.placed"}
    assert set(raw["body"].to_pylist()) == {b""}


HOSTILE = ['O\'Brien "x" 100%', "ünïcödé 🍺", "a'); DROP TABLE raw; --", "%", "a\\b", "*.[a-z]+", "two words", "c:1"]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_are_only_values(tmp_path: Path, orders: Contract, value: str) -> None:
    free = dataclasses.replace(orders, expectations=())
    shop = Shop(DeltaLake(LocalStorage(tmp_path)), free, KEYS)
    shop.land(order("a", customer_id=value), order("b"), order("c", customer_id=value, item_count="two"))
    shop.curate()
    done = erase(shop, value)
    assert (done.erased, done.curated, done.quarantined, done.proved) == (2, 1, 1, True)
    assert shop.curated() == ["b"]


def test_an_integer_key(tmp_path: Path, orders: Contract) -> None:
    contract = dataclasses.replace(orders, erasure_key="item_count", expectations=())
    shop = Shop(DeltaLake(LocalStorage(tmp_path)), contract, KEYS)
    shop.land(
        order("a", item_count=17, loyalty_points=17),
        order("b", item_count=170, loyalty_points=17),
        order("text", item_count="17"),
        order("broken", raw=b'{"item_count": 17'),
    )
    shop.curate()
    done = erase(shop, "0017")
    assert (done.erased, done.proved) == (3, True)
    assert shop.curated() == ["b"]
    with pytest.raises(ConfigurationError, match="integer") as refused:
        erase(shop, "seventeen")
    assert "seventeen" not in str(refused.value)


def test_a_hashed_key_goes_with_its_hash(tmp_path: Path, orders: Contract) -> None:
    """Under every key it was ever hashed with: the hash stands for the person."""
    shop = Shop(DeltaLake(LocalStorage(tmp_path)), with_protection(orders, customer_id="hash"), KEYS)
    shop.land(order("a", customer_id=GONE))
    shop.curate()
    shop.keys = Keys({"k2": b"n" * 32, **KEYS.by_id})
    shop.land(order("b", customer_id=GONE, day=18), order("other"))
    shop.curate()
    assert [len(everywhere(shop, hashed)) for hashed in (KEYS.hashed(GONE), shop.keys.hashed(GONE))] == [1, 1]
    assert erase(shop).proved
    assert [everywhere(shop, hashed) for hashed in (KEYS.hashed(GONE), shop.keys.hashed(GONE))] == [[], []]
    assert shop.curated() == ["other"]


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


def test_another_persons_row_that_mentions_the_value_stays_and_is_told(shop: Shop) -> None:
    shop.land(order("mentions", note=f"give it to {GONE}, please"), order("a", customer_id=GONE))
    shop.curate()
    done = erase(shop)
    assert (done.erased, done.proved, done.pending) == (1, False, False)
    assert {path.split("/")[0] for path in done.searched.found} == {"raw", "curated"}


def test_without_its_key_nobody_is_let_in_unrecognised(shop: Shop) -> None:
    fill(shop)
    erase(shop)
    shop.land(order("waiting"))
    for keys in (Keys(), Keys({"k2": b"n" * 32}), Keys({"k1": b"n" * 32})):
        shop.keys = keys
        before = shop.versions()
        for verb in (shop.curate, shop.rebuild, lambda: shop.land(order("x"))):
            with pytest.raises(ConfigurationError, match="no key k1"):
                verb()
        with pytest.raises(ConfigurationError, match="no key k1"):
            replay(shop.contract, shop.lake, decode=decode, validator=Suite(), limits=Limits(), keys=keys)
        assert shop.versions() == before


def test_an_old_key_goes_on_recognising_and_is_not_stored_twice(shop: Shop) -> None:
    fill(shop)
    erase(shop)
    shop.keys = Keys({"k2": b"n" * 32, **KEYS.by_id})
    shop.land(order("a", customer_id=GONE))
    assert shop.curate().curated == 0
    assert erase(shop).proved
    assert [one.mark for one in shop.lake.erasures("orders")] == [KEYS.mark("k1")]


def test_a_contract_that_names_another_key_would_let_them_back_in_and_is_refused(shop: Shop) -> None:
    fill(shop)
    erase(shop)
    shop.land(order("x"))
    for key in ("order_id", None):
        shop.contract = dataclasses.replace(shop.contract, erasure_key=key)
        with pytest.raises(ConfigurationError, match="customer_id"):
            shop.curate()
    with pytest.raises(ConfigurationError, match="which column tells") as refused:
        erase(shop)
    assert "erasureKey" in str(refused.value)


def test_a_closed_gate_stops_it_and_the_person_is_kept_out_already(shop: Shop) -> None:
    shop.contract = dataclasses.replace(shop.contract, gate=dataclasses.replace(shop.contract.gate, min_rows=1))
    shop.land(order("a", customer_id=GONE), order("bad", total=-1))
    with pytest.raises(GateClosed, match="--accept"):
        erase(shop)
    shop.curate(accept=True)
    assert erase(shop).proved
    assert shop.lake.totals("orders").holds


def test_replaced_files_that_hold_the_value_go_whoever_replaced_them(shop: Shop) -> None:
    for name in "abc":
        shop.land(order(name, customer_id=GONE), order(f"other {name}"))
        shop.curate()
    maintain.compact("orders", shop.lake)
    done = erase(shop)
    assert done.proved
    assert done.searched.removed >= 8
    assert everywhere(shop) == []
    maintain.vacuum("orders", shop.lake)
    shop.land(order("later"))
    assert shop.curate().curated == 1


def test_replaced_files_that_curate_has_still_to_read_stay(shop: Shop) -> None:
    shop.land(order("a", customer_id=GONE))
    shop.land(order("b", customer_id=GONE))
    maintain.compact("orders", shop.lake)
    column = next(column for column in shop.contract.columns if column.name == "customer_id")
    found = shop.lake.prove("orders", GONE, column, [], nobody_is_active=True)
    assert (len(found.found), found.waiting, found.removed) == (3, (), 0)
    assert shop.curate().curated == 2


def test_a_file_that_no_log_knows_waits_until_no_task_can_commit_it(shop: Shop) -> None:
    fill(shop)
    (source,) = list(Path(shop.lake.uri("raw", "orders")).glob("event_date=2026-11-18/*.parquet"))
    orphan = source.with_name("part-orphan.parquet")
    orphan.write_bytes(source.read_bytes())
    done = erase(shop)
    assert (done.proved, done.pending) == (False, True)
    assert done.searched.waiting == ("raw/orders/event_date=2026-11-18/part-orphan.parquet",)
    hours = SPARED_HOURS * 3600 + 60
    os.utime(orphan, (time.time() - hours, time.time() - hours))
    assert erase(shop).proved
    assert not orphan.exists()
    orphan.write_bytes(b"half a file")
    assert erase(shop).pending
    assert erase(shop, nobody_is_active=True).proved


def test_a_report_that_gives_the_value_as_an_example_goes(shop: Shop, tmp_path: Path) -> None:
    shop.land(order("a", customer_id=GONE, status=GONE))
    shop.curate(accept=True)
    reports = tmp_path / "_lakepost" / "reports" / "orders"
    assert any(GONE in file.read_text() for file in reports.iterdir())
    assert erase(shop).proved
    assert everywhere(shop) == []


def test_bodies_that_cannot_be_read_are_counted(shop: Shop) -> None:
    packed = gzip.compress(json.dumps({"customer_id": GONE}).encode())
    shop.land(order("packed", raw=packed)._replace(content_encoding="gzip"), order("bytes", raw=b"\xff\xfe\x00"))
    shop.curate(accept=True)
    assert erase(shop).searched.unreadable == 4  # in raw and in quarantine


def test_a_log_of_before_that_quotes_the_value_is_cleaned(tmp_path: Path, orders: Contract) -> None:
    plain = tuple(dataclasses.replace(column, classification=None) for column in orders.columns)
    old = dataclasses.replace(orders, columns=plain, erasure_key=None)
    shop = Shop(DeltaLake(LocalStorage(tmp_path)), old, KEYS)
    shop.land(order("a", customer_id=GONE))
    shop.curate()
    shop.land(order("b"))
    shop.curate()
    DeltaTable(shop.lake.uri("curated", "orders")).create_checkpoint()
    assert any("_delta_log" in path for path in everywhere(shop))
    shop.contract = orders
    shop.lake.prepare(orders)
    assert erase(shop).proved
    assert everywhere(shop) == []
    shop.land(order("c"))
    assert shop.curate().curated == 1
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

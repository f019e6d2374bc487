"""A contract that grows under a table with data: in place, by a rewrite, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable

from ingest.decoding import decode
from ingest.errors import SchemaMismatch
from ingest.lake import DeltaLake, LocalStorage
from ingest.lake.query import query
from ingest.model.contract import Contract
from ingest.model.points import Point
from ingest.model.tables import ACCOUNTS, RESCUED, curated_schema
from ingest.sources.memory import CrashAt, SimulatedCrash
from ingest.steps import Limits, replay
from ingest.steps.maintain import compact, vacuum
from ingest.validate import Suite
from tests.reading import rows_of
from tests.steps.shop import Shop, order
from tests.versions import with_channel, with_texts, with_wider_types

NEW: dict[str, Any] = {
    "channel": "app",
    "address": {"street": "Ring 2", "floor": 3, "city": "Bonn", "postcode": "53111", "country": "DE"},
    "items": [{"sku": "w-2", "cold": True, "name": "Saft", "quantity": 1, "unit_price": 2.5}],
}
"""What bodies of version 1.2.0 hold more."""

UNKNOWN = "unknown_fields"

LOST = (('"placed",', '"placed", "lost",'),)
"""A suite that lets one more status in."""


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders)


def grow(shop: Shop, contract: Contract) -> None:
    """The dataset's contract from now on."""
    shop.contract = contract
    shop.lake.prepare(contract)


def curated(shop: Shop) -> dict[str, dict[str, Any]]:
    return {row["event_id"]: row for row in rows_of(shop.lake.uri("curated", "orders")).to_pylist()}


def column(shop: Shop, name: str) -> dict[str, Any]:
    return {event_id: row[name] for event_id, row in curated(shop).items()}


def table(shop: Shop) -> DeltaTable:
    return DeltaTable(shop.lake.uri("curated", "orders"))


def type_of(shop: Shop, name: str) -> str:
    return next(str(field.type) for field in table(shop).schema().fields if field.name == name)


class TestInPlace:
    def test_events_of_old_and_new_versions_land_in_one_table(self, shop: Shop, orders: Contract) -> None:
        """Old rows read null, the new columns come last, and what says where the table was read to stays."""
        shop.land(order("old"), order("early", **NEW))
        shop.curate()
        before = table(shop)
        grow(shop, with_channel(orders))
        assert table(shop).version() == before.version() + 1
        shop.land(order("old body"), order("new body", **NEW), order("old"), order("bad", total=-1))
        account = shop.curate()
        assert (account.curated, account.duplicates, account.quarantined) == (2, 1, 1)
        found = curated(shop)
        assert column(shop, "channel") == {"old": None, "early": None, "old body": None, "new body": "app"}
        assert (found["new body"]["address"]["floor"], found["old"]["address"]["floor"]) == (3, None)
        assert (found["new body"]["items"][0]["cold"], found["early"]["items"][0]["cold"]) == (True, None)
        after = table(shop)
        assert [field.name for field in after.schema().fields][-2:] == ["event_date", "channel"]
        assert after.metadata().id == before.metadata().id
        assert after.transaction_version("curate") == 2
        assert shop.lake.totals("orders").holds
        assert [row["kind"] for row in shop.accounts()] == ["curate", "curate"]

    def test_only_curated_changes_and_only_once(self, shop: Shop, orders: Contract) -> None:
        """Raw above all: its change feed cannot be read across a change of its schema."""
        grow(shop, with_channel(orders))
        grow(shop, with_channel(orders))
        assert shop.versions() == {"raw": 0, "curated": 1, "quarantine": 0, "accounts": 0}

    def test_a_lake_from_before_a_column_of_lakepost_itself_gains_it(self, tmp_path: Path, orders: Contract) -> None:
        """In curated and in the accounts; its tables were made without what later code writes."""
        lake = DeltaLake(LocalStorage(tmp_path))
        for stage, schema, name in (("curated", curated_schema(orders), RESCUED), ("accounts", ACCOUNTS, UNKNOWN)):
            before = schema.remove(schema.get_field_index(name))
            by = ["event_date"] if stage == "curated" else None
            DeltaTable.create(lake.uri(stage, "orders"), before, partition_by=by)
        shop = Shop(lake, orders)
        shop.land(order("a", colour="red"))
        shop.curate()
        assert column(shop, RESCUED) == {"a": '{"colour":"red"}'}
        assert shop.accounts()[0][UNKNOWN] == '{"colour": 1}'
        assert shop.lake.totals("orders").holds

    def test_of_several_at_once_all_find_the_columns_there(self, shop: Shop, orders: Contract) -> None:
        start = threading.Barrier(6)
        failed: list[BaseException] = []

        def prepare() -> None:
            lake = DeltaLake(LocalStorage(Path(shop.lake.uri("curated", "orders")).parents[1]))
            start.wait()
            try:
                lake.prepare(with_channel(orders))
            except BaseException as error:  # noqa: BLE001 - whatever it is, the test must see it
                failed.append(error)

        threads = [threading.Thread(target=prepare) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        names = [field.name for field in table(shop).schema().fields]
        assert names.count("channel") == 1
        assert table(shop).version() == 1

    def test_a_rebuild_fills_new_columns_and_a_replay_writes_them(self, shop: Shop, orders: Contract) -> None:
        """From old bodies that had them already; then nothing is left to change."""
        shop.land(order("plain"), order("early", **NEW), order("late", day=21, **{**NEW, "status": "lost"}))
        shop.curate()
        grow(shop, with_channel(orders, suite=LOST))
        assert set(column(shop, RESCUED)) == {"plain", "early"}
        assert "app" in column(shop, RESCUED)["early"]
        assert [one.changed for one in shop.rebuild(20).differences] == [1]
        assert replay(shop.contract, shop.lake, decode=decode, validator=Suite(), limits=Limits()).curated == 1
        assert column(shop, "channel") == {"plain": None, "early": "app", "late": "app"}
        assert set(column(shop, RESCUED).values()) == {None}
        assert shop.lake.totals("orders").holds
        versions = shop.versions()
        shop.rebuild()
        assert shop.versions() == versions

    def test_a_dry_run_before_the_table_grew_tells_what_it_will_do(self, shop: Shop, orders: Contract) -> None:
        shop.land(order("plain"), order("early", **NEW))
        shop.curate()
        shop.contract = with_channel(orders)
        versions = shop.versions()
        told = shop.rebuild(dry_run=True).differences
        assert (shop.versions(), [one.changed for one in told]) == (versions, [1])
        shop.lake.prepare(shop.contract)
        assert shop.rebuild().differences == told

    def test_a_curate_that_is_about_to_publish_goes_on(self, shop: Shop, orders: Contract) -> None:
        """It did not see another verb publish, only columns that its rows do not have."""
        shop.land(order("a", **NEW))
        reached: list[Point] = []

        def grow_meanwhile(point: Point) -> None:
            reached.append(point)
            if point is Point.QUARANTINE_COMMITTED:
                shop.lake.prepare(with_channel(orders))

        shop.curate(reached=grow_meanwhile)
        assert reached.count(Point.QUARANTINE_COMMITTED) == 1  # it was not judged again
        assert column(shop, "channel") == {"a": None}
        assert shop.lake.totals("orders").holds

    def test_a_rebuild_under_an_outgrown_contract_does_not_empty_a_column(self, shop: Shop, orders: Contract) -> None:
        shop.land(order("bad", total=-1))
        shop.curate()
        outgrown = Shop(shop.lake, with_texts(orders, suite=(('"min_value": 0.0', '"min_value": -5.0'),)))

        def grow_meanwhile(point: Point) -> None:
            if point is Point.QUARANTINE_COMMITTED:
                grow(shop, with_channel(orders))
                shop.land(order("new", **NEW))
                shop.curate()

        with pytest.raises(SchemaMismatch, match="channel: table string, rows absent"):
            outgrown.rebuild(20, reached=grow_meanwhile)
        assert column(shop, "channel") == {"new": "app"}
        shop.land(order("more", **NEW))
        with pytest.raises(SchemaMismatch, match="older copy of the contract"):
            outgrown.curate()

    def test_compaction_and_vacuum_keep_both_kinds_of_rows(self, shop: Shop, orders: Contract) -> None:
        shop.land(order("old"))
        shop.curate()
        grow(shop, with_channel(orders))
        shop.land(order("new", **NEW))
        shop.curate()
        compact("orders", shop.lake)
        vacuum("orders", shop.lake, older_than=0, nobody_is_active=True)
        assert column(shop, "channel") == {"old": None, "new": "app"}
        assert_all_readers_agree(shop)


def assert_all_readers_agree(shop: Shop) -> None:
    """`lakepost sql` and the files alone, as after a vacuum: invariant 4."""
    wanted = "event_id, channel, address.floor, items[1].cold, items[1].unit_price, total, item_count, loyalty_points"
    lake = Path(shop.lake.uri("curated", "orders")).parents[1]
    _, by_log, _ = query(LocalStorage(lake), f"SELECT {wanted} FROM curated.orders ORDER BY event_id")
    files = f"read_parquet('{lake}/curated/orders/event_date=*/*.parquet', hive_partitioning=true, union_by_name=true)"
    by_files = duckdb.sql(f"SELECT {wanted} FROM {files} ORDER BY event_id").fetchall()
    assert by_log == by_files
    assert len(by_log) == len(curated(shop))


@pytest.mark.parametrize("later", [with_channel, with_wider_types])
def test_an_older_batch_is_finished_in_the_table_of_today(
    shop: Shop, orders: Contract, later: Callable[[Contract], Contract]
) -> None:
    """Under the contract that it was recorded with: what that did not have is null, its types are widened."""
    shop.land(order("a", loyalty_points=7, **NEW))
    shop.curate()
    shop.land(order("b", loyalty_points=2**53 + 1, **NEW))
    with pytest.raises(SimulatedCrash):
        shop.curate(reached=CrashAt(Point.BATCH_RECORDED))
    grow(shop, later(orders))
    if later is with_wider_types:
        shop.rebuild()
    shop.land(order("c", loyalty_points=9, **NEW))
    shop.curate(contract_at=lambda _digest: orders)
    assert (column(shop, "channel")["b"], column(shop, "channel")["c"]) == (None, "app")
    points = 2**53 + 1 if later is with_channel else float(2**53)  # as its body reads under the wider type
    assert column(shop, "loyalty_points")["b"] == points
    assert {row["contract_version"] for row in shop.accounts()} >= {"1.1.0", shop.contract.version}
    assert shop.lake.totals("orders").holds


class TestRewrite:
    @pytest.fixture
    def grown(self, shop: Shop, orders: Contract) -> Shop:
        """A table of three dates whose contract has wider types since, with a reject that is valid by it."""
        shop.land(order("a", total=1.25, loyalty_points=3), order("b", day=21, **NEW))
        shop.land(order("fine", total=1.125), order("bad", day=22, total=-1), order("c", day=1, item_count=500))
        shop.curate()
        grow(shop, with_wider_types(orders))
        return shop

    def test_curate_says_what_to_run_and_rebuild_all_does_it(self, grown: Shop) -> None:
        """Values are exactly what they were, rejects that are valid now move, and ingest goes on."""
        grown.land(order("later", total=2.5, **NEW))
        with pytest.raises(SchemaMismatch, match=r"total: table decimal128\(12, 2\)") as refused:
            grown.curate()
        assert "lakepost rebuild orders --all" in refused.value.remedy
        with pytest.raises(SchemaMismatch, match="rebuild orders --all"):
            grown.rebuild(20)
        before = table(grown)
        grown.rebuild()
        assert [type_of(grown, name) for name in ("total", "loyalty_points", "item_count")] == [
            'PrimitiveType("decimal(14,3)")', 'PrimitiveType("double")', 'PrimitiveType("decimal(22,3)")',
        ]  # fmt: skip
        assert column(grown, "total")["fine"] == Decimal("1.125")
        assert column(grown, "item_count")["c"] == Decimal(500)
        assert column(grown, "channel") == {"a": None, "b": "app", "c": None, "fine": None}
        assert curated(grown)["b"]["items"][0]["unit_price"] == Decimal("2.50")
        after = table(grown)
        assert (after.metadata().id, after.transaction_version("curate")) == (before.metadata().id, 2)
        totals = grown.lake.totals("orders")
        assert (totals.holds, totals.pending, totals.quarantined) == (True, 1, 1)
        assert grown.curate().curated == 1
        assert grown.lake.totals("orders").holds
        compact("orders", grown.lake)
        vacuum("orders", grown.lake, older_than=0, nobody_is_active=True)
        assert_all_readers_agree(grown)

    def test_it_is_one_commit_with_an_account_of_nothing(self, grown: Shop) -> None:
        before = table(grown)
        with pytest.raises(SimulatedCrash):
            grown.rebuild(reached=CrashAt(Point.TABLE_REWRITTEN))
        assert table(grown).version() == before.version() + 1
        assert grown.lake.totals("orders").holds
        assert column(grown, "total")["a"] == Decimal("1.250")
        grown.rebuild()
        kinds = [(row["kind"], row["records"], row["curated"]) for row in grown.accounts()]
        assert kinds.count(("rewrite", 0, 0)) == 1
        assert grown.lake.totals("orders").holds
        assert len(grown.curated()) == 4

    def test_a_dry_run_tells_the_same_and_writes_nothing(self, grown: Shop) -> None:
        versions = grown.versions()
        told = grown.rebuild(dry_run=True).differences
        assert grown.versions() == versions
        assert grown.rebuild().differences == told

    def test_a_value_that_the_new_type_cannot_hold_stops_it_before_anything_changed(
        self, shop: Shop, orders: Contract
    ) -> None:
        shop.land(order("a", loyalty_points=2**53 + 1))
        shop.curate()
        grow(shop, with_wider_types(orders))
        versions = shop.versions()
        with pytest.raises(SchemaMismatch, match=r"column loyalty_points .* 9007199254740993"):
            shop.rebuild()
        assert shop.versions() == versions
        assert column(shop, "loyalty_points") == {"a": 2**53 + 1}

    def test_killed_before_its_commit_it_leaves_files_that_no_reader_sees(
        self, grown: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def killed(*_arguments: Any, **_named: Any) -> None:
            raise SimulatedCrash

        before = sorted(curated(grown).items())
        with monkeypatch.context() as patched:
            patched.setattr(DeltaTable, "create_write_transaction", killed)
            with pytest.raises(SimulatedCrash):
                grown.rebuild()
        assert sorted(curated(grown).items()) == before
        assert grown.lake.totals("orders").holds
        grown.rebuild()
        folder = Path(grown.lake.uri("curated", "orders"))
        orphans = len(list(folder.glob("event_date=*/*.parquet"))) - len(table(grown).file_uris())
        assert orphans > 0
        vacuum("orders", grown.lake, older_than=0, nobody_is_active=True)
        assert len(list(folder.glob("event_date=*/*.parquet"))) == len(table(grown).file_uris())
        assert_all_readers_agree(grown)

    def test_a_commit_that_comes_between_is_not_lost(
        self, grown: Shop, orders: Contract, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An older worker finishes its batch while the files are rewritten: the rewrite starts over."""
        write = DeltaTable.create_write_transaction
        meanwhile: list[int] = []

        def overtaken(self: DeltaTable, *arguments: Any, **named: Any) -> None:
            if not meanwhile:
                meanwhile.append(grown.land(order("between")).rows)
                Shop(grown.lake, orders).curate()
            write(self, *arguments, **named)

        monkeypatch.setattr(DeltaTable, "create_write_transaction", overtaken)
        grown.rebuild()
        assert grown.curated() == ["a", "b", "between", "c", "fine"]
        assert grown.lake.totals("orders").holds


@pytest.mark.parametrize(
    "texts",
    [
        ("      - name: is_gift\n", "      - name: gift\n"),
        ("decimal(12,2)", "decimal(11,2)"),
        ("        logicalType: date\n", "        logicalType: timestamp\n"),
        ("          - name: city\n", "          - name: town\n"),
    ],
)
def test_what_would_lose_values_stays_refused(shop: Shop, orders: Contract, texts: tuple[str, str]) -> None:
    """Land goes on: the broker is not held up by a bad contract."""
    shop.land(order("a"))
    shop.curate()
    grow(shop, with_texts(orders, texts, version="2.0.0"))
    shop.land(order("b"))
    versions = shop.versions()
    for verb in (shop.curate, shop.rebuild, lambda: shop.rebuild(dry_run=True)):
        with pytest.raises(SchemaMismatch, match="add a new dataset"):
            verb()
    assert shop.versions() == versions
    assert shop.lake.totals("orders").pending == 1

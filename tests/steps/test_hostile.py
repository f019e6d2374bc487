"""Batches that nobody planned for: bounded, told apart, and every row accounted for."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from deltalake import DeltaTable, write_deltalake

from ingest import catalog
from ingest.errors import GateClosed, LakeUnavailable
from ingest.lake import DeltaLake, LocalStorage
from ingest.lake.log import appended
from ingest.model.contract import UNKNOWN_DATE, Contract, Gate
from ingest.model.delivery import Delivery
from ingest.model.tables import RAW
from tests.peak import peak_of
from tests.reading import rows_of
from tests.steps.shop import Shop, order

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
MB = 1_000_000


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders)


def at(event_id: str, moment: dt.datetime) -> Delivery:
    return order(event_id)._replace(timestamp=moment)


def dated(count: int) -> list[Delivery]:
    """One event on each of `count` dates that the contract takes, and a second one on each tenth."""
    first = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    dates = [first + dt.timedelta(days=number) for number in range(count)]
    return [*(at(f"e{date}", date) for date in dates), *(at(f"again{date}", date) for date in dates[::10])]


def widest(shop: Shop, stage: str) -> int:
    """The most event dates that one commit of a table added files of."""
    uri = shop.lake.uri(stage, "orders")
    return max(len(dates) for _, _, dates in appended(uri, 0, DeltaTable(uri).version()))


@pytest.fixture
def at_most_50_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("steps.land", "lake.raw", "lake.replaying"):
        monkeypatch.setattr(sys.modules[f"ingest.{module}"], "MOST_DATES", 50)


@pytest.mark.usefixtures("at_most_50_dates")
def test_no_commit_has_more_dates_than_its_writer_can_hold_open(shop: Shop) -> None:
    """10,000 dates, as `make soak` has them, would hold 3.7 GB open in one commit."""
    landed = shop.land(*dated(120))
    assert (landed.rows, landed.windows, landed.raw_version) == (132, 1, 3)
    shop.land(order("ordinary", day=20))
    account = shop.curate()
    assert (account.curated, len(account.partitions)) == (133, 121)
    assert (widest(shop, "raw"), widest(shop, "curated")) == (50, 50)
    raw = rows_of(shop.lake.uri("raw", "orders"))
    assert len(set(zip(raw["window"].to_pylist(), raw["row"].to_pylist(), strict=True))) == 133
    assert shop.lake.totals("orders").holds


@pytest.mark.usefixtures("at_most_50_dates")
def test_a_chunk_of_a_replay_has_no_more_dates_either(shop: Shop) -> None:
    shop.land(*[one._replace(body=b"{") for one in dated(120)])
    shop.curate()
    chunks = shop.lake.replay_chunks("orders", max_rows=1_000, max_bytes=MB)
    assert [chunk.rows for chunk in chunks] == [50, 50, 32]


def curates_dates(lake: Path, count: int) -> None:
    shop = Shop(DeltaLake(LocalStorage(lake)), catalog.load(SCHEMAS, "orders"))
    shop.land(*dated(count))
    assert shop.curate().curated == count + count // 10
    assert shop.lake.totals("orders").holds


@pytest.mark.soak
def test_ten_thousand_dates_in_one_window(tmp_path: Path) -> None:
    """A file for each in raw and in curated, ten commits each: about half a minute, and 3.7 GB if it were one."""
    assert peak_of(curates_dates, tmp_path, 10_000) < 1_500


@pytest.mark.usefixtures("at_most_50_dates")
def test_a_window_of_many_dates_that_was_landed_in_part_is_landed_again(tmp_path: Path, orders: Contract) -> None:
    class Full(DeltaLake):
        left = 2

        def append_raw(self, *arguments: Any, **options: Any) -> int:
            self.left -= 1
            if self.left < 0:
                raise LakeUnavailable("full", remedy="make room")
            return super().append_raw(*arguments, **options)

    shop = Shop(Full(LocalStorage(tmp_path)), orders)
    with pytest.raises(LakeUnavailable):
        shop.land(*dated(120))
    shop.lake = DeltaLake(LocalStorage(tmp_path))
    assert shop.land().rows == 132
    shop.curate()
    assert len(set(shop.curated())) == len(shop.curated()) == 132
    totals = shop.lake.totals("orders")
    assert (totals.holds, totals.duplicates) == (True, 100)


@pytest.mark.parametrize(
    "moment",
    [
        dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(1969, 12, 31, tzinfo=dt.UTC),
        dt.datetime(2019, 12, 31, 23, 59, tzinfo=dt.UTC),
        dt.datetime(2050, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
    ],
)
def test_a_clock_outside_the_contracts_window_files_under_the_unknown_date(shop: Shop, moment: dt.datetime) -> None:
    shop.land(at("wild", moment), order("sane"))
    assert shop.curate().partitions == (UNKNOWN_DATE.isoformat(), "2026-11-20")
    assert shop.curated() == ["sane", "wild"]
    totals = shop.lake.totals("orders")
    assert (totals.holds, totals.unknown_date) == (True, 1)
    assert shop.rebuild().account.curated == 0


def test_a_batch_without_rows_moves_nothing_and_holds_nothing_up(shop: Shop) -> None:
    assert shop.curate().landed == 0
    write_deltalake(DeltaTable(shop.lake.uri("raw", "orders")), RAW.empty_table(), mode="append")
    account = shop.curate()
    assert (account.landed, account.curated, account.pending, account.partitions) == (0, 0, 0, ())
    shop.land(order("a"))
    assert shop.curate().curated == 1
    assert shop.rebuild(21).account.curated == 0
    assert shop.lake.totals("orders").holds


def test_a_batch_all_of_whose_rows_are_bad_is_quarantined_below_the_gate_and_held_at_it(shop: Shop) -> None:
    shop.contract = dataclasses.replace(shop.contract, gate=Gate(max_rejected_share=0.05, min_rows=10))
    shop.land(*[order(f"few{number}", total=-1) for number in range(9)])
    account = shop.curate()
    assert (account.curated, account.quarantined, account.partitions) == (0, 9, ("2026-11-20",))

    shop.land(*[order(f"many{number}", raw=b"{") for number in range(10)])
    before = shop.versions()
    with pytest.raises(GateClosed, match="10 of 10 rows rejected") as closed:
        shop.curate()
    assert (closed.value.pending, shop.versions()) == (10, before)
    assert shop.lake.totals("orders").holds
    assert shop.curate(accept=True).quarantined == 10
    totals = shop.lake.totals("orders")
    assert (totals.holds, totals.quarantined, totals.curated) == (True, 19, 0)


def test_a_column_that_is_null_throughout(shop: Shop) -> None:
    shop.land(*[order(f"e{number}", promised_on=None) for number in range(20)])
    assert shop.curate().curated == 20
    assert rows_of(shop.lake.uri("curated", "orders"))["promised_on"].null_count == 20
    assert shop.rebuild().account.curated == 0


def test_a_required_column_that_is_null_throughout_says_so_of_each_row(shop: Shop) -> None:
    shop.land(*[order(f"e{number}", customer_id=None) for number in range(20)])
    assert shop.curate().quarantined == 20
    said = rows_of(shop.lake.uri("quarantine", "orders")).select(["reason", "column"]).to_pylist()
    assert Counter((row["reason"], row["column"]) for row in said) == {("required", "customer_id"): 20}


def wide(columns: int) -> Contract:
    document = yaml.safe_load((SCHEMAS / "orders" / "contract.odcs.yaml").read_text())
    document["schema"][0]["properties"] += [
        {"name": f"c{number}", "logicalType": "integer", "required": number % 2 == 0} for number in range(columns)
    ]
    suite = (SCHEMAS / "orders" / "suite.json").read_text()
    return catalog.parse(yaml.safe_dump(document), suite, dataset="orders", where="a wide contract")


def curates_wide(lake: Path, columns: int) -> None:
    """One row that keeps the contract, one that breaks it in its last required column."""
    shop = Shop(DeltaLake(LocalStorage(lake)), wide(columns))
    values: dict[str, Any] = {f"c{number}": number for number in range(columns)}
    last = f"c{(columns - 1) // 2 * 2}"
    shop.land(order("good", **values), order("bad", **{**values, last: None}))
    account = shop.curate()
    assert (account.curated, account.quarantined) == (1, 1)
    (bad,) = rows_of(shop.lake.uri("quarantine", "orders")).to_pylist()
    assert (bad["reason"], bad["column"]) == ("required", last)
    (good,) = rows_of(shop.lake.uri("curated", "orders")).select(list(values)).to_pylist()
    assert good == values


def test_a_contract_of_hundreds_of_columns(tmp_path: Path) -> None:
    """5,000, as `make soak` has them, take half a minute: Great Expectations, for each required column."""
    curates_wide(tmp_path, 300)


@pytest.mark.soak
def test_a_contract_of_thousands_of_columns(tmp_path: Path) -> None:
    curates_wide(tmp_path, 5_000)


BODIES: dict[str, Callable[[int], Delivery]] = {
    "an unknown field": lambda size: order("big", unknown="x" * size),
    "a text": lambda size: order("big", address={"street": "x" * size, "city": "Köln", "country": "DE"}),
    "a text against its pattern": lambda size: order("big", order_id="x" * size),
    "no JSON": lambda size: order("big", raw=b"{" * size),
    "nothing but depth": lambda size: order("big", raw=b"[" * size),
}


@pytest.mark.parametrize("size", [MB, pytest.param(50 * MB, marks=pytest.mark.soak)])
@pytest.mark.parametrize("kind", BODIES)
def test_a_huge_body(shop: Shop, kind: str, size: int) -> None:
    delivery = BODIES[kind](size)
    shop.land(order("small"), delivery)
    account = shop.curate()
    assert account.curated + account.quarantined == 2
    assert "small" in shop.curated()
    if account.quarantined:
        (row,) = rows_of(shop.lake.uri("quarantine", "orders")).to_pylist()
        assert row["body"] == delivery.body
        assert len(json.dumps({name: row[name] for name in ("value", "detail")})) < 1_000
    assert shop.rebuild().account.curated == 0
    assert shop.lake.totals("orders").holds


def test_one_event_a_hundred_thousand_times_is_as_many_rows_as_its_dates_are_apart(shop: Shop) -> None:
    """Under two dates within reach of each other and one that is not; then some of them again."""
    days = [10, 11, 28]
    for count, new in ((100_000, 2), (3_000, 0)):
        shop.land(*[order("same", day=days[number % 3]) for number in range(count)], rows=count)
        account = shop.curate()
        assert (account.curated, account.duplicates) == (new, count - new)
    assert shop.curated() == ["same", "same"]
    assert shop.rebuild().account.curated == 0
    assert shop.lake.totals("orders").holds

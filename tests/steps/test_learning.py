"""`unknownFields: evolve`: a field that the contract does not name becomes a column, exactly or not at all."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Column, Contract, LogicalType, UnknownFields
from ingest.steps.learning import LEARNED, learnable
from tests.reading import rows_of
from tests.steps.shop import Shop, body, order


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    evolving = dataclasses.replace(orders, unknown_fields=UnknownFields.EVOLVE)
    return Shop(DeltaLake(LocalStorage(tmp_path)), evolving)


def found(shop: Shop, *names: str) -> dict[str, tuple[Any, ...]]:
    rows = rows_of(shop.lake.uri("curated", "orders")).to_pylist()
    return {row["event_id"]: tuple(row.get(name) for name in names) for row in rows}


def test_a_scalar_field_is_a_column_from_the_first_batch_that_has_it(shop: Shop) -> None:
    shop.land(order("plain"))
    shop.curate()
    shop.land(order("strange", floor=3, door="left", lift=True, height=2.5, tags=["a"]))
    assert shop.curate().curated == 1
    assert found(shop, "floor", "door", "lift", "height", "_rescued") == {
        "plain": (None, None, None, None, None),
        "strange": (3, "left", True, 2.5, '{"tags":["a"]}'),
    }
    assert [field.path for field in shop.lake.unknown_fields("orders")] == ["tags"]
    assert shop.lake.totals("orders").holds


def test_what_a_column_cannot_hold_exactly_stays_in_rescued_and_rejects_nothing(shop: Shop) -> None:
    shop.land(order("first", floor=3, height=1.5))
    shop.curate()
    long = "0.1000000000000000055511151231257827"
    written = json.dumps(body()).replace("{", f'{{"height":{long},"floor":4.0,', 1)
    shop.land(order("text", floor="three", height=2), order("null", floor=None), order("long", raw=written.encode()))
    assert shop.curate().curated == 3
    assert found(shop, "floor", "height", "_rescued") == {
        "first": (3, 1.5, None),
        "text": (None, 2.0, '{"floor":"three"}'),
        "null": (None, None, None),
        "long": (None, None, f'{{"height":{long},"floor":4.0}}'),
    }


def test_a_rebuild_and_a_replay_fill_the_learned_column_for_rows_from_before(tmp_path: Path, orders: Contract) -> None:
    shop = Shop(DeltaLake(LocalStorage(tmp_path)), orders)
    shop.land(order("early", floor=1), order("bad", total=-1, floor=2))
    shop.curate()
    shop.contract = dataclasses.replace(orders, unknown_fields=UnknownFields.EVOLVE, digest="evolving")
    shop.land(order("late", floor=9, day=21))
    shop.curate()
    assert found(shop, "floor", "_rescued") == {"early": (None, '{"floor":1}'), "late": (9, None)}
    kept = tuple(one for one in orders.expectations if one.column != "total")
    shop.contract = dataclasses.replace(shop.contract, expectations=kept, digest="mended")
    shop.rebuild(20)
    assert found(shop, "floor", "_rescued") == {"early": (1, None), "bad": (2, None), "late": (9, None)}
    assert shop.lake.totals("orders").holds


def test_learned_columns_stay_when_the_contract_stops_learning(shop: Shop) -> None:
    shop.land(order("first", floor=3))
    shop.curate()
    shop.contract = dataclasses.replace(shop.contract, unknown_fields=UnknownFields.RESCUE, digest="no more")
    shop.lake.prepare(shop.contract)
    shop.land(order("second", floor=4, door="left"))
    shop.curate()
    assert found(shop, "floor", "door", "_rescued") == {
        "first": (3, None, None),
        "second": (4, None, '{"door":"left"}'),
    }


def test_a_contract_that_names_a_learned_column_takes_it_over(shop: Shop) -> None:
    shop.land(order("first", floor=3))
    shop.curate()
    floor = Column(name="floor", field="floor", type=LogicalType.INTEGER)
    shop.contract = dataclasses.replace(shop.contract, columns=(*shop.contract.columns, floor), digest="named")
    shop.lake.prepare(shop.contract)
    shop.land(order("second", floor=4), order("wrong", floor="x"))
    account = shop.curate()
    assert (account.curated, account.quarantined) == (1, 1)
    assert found(shop, "floor") == {"first": (3,), "second": (4,)}


def test_nested_unknown_fields_stay_in_rescued(shop: Shop) -> None:
    shop.land(order("e", address={**body()["address"], "door": "left"}))
    shop.curate()
    assert found(shop, "door", "_rescued") == {"e": (None, '{"address":{"door":"left"}}')}


KINDS = {kind.value: frozenset({kind}) for kind in LogicalType}


@pytest.mark.parametrize(
    ("name", "types", "learned"),
    [
        ("floor", KINDS["integer"], LogicalType.INTEGER),
        ("floor", KINDS["integer"] | KINDS["number"], LogicalType.NUMBER),
        ("floor", KINDS["integer"] | KINDS["string"], None),
        ("floor", KINDS["object"], None),
        ("floor", frozenset(), None),
        ("größe", KINDS["string"], None),
        ("", KINDS["string"], None),
        ("note.text", KINDS["string"], None),
        ("Total", KINDS["number"], None),
        ("Event_Date", KINDS["string"], None),
        ("batch", KINDS["integer"], None),
        ("x" * 101, KINDS["string"], None),
    ],
)
def test_what_can_be_a_column(
    orders: Contract, name: str, types: frozenset[LogicalType], learned: LogicalType | None
) -> None:
    assert [column.type for column in learnable({name: types}, orders)] == ([learned] if learned else [])


def test_names_without_end_do_not_make_columns_without_end(shop: Shop) -> None:
    fields: list[dict[str, Any]] = [{f"field{n}": n} for n in range(300)]
    shop.land(*(order(f"e{n}", **one) for n, one in enumerate(fields)))
    assert shop.curate().curated == 300
    table = rows_of(shop.lake.uri("curated", "orders"))
    names = [name for name in table.column_names if name.startswith("field")]
    assert len(names) == LEARNED
    values = [pa.chunked_array(table[name]).drop_null().to_pylist() for name in names]
    assert all(len(one) == 1 for one in values)
    assert table["_rescued"].null_count == LEARNED

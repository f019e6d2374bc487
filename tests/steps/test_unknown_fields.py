"""Fields that a contract does not name: kept, quarantined or a closed gate, as the contract says; never dropped."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import GateClosed
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract, UnknownFields
from tests.reading import rows_of
from tests.steps.shop import Shop, body, order


def shop_that(path: Path, orders: Contract, policy: UnknownFields) -> Shop:
    return Shop(DeltaLake(LocalStorage(path)), dataclasses.replace(orders, unknown_fields=policy))


def rescued(shop: Shop) -> dict[str, str | None]:
    rows = rows_of(shop.lake.uri("curated", "orders")).to_pylist()
    return {row["event_id"]: row["_rescued"] for row in rows}


_STRANGE: dict[str, Any] = {"floor": 3, "address": {**body()["address"], "door": "left"}}


def test_rescue_keeps_them_beside_the_row_and_status_tells_them(tmp_path: Path, orders: Contract) -> None:
    shop = shop_that(tmp_path, orders, UnknownFields.RESCUE)
    shop.land(order("plain"), order("strange", **_STRANGE), order("again", floor=None))
    assert shop.curate().curated == 3
    assert rescued(shop) == {
        "plain": None,
        "strange": '{"address":{"door":"left"},"floor":3}',
        "again": '{"floor":null}',
    }
    found = shop.lake.unknown_fields("orders")
    assert [(field.path, field.rows) for field in found] == [("floor", 2), ("address.door", 1)]
    shop.land(order("late", floor=1))
    shop.curate()
    newest = shop.lake.unknown_fields("orders")[0]
    assert (newest.path, newest.rows) == ("floor", 3)
    assert newest.first_seen < newest.last_seen


def test_a_rebuild_gives_the_same_rescued_fields(tmp_path: Path, orders: Contract) -> None:
    shop = shop_that(tmp_path, orders, UnknownFields.RESCUE)
    shop.land(order("plain"), order("strange", **_STRANGE))
    shop.curate()
    before = rescued(shop)
    assert all(difference.changed == 0 for difference in shop.rebuild(20).differences)
    assert rescued(shop) == before


def test_quarantine_takes_the_row_and_a_mended_contract_gives_it_back(tmp_path: Path, orders: Contract) -> None:
    shop = shop_that(tmp_path, orders, UnknownFields.QUARANTINE)
    shop.land(order("plain"), order("strange", **_STRANGE), order("bad", total=-1, floor=3))
    account = shop.curate()
    assert (account.curated, account.quarantined) == (1, 2)
    rejects = rows_of(shop.lake.uri("quarantine", "orders")).to_pylist()
    assert {row["reason"] for row in rejects} == {"unknown_fields"}
    shown = {row["event_id"]: row["value"] for row in rejects}
    assert shown == {"strange": None, "bad": '{"floor":3}'}  # the first has one inside of a private column
    shop.contract = dataclasses.replace(shop.contract, unknown_fields=UnknownFields.RESCUE, digest="mended")
    shop.rebuild(20)
    assert rescued(shop)["strange"] == '{"address":{"door":"left"},"floor":3}'
    assert shop.lake.totals("orders").holds


def test_freeze_holds_a_batch_back_for_a_single_one_however_small_the_batch(tmp_path: Path, orders: Contract) -> None:
    shop = shop_that(tmp_path, orders, UnknownFields.FREEZE)
    shop.land(order("plain"), order("strange", **_STRANGE))
    with pytest.raises(GateClosed) as closed:
        shop.curate()
    assert closed.value.expectations == {"unknown_fields": 1}
    assert "allowed: no unknown field" in str(closed.value)
    assert shop.lake.totals("orders").pending == 2
    account = shop.curate(accept=True)
    assert (account.curated, account.quarantined) == (1, 1)


def test_freeze_lets_through_what_has_none(tmp_path: Path, orders: Contract) -> None:
    shop = shop_that(tmp_path, orders, UnknownFields.FREEZE)
    shop.land(order("plain"), order("bad", total=-1))
    assert shop.curate().curated == 1


def test_names_without_end_are_told_in_a_bounded_list(tmp_path: Path, orders: Contract) -> None:
    shop = shop_that(tmp_path, orders, UnknownFields.RESCUE)
    fields: list[dict[str, Any]] = [{f"field{n}" + "x" * 500: n} for n in range(300)]
    shop.land(*(order(f"e{n}", **one) for n, one in enumerate(fields)))
    assert shop.curate().curated == 300
    found = shop.lake.unknown_fields("orders")
    assert len(found) == 100
    assert max(len(field.path) for field in found) == 100
    assert all(rescued(shop).values())

"""Changes of a container through curate, rebuild and replay: the history says what was done to which item, and when."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from ingest.decoding import decode
from ingest.errors import ConfigurationError, GateClosed
from ingest.lake.query import query
from ingest.model.container import DELETE, INFERRED, SNAPSHOT
from ingest.model.contract import Contract, Gate, UnknownFields
from ingest.model.delivery import Delivery
from ingest.model.expectation import Expectation
from ingest.model.keys import Keys
from ingest.model.tables import CHANGE, curated_schema
from ingest.steps import Limits, replay
from ingest.steps.reading import read_batch
from ingest.validate import Suite
from tests.envelope.rows import raw_of
from tests.reading import rows_of
from tests.steps.erasing import KEYS
from tests.steps.items import RID, change, customer, customers
from tests.steps.shop import Shop

HISTORY = (
    change("c-000001", 0, SNAPSHOT, day=18),
    change("c-000002", 11, "create"),
    change("c-000002", 12, "replace", city="Bonn"),
    change("c-000003", 12, "create", segment="wholesale"),
    change("c-000002", 12, "replace", index=1, city="Łódź"),
    change("c-000002", 13, DELETE, day=21),
    change("c-000003", 14, DELETE, day=21, expired=True),
    change("c-000002", 15, "create", day=21, segment="wholesale"),
    change("c-000001", 0, INFERRED, generation=1, day=22),
)
MOVING = {"window", "row", "landed_at", "batch"}
"""What tells how a row came to curated, and not what it is."""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return customers(tmp_path)


def curated(shop: Shop) -> list[dict[str, Any]]:
    rows = rows_of(shop.lake.uri("curated", "customers")).to_pylist()
    order = sorted(rows, key=lambda row: (row["generation"], row["lsn"], row["event_id"], row["index"]))
    return [{name: value for name, value in row.items() if name not in MOVING} for row in order]


def mended(contract: Contract) -> Contract:
    """With every segment allowed."""
    kept = tuple(one for one in contract.expectations if one.column != "segment")
    return dataclasses.replace(contract, expectations=kept, digest="1" * 64)


def in_steps(shop: Shop, changes: tuple[Delivery, ...] = HISTORY) -> None:
    """Landed and curated three changes at a time."""
    for start in range(0, len(changes), 3):
        shop.land(*changes[start : start + 3])
        shop.curate()


def test_the_history_says_what_was_done_to_which_item_and_in_which_order(shop: Shop) -> None:
    in_steps(shop)
    names = rows_of(shop.lake.uri("curated", "customers")).schema.names
    assert names == curated_schema(shop.contract).names
    assert [name for name in names if name in CHANGE.names] == CHANGE.names
    rows = curated(shop)
    told = [(row["operation"], row["generation"], row["lsn"], row["index"], row["expired"]) for row in rows]
    assert told == [
        (SNAPSHOT, 0, 0, 0, False),
        ("create", 0, 11, 0, False),
        ("replace", 0, 12, 0, False),
        ("replace", 0, 12, 1, False),
        (DELETE, 0, 13, 0, False),
        (DELETE, 0, 14, 0, True),
        (INFERRED, 1, 0, 0, False),
    ]
    assert {row["container_rid"] for row in rows} == {RID}
    assert [row["city"] for row in rows] == ["Köln", "Köln", "Bonn", "Łódź", None, None, None]
    assert [row["customer_id"] for row in rows[-3:]] == ["c-000002", "c-000003", "c-000001"]
    keys = [row["key"] for row in rows]
    assert (keys[0], keys[1]) == (keys[6], keys[4])
    assert len(set(keys)) == 3
    assert all(
        key == KEYS.hashed(f'["{row["customer_id"]}","{row["customer_id"]}"]')
        for key, row in zip(keys, rows, strict=True)
    )
    totals = shop.lake.totals("customers")
    assert (totals.holds, totals.raw, totals.curated, totals.quarantined) == (True, 9, 7, 2)
    dates = shop.lake.completeness(shop.contract).dates
    assert [(one.rows.raw, one.rows.curated, one.rows.quarantined) for one in dates] == [
        (1, 1, 0),
        (4, 3, 1),
        (3, 2, 1),
        (1, 1, 0),
    ]
    asked = "SELECT operation, count(*) FROM curated.customers_changes WHERE NOT expired GROUP BY ALL ORDER BY ALL"
    _, found, _ = query(shop.lake.storage, asked)
    assert found == [("create", 1), (DELETE, 1), (INFERRED, 1), ("replace", 2), (SNAPSHOT, 1)]


def test_a_change_that_comes_twice_is_a_duplicate(shop: Shop) -> None:
    in_steps(shop, HISTORY + HISTORY)
    totals = shop.lake.totals("customers")
    assert (totals.curated, totals.duplicates, totals.quarantined, totals.holds) == (7, 7, 4, True)


def test_rebuilding_changes_nothing_and_under_a_mended_contract_gives_what_curating_anew_gives(
    tmp_path: Path, shop: Shop
) -> None:
    in_steps(shop)
    for one in shop.rebuild(rows=2).differences:  # by way of files
        assert (one.added, one.removed, one.changed, one.verdicts, one.duplicates) == (0,) * 5
    anew = customers(tmp_path / "anew")
    shop.contract = anew.contract = mended(shop.contract)
    shop.rebuild()
    anew.land(*HISTORY)
    anew.curate()
    assert curated(shop) == curated(anew)
    assert len(curated(shop)) == len(HISTORY)
    assert shop.lake.totals("customers").holds


def test_a_quarantined_change_is_replayed_with_all_that_it_told(shop: Shop) -> None:
    in_steps(shop)
    contract = mended(shop.contract)
    done = replay(contract, shop.lake, decode=decode, validator=Suite(), limits=Limits(), keys=KEYS)
    assert (done.curated, done.quarantined) == (2, 0)
    moved = [row for row in curated(shop) if row["segment"] == "wholesale"]
    assert [(row["operation"], row["lsn"], row["index"], row["generation"], row["container_rid"]) for row in moved] == [
        ("create", 12, 0, 0, RID),
        ("create", 15, 0, 0, RID),
    ]
    assert shop.lake.totals("customers").holds


def test_an_items_key_is_the_same_when_a_new_key_is_put_in_front(shop: Shop) -> None:
    shop.land(change("c-000001", 1, "create"))
    shop.curate()
    shop.keys = Keys({"k2": b"n" * 32} | dict(KEYS.by_id))
    shop.land(change("c-000001", 2))
    shop.curate()
    rows = curated(shop)
    assert len({row["key"] for row in rows}) == 1
    assert [row["email"][:2] for row in rows] == ["k1", "k2"]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_new_key_behind_the_old_ones_is_refused_before_items_stand_there_twice(shop: Shop, *, deleted: bool) -> None:
    shop.land(change("c-000001", 1, DELETE if deleted else "create"))
    shop.curate()
    shop.land(change("c-000001", 2))
    for keys in (Keys(dict(KEYS.by_id) | {"k2": b"n" * 32}), Keys({"k2": b"n" * 32})):
        shop.keys = keys
        with pytest.raises(ConfigurationError, match="under the key k1") as refused:
            shop.curate()
        assert "in front" in refused.value.remedy
    shop.rebuild()
    shop.curate()
    (item,) = rows_of(shop.lake.uri("current", "customers")).to_pylist()
    assert (item["key"][:2], item["lsn"]) == ("k2", 2)


def test_where_neither_id_nor_partition_key_is_hidden_the_key_is_plain(shop: Shop) -> None:
    assert shop.contract.hides_keys
    shop.contract = dataclasses.replace(shop.contract, erasure_key=None)
    shop.land(change("c-000001", 1, "create"))
    shop.curate()
    assert [row["key"] for row in curated(shop)] == ['["c-000001","c-000001"]']


@pytest.mark.parametrize("how", [UnknownFields.QUARANTINE, UnknownFields.FREEZE])
def test_deletes_have_no_unknown_fields(shop: Shop, how: UnknownFields) -> None:
    """Of a container that is keyed by what the contract does not name, a delete tells it all the same."""
    shop.contract = dataclasses.replace(shop.contract, unknown_fields=how)
    told = change("c-000001", 1, DELETE)._replace(body=b'{"tenant": "t", "id": "c-000001"}')
    shop.land(told, change("c-000002", 2, tenant="t"))
    account = shop.curate(accept=True)
    assert (account.curated, account.quarantined) == (1, 1)


def test_fields_that_are_called_like_what_changes_have_become_no_columns(shop: Shop) -> None:
    shop.contract = dataclasses.replace(shop.contract, unknown_fields=UnknownFields.EVOLVE)
    fields = {"operation": "mine", "lsn": 7, "Expired": True, "tier": "gold"}
    body = json.dumps(customer("c-000001", **fields)).encode()
    shop.land(change("c-000001", 1, "create")._replace(body=body))
    shop.curate()
    (row,) = curated(shop)
    assert (row["operation"], row["lsn"], row["expired"], row["tier"]) == ("create", 1, False, "gold")
    assert json.loads(row["_rescued"]) == {"operation": "mine", "lsn": 7, "Expired": True}
    shop.land(change("c-000001", 2, DELETE))
    shop.curate()
    assert [one["tier"] for one in curated(shop)] == ["gold", None]


def test_what_is_asked_of_a_batch_is_not_asked_of_its_deletes(shop: Shop) -> None:
    asked = (
        Expectation("expect_column_values_to_not_be_null", {"column": "credit_limit", "mostly": 0.5}),
        Expectation("expect_column_mean_to_be_between", {"column": "credit_limit", "min_value": 250}),
        Expectation("expect_table_row_count_to_be_between", {"max_value": 2}),
    )
    expectations = (*shop.contract.expectations, *asked)
    shop.contract = dataclasses.replace(shop.contract, expectations=expectations, gate=Gate(0.05, 1))
    deletes = [change(f"c-{number:06d}", number, DELETE) for number in range(10)]
    shop.land(*deletes, change("c-000001", 11, "create"), change("c-000002", 12, "create"))
    assert shop.curate().curated == 12


def test_many_deletes_open_no_gate_for_what_is_rejected(shop: Shop) -> None:
    shop.contract = dataclasses.replace(shop.contract, gate=Gate(0.2, 3))
    deletes = [change(f"c-{number:06d}", number, DELETE) for number in range(40)]
    shop.land(*deletes, *(change(f"c-{n:06d}", 50 + n, "create", segment="wholesale") for n in range(3)))
    with pytest.raises(GateClosed, match="3 of 3 rows rejected"):
        shop.curate()
    assert shop.curate(accept=True).curated == 40


def test_bodies_and_headers_of_plain_changes_and_of_deletes_are_not_held(shop: Shop) -> None:
    read = read_batch([raw_of(*HISTORY)], shop.contract, decode, Suite())
    assert read.held.to_pylist() == [one.body.count(b"wholesale") == 1 for one in HISTORY]
    plain = read.raw.slice(1, 2)
    assert plain["body"].to_pylist() == [b""] * 2
    assert plain["headers"].to_pylist() == [None] * 2
    assert plain["container_rid"].to_pylist() == [RID] * 2


def test_a_change_that_cannot_be_read_keeps_what_is_known_of_it(shop: Shop) -> None:
    broken = change("c-000001", 3)._replace(body=b'{"id": "c-000001", ')
    nobody = change("c-000002", 4, DELETE)._replace(body=b'{"id": 2}', headers={})
    shop.land(broken, nobody, change("c-000003", 5, DELETE)._replace(headers={}))
    shop.curate(accept=True)
    rejected = rows_of(shop.lake.uri("quarantine", "customers")).sort_by("position").to_pylist()
    assert [(row["operation"], row["position"], row["reason"]) for row in rejected] == [
        ("replace", 3, "malformed"),
        (DELETE, 4, "wrong_type"),
    ]
    (row,) = curated(shop)
    assert (row["lsn"], row["index"], row["generation"], row["container_rid"], row["expired"]) == (5, 0, 0, None, False)

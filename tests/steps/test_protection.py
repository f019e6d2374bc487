"""Protected columns on their way to curated: hashed or dropped, judged before, and in no verdict, report or log."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from ingest.compose import keys_of
from ingest.decoding import decode
from ingest.errors import ConfigurationError
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract, UnknownFields
from ingest.model.expectation import Expectation
from ingest.model.keys import Keys
from ingest.settings import load_settings
from ingest.steps import Limits, replay
from ingest.validate import Suite
from tests.contracts import with_protection
from tests.reading import rows_of
from tests.steps.shop import Shop, body, order

OLD, NEW = b"o" * 32, b"n" * 32


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    contract = with_protection(orders, note="drop", customer_id="hash", total="hash", loyalty_points="hash")
    return Shop(DeltaLake(LocalStorage(tmp_path)), contract, Keys({"k1": OLD}))


def hashed(text: str, key: bytes = OLD, name: str = "k1") -> str:
    return f"{name}:{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"


def test_curated_holds_hashes_of_the_decoded_values_and_nothing_of_what_is_dropped(shop: Shop) -> None:
    shop.land(order("a", customer_id="c-000007", total=5, note="secret", loyalty_points=None))
    assert shop.curate().curated == 1
    (row,) = rows_of(shop.lake.uri("curated", "orders")).to_pylist()
    assert row["customer_id"] == hashed("c-000007")
    assert row["total"] == hashed("5.00")
    assert row["loyalty_points"] is None
    assert "note" not in row
    assert row["status"] == "placed"


def test_what_is_protected_is_judged_by_its_plain_value_and_a_reject_does_not_show_it(shop: Shop) -> None:
    shop.land(
        order("pattern", customer_id="somebody"),
        order("range", total=-17),
        order("type", note=4711),
        order("nested", address={"street": 12345}),
        order("plain", status="unheard-of"),
    )
    assert shop.curate(accept=True).quarantined == 5
    rejects = rows_of(shop.lake.uri("quarantine", "orders")).to_pylist()
    told = {row["event_id"]: (row["column"], row["value"]) for row in rejects}
    assert told == {
        "pattern": ("customer_id", None),
        "range": ("total", None),
        "type": ("note", None),
        "nested": ("address.street", None),
        "plain": ("status", "unheard-of"),
    }
    assert not any(value in row["detail"] for row in rejects for value in ("somebody", "17.00", "4711", "12345"))


def test_a_comparison_with_a_private_column_does_not_show_it(shop: Shop) -> None:
    pair = Expectation("expect_column_pair_values_to_be_equal", {"column_A": "status", "column_B": "customer_id"})
    shop.contract = dataclasses.replace(shop.contract, expectations=(pair,))
    shop.land(order("a", customer_id="c-000007"))
    shop.curate(accept=True)
    (reject,) = rows_of(shop.lake.uri("quarantine", "orders")).to_pylist()
    assert (reject["column"], reject["value"]) == ("status", None)


def test_fields_beside_a_dropped_column_are_dropped_and_those_of_a_private_one_not_shown(shop: Shop) -> None:
    strange: dict[str, Any] = {"address": {**body()["address"], "door": "left"}, "floor": 1.50}
    shop.contract = with_protection(shop.contract, address="drop")
    shop.lake = DeltaLake(LocalStorage(Path(shop.lake.uri("raw", "orders")).parents[1] / "other"))
    shop.lake.prepare(shop.contract)
    hidden = json.dumps(body(**strange)).replace('"address"', '"\\u0061ddress"').encode()
    shop.land(order("a", **strange), order("b", address=strange["address"]), order("hidden", raw=hidden))
    shop.curate(accept=True)
    rows = rows_of(shop.lake.uri("curated", "orders")).to_pylist()
    rescued = {row["event_id"]: row["_rescued"] for row in rows}
    assert rescued == {"a": '{"floor":1.5}', "b": None, "hidden": '{"floor":1.5}'}
    assert "left" not in str(rows)
    shop.contract = dataclasses.replace(shop.contract, unknown_fields=UnknownFields.QUARANTINE)
    shop.land(order("c", **strange), order("d", floor=2))
    shop.curate(accept=True)
    rejects = rows_of(shop.lake.uri("quarantine", "orders")).to_pylist()
    assert {row["event_id"]: row["value"] for row in rejects} == {"c": None, "d": '{"floor":2}'}


def test_neither_report_nor_log_holds_a_private_value(shop: Shop, tmp_path: Path) -> None:
    """The bytes themselves are searched: of the reports, and of curated's log with its checkpoint."""
    shop.land(
        order("a", customer_id="c-424242", address={"street": "Zeughausgasse"}, total=31337, note="wine cellar"),
        order("b", customer_id="zz-top", address={"street": "Zeughausgasse"}, total=-31337),
    )
    shop.curate(accept=True)
    log = Path(shop.lake.uri("curated", "orders")) / "_delta_log"
    DeltaTable(shop.lake.uri("curated", "orders")).create_checkpoint()
    searched = [*log.rglob("*"), *(tmp_path / "_lakepost" / "reports").rglob("*")]
    texts = b"".join(file.read_bytes() for file in searched if file.is_file())
    assert b"o-00000001" in texts, "the log does hold bounds of what is not classified"
    for value in ("c-424242", "zz-top", "Zeughausgasse", "31337", "wine cellar", hashed("c-424242")):
        assert value.encode() not in texts


def test_statistics_end_when_the_contract_classifies_a_column(tmp_path: Path, orders: Contract) -> None:
    plain = dataclasses.replace(
        orders, columns=tuple(dataclasses.replace(column, classification=None) for column in orders.columns)
    )
    shop = Shop(DeltaLake(LocalStorage(tmp_path)), plain)
    shop.land(order("a", note="before"))
    shop.curate()
    shop.contract = orders
    shop.lake.prepare(orders)
    shop.lake.prepare(orders)
    version = DeltaTable(shop.lake.uri("curated", "orders")).version()
    shop.land(order("b", note="afterwards"))
    shop.curate()
    log = Path(shop.lake.uri("curated", "orders")) / "_delta_log"
    assert b"before" in (log / f"{version - 1:020d}.json").read_bytes()
    assert b"afterwards" not in b"".join(file.read_bytes() for file in log.iterdir() if file.is_file())


def test_after_a_new_key_new_rows_have_it_and_a_rebuild_gives_it_to_the_old_ones(shop: Shop) -> None:
    shop.land(order("old", day=18))
    shop.curate()
    shop.keys = Keys({"k2": NEW, "k1": OLD})
    shop.land(order("new", day=19))
    shop.curate()
    assert customers(shop) == {"old": hashed("c-000001"), "new": hashed("c-000001", NEW, "k2")}
    (changed, unchanged) = shop.rebuild().differences
    assert (changed.changed, unchanged.changed) == (1, 0)
    assert customers(shop) == dict.fromkeys(("old", "new"), hashed("c-000001", NEW, "k2"))
    assert shop.lake.totals("orders").holds


def customers(shop: Shop) -> dict[str, str]:
    rows = rows_of(shop.lake.uri("curated", "orders")).to_pylist()
    return {row["event_id"]: row["customer_id"] for row in rows}


def test_a_replay_protects_what_it_moves(shop: Shop) -> None:
    shop.land(order("a", status="unheard-of", note="secret"))
    shop.curate(accept=True)
    mended = dataclasses.replace(
        shop.contract, expectations=tuple(one for one in shop.contract.expectations if one.column != "status")
    )
    replay(mended, shop.lake, decode=decode, validator=Suite(), limits=Limits(), keys=shop.keys)
    assert customers(shop) == {"a": hashed("c-000001")}


def test_without_a_key_nothing_is_recorded_and_the_error_says_how_to_make_one(shop: Shop) -> None:
    keys, shop.keys = shop.keys, Keys()
    shop.land(order("a"))
    before = shop.versions()
    with pytest.raises(ConfigurationError, match="openssl rand"):
        shop.curate()
    assert shop.versions() == before
    shop.keys = keys
    assert shop.curate().curated == 1


def test_keys_are_read_in_their_order_and_never_shown() -> None:
    text = base64.b64encode(OLD).decode()
    settings = load_settings(pii_keys=f"k2:{base64.b64encode(NEW).decode()}, k1:{text}", _env_file=None)
    keys = keys_of(settings)
    assert (keys.current, dict(keys.by_id)) == ("k2", {"k2": NEW, "k1": OLD})
    assert not any(secret in repr((settings, keys)) for secret in (text, str(OLD)))


@pytest.mark.parametrize("given", ["k1", "k1:c2hvcnQ=", "k1:%%%", ":{0}", "k 1:{0}", "k1:{0},k1:{0}", "k1:{0},"])
def test_a_wrong_key_is_refused_by_its_place_and_not_repeated(given: str) -> None:
    text = given.format(base64.b64encode(OLD).decode())
    with pytest.raises(ConfigurationError, match=r"entry \d is not ID:KEY") as refused:
        keys_of(load_settings(pii_keys=text, _env_file=None))
    assert base64.b64encode(OLD).decode() not in str(refused.value)
    assert json.dumps(text) not in str(refused.value)

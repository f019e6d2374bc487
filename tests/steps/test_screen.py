"""Whose a row is, however it is said: recognised by keyed hash, and nobody else is taken for them."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ingest.decoding import decode
from ingest.errors import ConfigurationError
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from ingest.model.delivery import CONTENT_PREFIX
from ingest.model.erasure import ERASED_ID
from ingest.model.keys import Keys
from ingest.steps import Limits, replay
from ingest.steps.screen import erasure_of, screen_of
from ingest.validate import Suite
from tests.contracts import with_protection
from tests.reading import rows_of
from tests.steps.erasing import GONE, KEYS, erase, everywhere, fill
from tests.steps.shop import Shop, order


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders, KEYS)


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
    screen = screen_of(shop.contract, shop.lake, KEYS, decode.opened)
    bodies = [order(str(n), customer_id=f"c-{n:06d}").body for n in range(20_000)]
    nothing = pa.nulls(len(bodies), pa.string())
    rows = pa.table({"operation": nothing, "body": bodies} | dict.fromkeys(_PROPERTIES, nothing))
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


_PROPERTIES = ("content_type", "content_encoding", "headers")

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

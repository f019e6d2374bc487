"""The search of every byte: what it removes, what it leaves and tells, what it cannot know."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import os
import time
from pathlib import Path

import pytest
from deltalake import DeltaTable

from ingest.decoding import decode
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from ingest.model.upkeep import SPARED_HOURS
from ingest.steps import maintain
from tests.steps.erasing import GONE, KEYS, erase, everywhere, fill
from tests.steps.shop import Shop, body, order


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders, KEYS)


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
    found = shop.lake.prove("orders", GONE, column, [], opened=decode.opened, nobody_is_active=True)
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
    shop.land(order("packed", raw=packed)._replace(content_encoding="br"), order("bytes", raw=b"\xff\xfe\x00"))
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


def test_another_persons_row_that_mentions_the_value_stays_and_is_told(shop: Shop) -> None:
    shop.land(order("mentions", note=f"give it to {GONE}, please"), order("a", customer_id=GONE))
    shop.curate()
    done = erase(shop)
    assert (done.erased, done.proved, done.pending) == (1, False, False)
    assert {path.split("/")[0] for path in done.searched.found} == {"raw", "curated"}


def test_another_persons_row_that_mentions_the_value_is_told_however_it_is_packed(shop: Shop) -> None:
    """Compressed, and as base64 in an envelope: no plain search of the file would find it."""
    mention = json.dumps({**body(), "note": f"give it to {GONE}"}).encode()
    event = {"id": "b", "source": "/s", "data_base64": base64.b64encode(mention).decode()}
    packed = order("a", raw=gzip.compress(mention))._replace(content_encoding="gzip")
    shop.land(packed, order(None, raw=json.dumps(event).encode())._replace(content_type="application/cloudevents+json"))
    shop.curate()
    done = erase(shop)
    assert (done.erased, done.proved, done.searched.unreadable) == (0, False, 0)
    assert {path.split("/")[0] for path in done.searched.found} == {"raw", "curated"}

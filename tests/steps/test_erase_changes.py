"""Somebody erased from a container's dataset: every change of theirs, deletes too, and what stands for their key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingest.lake import paths
from ingest.model.container import DELETE, INFERRED, SNAPSHOT, fingerprint
from ingest.model.erasure import ERASED, ERASED_ID
from tests.reading import rows_of
from tests.steps.erasing import GONE, KEYS, erase, everywhere
from tests.steps.items import change, customers
from tests.steps.shop import Shop

KEY = f'["{GONE}","{GONE}"]'


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = customers(tmp_path)
    shop.land(change(GONE, 1, SNAPSHOT, day=18), change("c-000001", 2, SNAPSHOT, day=18))
    shop.curate()
    shop.land(change(GONE, 3), change(GONE, 4, segment="?"), change(GONE, 5, DELETE), change("c-000001", 6, DELETE))
    shop.land(change(GONE, 7, INFERRED, generation=1)._replace(body=json.dumps({"id": GONE, "country": "DE"}).encode()))
    shop.curate()
    return shop


def test_every_change_of_theirs_goes_deletes_too_and_no_hash_of_their_key_stays(shop: Shop) -> None:
    assert everywhere(shop)
    done = erase(shop)
    assert (done.erased, done.curated, done.quarantined, done.proved) == (5, 4, 1, True)
    for told in (GONE, fingerprint(KEY), KEYS.hashed(KEY), KEYS.hashed(GONE)):
        assert everywhere(shop, told) == []
    rows = rows_of(shop.lake.uri("raw", "customers")).sort_by("position").to_pylist()
    gone = [row for row in rows if row["operation"] == ERASED]
    assert [(row["position"], row["event_id"], row["key"], row["body"]) for row in gone] == [
        (lsn, ERASED_ID, None, b"") for lsn in (1, 3, 4, 5, 7)
    ]
    curated = rows_of(shop.lake.uri("curated", "customers")).sort_by("lsn")
    assert curated["customer_id"].to_pylist() == ["c-000001"] * 2
    totals = shop.lake.totals("customers")
    assert (totals.holds, totals.curated, totals.erased) == (True, 2, 5)


def test_neither_a_later_change_nor_a_snapshot_nor_a_rebuild_brings_them_back(shop: Shop) -> None:
    erase(shop)
    shop.land(change(GONE, 8, "create"), change(GONE, 9, SNAPSHOT, generation=2), change(GONE, 10, DELETE))
    shop.land(change("c-000002", 11, "create"))
    for told in (GONE, fingerprint(KEY)):
        assert everywhere(shop, told) == [], "land keeps nothing of it"
    shop.curate()
    shop.rebuild()
    totals = shop.lake.totals("customers")
    assert (totals.holds, totals.curated, totals.erased, totals.quarantined) == (True, 3, 8, 0)


def test_the_search_looks_for_what_stands_for_their_key(shop: Shop) -> None:
    left = paths.feed_ranges("customers", "shop/customers")
    shop.lake.storage.put_if_absent(left, json.dumps({"seen": fingerprint(KEY)}).encode())
    assert erase(shop).searched.found == (left,)

"""Upkeep loses no row, and takes what nobody needs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from deltalake import DeltaTable

from ingest.errors import ConfigurationError, LakeUnavailable
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from ingest.model.upkeep import LONGEST_TASK, SPARED_HOURS
from ingest.steps import maintain
from tests.steps.shop import Shop, order


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders)


def files(shop: Shop, table: str) -> set[str]:
    return {str(path) for path in Path(shop.lake.uri(table, "orders")).glob("event_date=*/*.parquet")}


def now(shop: Shop) -> None:
    maintain.vacuum("orders", shop.lake, older_than=0, nobody_is_active=True)


def test_after_compact_and_vacuum_the_glob_agrees_with_the_log_and_the_account_holds(shop: Shop) -> None:
    for name in "abc":
        shop.land(order(name), order(f"bad{name}", total=-1))
        shop.curate()
    done = {one.table: one for one in maintain.compact("orders", shop.lake)}
    assert {name: (one.files_before, one.files_after) for name, one in done.items()} == dict.fromkeys(done, (3, 1))
    assert len(files(shop, "curated")) == 4
    now(shop)
    for table in ("curated", "quarantine"):  # raw keeps what a rebuild reads as of the position
        assert files(shop, table) == set(DeltaTable(shop.lake.uri(table, "orders")).file_uris())
    assert shop.lake.totals("orders").holds
    assert shop.curated() == ["a", "b", "c"]


def test_unread_versions_survive_compaction_and_vacuum_and_are_curated(shop: Shop) -> None:
    shop.land(order("read"))
    shop.curate()
    for name in "abc":
        shop.land(order(name))
        maintain.compact("orders", shop.lake)
    now(shop)
    assert shop.lake.totals("orders").pending == 3
    assert shop.curate().curated == 3
    assert shop.curated() == ["a", "b", "c", "read"]


def test_the_loss_a_plain_vacuum_of_what_was_compacted_unread(shop: Shop) -> None:
    shop.land(order("a"))
    shop.land(order("b"))
    maintain.compact("orders", shop.lake)
    raw = DeltaTable(shop.lake.uri("raw", "orders"))
    raw.vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    with pytest.raises(LakeUnavailable):
        shop.curate()


def test_only_old_orphans_of_killed_writers_are_removed(shop: Shop) -> None:
    shop.land(order("a"))
    (present,) = files(shop, "raw")
    old, young = (Path(present).with_name(f"part-{age}.parquet") for age in ("old", "young"))
    for orphan in (old, young):
        orphan.write_bytes(b"half a file")
    hours = SPARED_HOURS * 3600 + 60
    os.utime(old, (time.time() - hours, time.time() - hours))
    before = shop.versions()
    told = maintain.vacuum("orders", shop.lake, dry_run=True)[0]
    assert (told.files, told.bytes, [Path(name).name for name in told.names]) == (1, 11, [old.name])
    assert shop.versions() == before
    maintain.vacuum("orders", shop.lake)
    assert (old.exists(), young.exists(), Path(present).exists()) == (False, True, True)


def test_less_than_the_longest_task_is_refused_unless_nobody_is_active(shop: Shop) -> None:
    assert LONGEST_TASK.total_seconds() < SPARED_HOURS * 3600
    with pytest.raises(ConfigurationError, match="running task"):
        maintain.vacuum("orders", shop.lake, older_than=SPARED_HOURS - 1)


def test_a_compaction_that_would_be_changes_nothing(shop: Shop) -> None:
    shop.land(order("a"))
    shop.land(order("b"))
    before = shop.versions()
    assert maintain.compact("orders", shop.lake, dry_run=True)[0].files_before == 2
    assert shop.versions() == before

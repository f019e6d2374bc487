"""Upkeep loses no row, and takes what nobody needs."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import time
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ingest import catalog
from ingest.errors import ConfigurationError, LakeUnavailable
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from ingest.model.tables import RAW
from ingest.model.upkeep import LONGEST_TASK, SPARED_HOURS
from ingest.steps import maintain
from tests.many import append_many, many
from tests.peak import peak_of
from tests.steps.shop import Shop, order

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


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
    for table in ("raw", "curated", "quarantine"):
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


def test_what_was_read_before_a_compaction_goes_though_nothing_is_read_after_it(shop: Shop) -> None:
    """A quiet queue: the position stays before the compaction for as long as nothing lands."""
    for name in "ab":
        shop.land(order(name))
    shop.curate()
    maintain.compact("orders", shop.lake)
    now(shop)
    assert len(files(shop, "raw")) == 1
    shop.land(order("c"))
    shop.land(order("d"))
    maintain.compact("orders", shop.lake)
    now(shop)
    assert len(files(shop, "raw")) > 1, "c and d are not read yet"
    assert shop.curate().curated == 2
    now(shop)
    assert len(files(shop, "raw")) == 1
    assert shop.rebuild().account.curated == 0


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


def test_a_long_log_is_read_from_its_newest_checkpoint(shop: Shop) -> None:
    """Commits from before it may be gone: opening does not read them."""
    for number in range(101):
        append_many(shop.lake, many(number, 1, [dt.date(2026, 11, 20)]))
    log = Path(shop.lake.uri("raw", "orders")) / "_delta_log"
    newest = max(int(path.name.split(".")[0]) for path in log.glob("*.checkpoint.parquet"))
    assert newest > 75
    for version in range(newest):
        (log / f"{version:020d}.json").unlink()
    assert DeltaTable(shop.lake.uri("raw", "orders")).count() == 101


def test_the_log_is_cleaned_up_to_what_is_unread_and_not_beyond(shop: Shop) -> None:
    for number in range(105):
        append_many(shop.lake, many(number, 1, [dt.date(2026, 11, 20)]))
    log = Path(shop.lake.uri("raw", "orders")) / "_delta_log"
    shop.curate(rows=40, batches=1)
    age(log, days=40)
    told = maintain.vacuum("orders", shop.lake)[0]
    assert (told.log_files, told.log_kept is None) == (0, False)
    assert len(list(log.glob("*.json"))) == 106
    assert shop.curate().curated == 65
    age(log, days=40)
    told = maintain.vacuum("orders", shop.lake)[0]
    assert (told.log_files > 90, told.log_kept) == (True, None)
    assert not (log / f"{40:020d}.json").exists()
    assert shop.lake.totals("orders").holds
    assert shop.rebuild().account.curated == 0
    shop.land(order("late"))
    assert shop.curate().curated == 1


def age(log: Path, *, days: int) -> None:
    """The log as if all of it were `days` older: its files, and the times that its commits say."""
    moment = time.time() - days * 86_400
    for path in log.glob("*.json"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            if "commitInfo" in line:
                line["commitInfo"]["timestamp"] = int(moment * 1000)
        path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    for path in log.iterdir():
        os.utime(path, (moment, moment))


def compacts_much(lake: Path, files: int) -> None:
    """One partition of `files` files of 100,000 rows."""
    shop = Shop(DeltaLake(LocalStorage(lake)), catalog.load(SCHEMAS, "orders"))
    for number in range(files):
        append_many(shop.lake, varied(number * 100_000, 100_000))
    assert maintain.compact("orders", shop.lake)[0].files_before == files


def varied(first: int, count: int) -> pa.Table:
    """Rows whose bodies do not compress: about 600 bytes each."""
    rows, chance = many(first, count, [dt.date(2026, 11, 20)]), random.Random(first)
    bodies = pa.array([chance.randbytes(600) for _ in range(count)], RAW.field("body").type)
    return rows.set_column(RAW.get_field_index("body"), RAW.field("body"), bodies)


@pytest.mark.soak
def test_memory_does_not_grow_with_what_is_compacted(tmp_path: Path) -> None:
    """180 MB and 900 MB of one partition."""
    little, much = (peak_of(compacts_much, tmp_path / str(files), files) for files in (3, 15))
    assert much < 1.5 * little


def test_a_compaction_that_would_be_changes_nothing(shop: Shop) -> None:
    shop.land(order("a"))
    shop.land(order("b"))
    before = shop.versions()
    assert maintain.compact("orders", shop.lake, dry_run=True)[0].files_before == 2
    assert shop.versions() == before

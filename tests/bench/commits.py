"""`make bench`: what the commit of a window costs after 1 … 5,000 windows, with the shipped upkeep and without it.

Raw gets windows of five event dates and few rows, so that what is measured is the commit and not the rows. With
upkeep, `maintain__lake` comes after every `UPKEEP_EVERY` windows: it runs hourly, and 100 windows of 50,000 rows
are 5 million rows an hour, far more than a land every 15 minutes finds in most lakes. Each figure is the median of
the last windows before the next upkeep, the slowest ones. An hour passes in four or five seconds here, so raw's log
is kept, and names what compactions replaced, for 30 seconds in place of six hours. Curate keeps up, as it does after
each land.

Without upkeep, the log between two measured windows is written by copying the last commit, with its files, under new
names: 5,000 real commits would take half an hour. The yardstick is a whole window of 50,000 rows: received from the
source in memory, made rows, committed to an empty lake, in turns with the commits. The result is written to
`tests/bench/results/commits.json`.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import structlog
from deltalake import DeltaTable
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ingest import catalog
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.ports import Batch
from ingest.model.tables import curated_schema
from ingest.steps import maintain
from tests.many import append_many, many
from tests.steps.shop import Shop, order

ROOT = Path(__file__).resolve().parents[2]
UPKEEP_EVERY = 100
MEASURED = (1, 500, 1_000, 2_500, 5_000)
SAMPLE = 20
DAYS = (17, 18, 19, 20, 21)
DATES = [dt.date(2026, 11, day) for day in DAYS]
console = Console()


def new_shop(folder: Path) -> Shop:
    """An empty lake."""
    return Shop(DeltaLake(LocalStorage(folder)), catalog.load(ROOT / "schemas", "orders"))


def whole_window() -> float:
    """Seconds to land a window of 50,000 rows in an empty lake."""
    with tempfile.TemporaryDirectory(prefix="lakepost-bench-") as folder:
        shop = new_shop(Path(folder))
        for event in range(50_000):
            shop.broker.publish(order(f"e{event}", day=DAYS[event % len(DAYS)]))
        begun = time.perf_counter()
        landed = shop.land()
        seconds = time.perf_counter() - begun
    if (landed.rows, landed.windows) != (50_000, 1):
        raise SystemExit(f"not one window of 50,000 rows: {landed}")
    return seconds


def commit_seconds(shop: Shop, number: int) -> float:
    """Seconds of one commit of a window of ten rows."""
    rows = many(number * 10, 10, DATES)
    begun = time.perf_counter()
    append_many(shop.lake, rows)
    return time.perf_counter() - begun


def with_upkeep(folder: Path) -> tuple[dict[int, float], dict[int, float], float]:
    """Before each measured window: the median commit, and a whole window; and the longest upkeep. In seconds."""
    shop = new_shop(folder)
    raw = DeltaTable(shop.lake.uri("raw", "orders"))
    shorter = ("delta.deletedFileRetentionDuration", "delta.logRetentionDuration")
    raw.alter.set_table_properties(dict.fromkeys(shorter, "interval 30 seconds"))
    commits: dict[int, list[float]] = {window: [] for window in MEASURED}
    windows: dict[int, list[float]] = {window: [] for window in MEASURED}
    read, upkeep = 0, 0.0
    for number in track(range(1, MEASURED[-1] + 1), description="with upkeep"):
        seconds = commit_seconds(shop, number)
        for window in MEASURED:
            if window - SAMPLE < number <= window:
                commits[window].append(seconds)
                if (window - number) % 4 == 0:  # in turns, so that the machine's mood falls on both
                    windows[window].append(whole_window())
        if number % UPKEEP_EVERY == 0:
            read = curated(shop, read)
            begun = time.perf_counter()
            maintain.compact("orders", shop.lake)
            maintain.vacuum("orders", shop.lake)
            upkeep = max(upkeep, time.perf_counter() - begun)
    return medians(commits), medians(windows), upkeep


def medians(found: dict[int, list[float]]) -> dict[int, float]:
    """The median of each."""
    return {window: statistics.median(seconds) for window, seconds in found.items()}


def curated(shop: Shop, after: int) -> int:
    """Move curated's position to raw's version as a batch would, without its rows; returns it."""
    until = DeltaTable(shop.lake.uri("raw", "orders")).version()
    batch = Batch("orders", after, until, shop.contract.digest)
    account: dict[str, Any] = {"kind": "curate", "batch": until, "after": after, "records": 0, "curated": 0}
    account |= {"quarantined": 0, "duplicates": 0, "accepted": False, "contract_version": shop.contract.version}
    account |= {"contract_digest": shop.contract.digest, "partitions": "[]", "rejected": "{}"}
    account |= {"committed_at": dt.datetime.now(dt.UTC).isoformat()}
    shop.lake.write_curated(batch, curated_schema(shop.contract).empty_table(), account)
    shop.lake.write_accounts("orders")
    return until


def without_upkeep(folder: Path) -> dict[int, float]:
    """The median commit before each measured window, in seconds."""
    shop, found = new_shop(folder), {1: 0.0}
    found[1] = commit_seconds(shop, 1)
    for window in track(MEASURED[1:], description="without upkeep"):
        copy_commits(Path(shop.lake.uri("raw", "orders")), window - SAMPLE)
        found[window] = statistics.median(commit_seconds(shop, number) for number in range(window - SAMPLE, window))
    return found


def copy_commits(table: Path, until: int) -> None:
    """Repeat the newest commit up to version `until`, with the checkpoints that delta-rs would make."""
    newest = DeltaTable(table).version()
    actions = [json.loads(line) for line in (table / "_delta_log" / f"{newest:020d}.json").read_text().splitlines()]
    for version in range(newest + 1, until + 1):
        lines = [json.dumps(renamed(action, table, version)) for action in actions]
        (table / "_delta_log" / f"{version:020d}.json").write_text("\n".join(lines) + "\n")
        if version % 25 == 24:
            DeltaTable(table).create_checkpoint()


def renamed(action: dict[str, Any], table: Path, version: int) -> dict[str, Any]:
    """The action as that of another version, with a file of its own."""
    if "add" in action:
        path = Path(action["add"]["path"])
        copied = path.with_name(f"part-{uuid.uuid4()}.parquet")
        os.link(table / path, table / copied)
        return {"add": {**action["add"], "path": str(copied)}}
    if "txn" in action:
        return {"txn": {**action["txn"], "version": version}}
    return action


def main() -> None:
    """Measure, print, write."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with tempfile.TemporaryDirectory(prefix="lakepost-bench-") as folder:
        kept, windows, upkeep = with_upkeep(Path(folder) / "with")
        left = without_upkeep(Path(folder) / "without")
    table = Table("window", "commit with upkeep, ms", "50,000-row window, ms", "share", "commit without upkeep, ms")
    for number in MEASURED:
        cells = [f"{found[number] * 1000:.0f}" for found in (kept, windows, left)]
        table.add_row(f"{number:,}", *cells[:2], f"{kept[number] / windows[number]:.1%}", cells[2])
    console.print(table)
    console.print(f"the longest upkeep: {upkeep:.1f} s")
    results = {
        "upkeep_every_windows": UPKEEP_EVERY,
        "longest_upkeep_s": upkeep,
        "window_of_50000_rows_s": windows,
        "commit_with_upkeep_s": kept,
        "commit_without_upkeep_s": left,
        "share_at_5000": kept[MEASURED[-1]] / windows[MEASURED[-1]],
    }
    (ROOT / "tests" / "bench" / "results" / "commits.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

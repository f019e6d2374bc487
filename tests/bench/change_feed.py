"""land from a change feed: against a bare loop of the SDK over the same feed that keeps nothing, and by four ranges.

The documents are in two containers, one of one feed range, one of four. In turns: the bare loop over the one range,
land of the one, land of all four at once; ratios are of each round's rates, their median, the lowest and the highest.
Both sides connect within what is measured, and ask for pages of 1,000. The service is the local one, a process of its
own on the same processors: its share of each run's processor time is told. Once it answers at once, and once each page
comes after 10 ms, as from a service that is not on this machine. The result is written to `tests/bench/results/`.

usage: change_feed.py [--documents N] [--rounds N] [--latencies MS,MS]
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from azure.cosmos import CosmosClient, PartitionKey
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

import ingest.sources.cosmos  # noqa: F401 - `api.land` imports it where it is used, which takes a second
from cosmos import Local, epk
from ingest import api, catalog
from ingest.settings import Settings
from tests.catalog.orders import SUITE
from tests.catalog.test_container import with_container

__all__ = ["main"]

RESULTS = Path(__file__).parent / "results" / "change_feed.json"
FLOORS = {"one range": ("bare loop", 0.9), "four ranges": ("one range", 1.5)}
RANGES = {"one": 1, "four": 4}
DATABASE, PAGE = "shop", 1_000
_THROUGHPUT = 10_000  # for each physical range
_NOTE = "Wässerchen, sparkling, twelve bottles of one litre each, to be left at the door. " * 4
console = Console(width=120)


@dataclass(frozen=True)
class Run:
    """Documents a second, and processor seconds: of who reads, and of the service meanwhile."""

    rate: float
    cpu: float
    service: float


def fill(account: Local, container: str, documents: int) -> None:
    """Documents in transactions of a page's size, of as many partition keys, which are even over four ranges."""
    keys = _keys()
    for first in range(0, documents, PAGE):
        key = next(keys)
        bodies = [
            {"id": f"c-{n:08d}", "country": key, "n": n, "total": n / 7, "note": _NOTE, "tags": ["a", "b"]}
            for n in range(first, first + PAGE)
        ]
        account.transaction(
            DATABASE, container, [key], [{"operationType": "Create", "resourceBody": body} for body in bodies]
        )


def _keys() -> Iterator[str]:
    waiting: list[list[str]] = [[] for _ in range(4)]
    number = 0
    while True:
        while not all(waiting):
            key = f"k{number}"
            waiting[int(epk.effective([key])[:1], 16)].append(key)
            number += 1
        yield from [some.pop() for some in waiting]


def bare(account: Local, container: str) -> int:
    """The SDK's own loop."""
    with CosmosClient(account.endpoint, account.key) as client:
        feed = client.get_database_client(DATABASE).get_container_client(container)
        pages = feed.query_items_change_feed(start_time="Beginning", max_item_count=PAGE).by_page()
        return sum(len(list(page)) for page in pages)


def land(account: Local, folder: Path, container: str) -> int:
    """Into tables of its own."""
    schemas = folder / container / "orders"
    if not schemas.exists():
        schemas.mkdir(parents=True)
        told = with_container(container=container, database=DATABASE, mode="LatestVersion", partitionKey=["/country"])
        (schemas / catalog.CONTRACT_FILE).write_text(told)
        (schemas / catalog.SUITE_FILE).write_text(SUITE)
    return api.land(_settings(account, folder, container), "orders").landed


def _settings(account: Local, folder: Path, container: str) -> Settings:
    return Settings(
        lake_url=Path(tempfile.mkdtemp(dir=folder)).as_uri(),
        schemas_dir=folder / container,
        cosmos_endpoint=account.endpoint,
        cosmos_key=SecretStr(account.key),
    )


def timed(account: Local, read: Callable[[], int], documents: int) -> Run:
    """Fails unless everything was read."""
    began, used, served = time.perf_counter(), time.process_time(), service_seconds(account)
    count = read()
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    if count != documents:
        raise SystemExit(f"{count} documents were read, not {documents}")
    return Run(documents / seconds, cpu, service_seconds(account) - served)


def service_seconds(account: Local) -> float:
    """Of the processor, since it was started."""
    told = Path(f"/proc/{account.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def figures(runs: dict[str, list[Run]]) -> dict[str, Any]:
    """What is written of each reader."""
    found: dict[str, Any] = {}
    for name, some in runs.items():
        found[name] = {
            "per_second": statistics.median(run.rate for run in some),
            "runs": [round(run.rate) for run in some],
            "cpu_seconds": round(statistics.median(run.cpu for run in some), 2),
            "service_cpu_seconds": round(statistics.median(run.service for run in some), 2),
        }
        if name in FLOORS:
            against, floor = FLOORS[name]
            ratios = [one.rate / other.rate for one, other in zip(some, runs[against], strict=True)]
            found[name]["is"] = {
                "of": against,
                "floor": floor,
                "median": round(statistics.median(ratios), 2),
                "min": round(min(ratios), 2),
                "max": round(max(ratios), 2),
            }
    return found


def shown(found: dict[str, Any]) -> Table:
    """What was found, as a table."""
    table = Table("reader", "documents/s", "is (min to max)", "floor", "processor s", "the service's")
    for name, one in found.items():
        ratio = one.get("is")
        told = f"{ratio['median']:.2f} x {ratio['of']} ({ratio['min']:.2f} to {ratio['max']:.2f})" if ratio else ""
        seconds = f"{one['cpu_seconds']:.2f}", f"{one['service_cpu_seconds']:.2f}"
        table.add_row(name, f"{one['per_second']:,.0f}", told, f"{ratio['floor']} x" if ratio else "", *seconds)
    return table


def in_turns(account: Local, folder: Path, documents: int, rounds: int) -> dict[str, list[Run]]:
    """Each reader in turn, round after round."""
    readers = {
        "bare loop": lambda: bare(account, "one"),
        "one range": lambda: land(account, folder, "one"),
        "four ranges": lambda: land(account, folder, "four"),
    }
    runs: dict[str, list[Run]] = {reader: [] for reader in readers}
    for turn in range(rounds):
        for reader, read in readers.items():
            run = timed(account, read, documents)
            runs[reader].append(run)
            console.print(f"  {turn + 1}/{rounds} {reader}: {run.rate:,.0f}/s, processor {run.cpu:.1f} s")
    return runs


def main() -> None:
    """Measure and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latencies", type=lambda text: [int(one) for one in text.split(",")], default=[0, 10])
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found: dict[str, Any] = {"documents": arguments.documents, "rounds": arguments.rounds}
    with tempfile.TemporaryDirectory(prefix="lakepost-bench-") as name, Local(Path(name) / "account") as account:
        with CosmosClient(account.endpoint, account.key) as client:
            database = client.create_database(DATABASE)
            for container, ranges in RANGES.items():
                throughput = None if ranges == 1 else ranges * _THROUGHPUT
                database.create_container(container, PartitionKey("/country"), offer_throughput=throughput)
                fill(account, container, arguments.documents)
        for latency in arguments.latencies:
            account.clear_faults()
            if latency:
                account.fault(kind="feed", times=1_000_000_000, delay=latency / 1000)
            console.print(f"{arguments.documents:,} documents, each page after {latency} ms")
            told = figures(in_turns(account, Path(name), arguments.documents, arguments.rounds))
            console.print(shown(told))
            found[f"pages after {latency} ms"] = told
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

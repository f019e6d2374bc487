"""land from a change feed against a bare loop of the SDK over the same feed that keeps nothing: documents per second.

`PYTHONPATH=infra/local:. .venv/bin/python tests/bench/change_feed.py [DOCUMENTS]`; the best of three counts.
"""

from __future__ import annotations

import functools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from azure.cosmos import CosmosClient

from cosmos import Local
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.delivery import Bounds
from tests.crash.customers import Customers
from tests.infra.cosmos_client import fresh, names

__all__ = ["main"]

_TEXT = "Wässerchen, sparkling, twelve bottles of one litre each, to be left at the door. " * 4


def _fill(account: Local, database: str, container: str, documents: int) -> None:
    for first in range(0, documents, 1000):
        bodies = [
            {"id": f"c-{n:08d}", "country": "IS", "n": n, "total": n / 7, "note": _TEXT, "tags": ["a", "b"]}
            for n in range(first, first + 1000)
        ]
        made = [{"operationType": "Create", "resourceBody": body} for body in bodies]
        account.transaction(database, container, ["IS"], made)


def _bare(account: Local, database: str, container: str) -> int:
    with CosmosClient(account.endpoint, account.key) as client:
        feed = client.get_database_client(database).get_container_client(container)
        pages = feed.query_items_change_feed(start_time="Beginning", max_item_count=1000).by_page()
        return sum(len(list(page)) for page in pages)


def _land(customers: Customers) -> int:
    return customers.land(bounds=Bounds(bytes=16 * 1024 * 1024)).rows


def _timed(run: Callable[[], int]) -> tuple[float, float]:
    """Documents per second, and CPU seconds of this process."""
    began, used = time.perf_counter(), time.process_time()
    count = run()
    return count / (time.perf_counter() - began), time.process_time() - used


def main(documents: int = 100_000) -> None:
    """Print both rates and their ratio."""
    with tempfile.TemporaryDirectory() as folder, Local(Path(folder) / "account") as account, fresh(account) as made:
        place = names(made)
        _fill(account, *place, documents)
        bare, landed = [], []
        for turn in range(3):
            lake = DeltaLake(LocalStorage(Path(folder) / f"lake{turn}"))
            customers = Customers(lake, account.endpoint, account.key, *place)
            bare.append(_timed(lambda: _bare(account, *place)))
            landed.append(_timed(functools.partial(_land, customers)))
        (fast, fast_cpu), (rate, cpu) = max(bare), max(landed)
        told = f"bare SDK loop {fast:9,.0f} documents/s, {fast_cpu:.2f} s of CPU\n"
        told += f"land          {rate:9,.0f} documents/s, {cpu:.2f} s of CPU\nratio         {rate / fast:9.2f}\n"
        sys.stdout.write(told)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

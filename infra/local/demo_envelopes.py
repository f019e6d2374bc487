"""The demo's other datasets, sent, ingested and checked: stock by MassTransit, deliveries by CloudEvents."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ingest import catalog
from ingest.sources.rabbitmq import RabbitQueue
from ledger import connect
from shop_envelopes import PRODUCERS, Parcel
from shop_publish import publish

__all__ = ["differences", "ingested", "published"]

_INGEST_DEADLINE = 300.0


def published(url: str, schemas: Path, *, messages: int, seed: int) -> dict[str, list[Parcel]]:
    """Declare each dataset's queue and publish `messages` to it; returns what was sent, by dataset.

    Raises:
        PublishFailed, LakepostError: the broker did not take it.
    """
    sent = {}
    for dataset, producer in PRODUCERS.items():
        binding = catalog.load(schemas, dataset).queues[0]
        asyncio.run(_declare(RabbitQueue(url, binding)))
        sent[dataset] = list(producer(messages, seed))
        publish(url, (parcel.sent for parcel in sent[dataset]), exchange=binding.exchange)
    return sent


async def _declare(queue: RabbitQueue) -> None:
    async with queue:
        pass


def ingested(datasets: Iterable[str], environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """`lakepost ingest DATASET` of all of them at once; returns the accounts, or what the command said, as `error`."""
    command = [str(Path(sys.executable).with_name("lakepost")), "ingest"]
    running = {
        dataset: subprocess.Popen(
            [*command, dataset, "--json"],
            env={**os.environ, **environment},  # noqa: TID251 - handed on
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for dataset in datasets
    }
    accounts = {}
    for dataset, process in running.items():
        out, err = process.communicate(timeout=_INGEST_DEADLINE)
        accounts[dataset] = json.loads(out) if process.returncode == 0 else {"error": err[-2000:]}
    return accounts


def differences(dataset: str, sent: Iterable[Parcel], account: Mapping[str, Any], lake: Path) -> list[str]:
    """What the lake and the account say otherwise than what was sent, in sentences."""
    if "error" in account:
        return [f"{dataset}: ingest failed: {account['error']}"]
    sent = list(sent)
    first = [parcel for parcel in sent if not parcel.is_copy]
    curated = Counter(name for parcel in first for name in parcel.curated)
    quarantined = Counter(name for parcel in first for name in parcel.quarantined)
    copies = sum(len(parcel.curated) for parcel in sent if parcel.is_copy)
    expected = {"curated": curated.total(), "quarantined": quarantined.total(), "duplicates": copies, "pending": 0}
    expected["landed"] = curated.total() + quarantined.total() + copies
    found = [
        f"{dataset}: {name} is {account[name]}, not {count}"
        for name, count in expected.items()
        if account[name] != count
    ]
    for stage, ids in (("curated", curated), ("quarantine", quarantined)):
        wrong = (_ids(lake / stage / dataset) - ids) | (ids - _ids(lake / stage / dataset))
        if wrong:
            found.append(f"{dataset}: {len(wrong)} events differ in {stage}, among them {next(iter(wrong))}")
    return found


def _ids(table: Path) -> Counter[str]:
    with connect() as connection:
        location = str(table).replace("'", "''")
        rows = connection.execute(f"SELECT event_id FROM delta_scan('{location}')").fetchall()
    return Counter(str(row[0]) for row in rows)

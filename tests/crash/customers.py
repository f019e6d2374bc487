"""land from a container's change feed; `python -m tests.crash.customers LAKE PLACE POINT NTH` dies at the point.

By SIGKILL. `PLACE` is JSON: endpoint, key, database, container. Windows of four changes.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from azure.cosmos import ContainerProxy

from ingest import envelope
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.container import DELETES, ContainerBinding, FeedMode, FeedRange
from ingest.model.contract import Contract
from ingest.model.delivery import Bounds
from ingest.model.points import Reached, passing
from ingest.sources.cosmos import CosmosRange
from ingest.sources.cosmos_feed import Account
from ingest.steps import Landed, land
from tests.contracts import column, contract
from tests.crash.dying import dying

__all__ = ["CUSTOMERS", "Customers", "add", "drop", "newest"]

CUSTOMERS: Contract = contract((column("id", "string"), column("country", "string")))


@dataclass(frozen=True)
class Customers:
    """A container and the lake that it is landed into."""

    lake: DeltaLake
    endpoint: str
    key: str
    database: str
    container: str
    mode: FeedMode = FeedMode.ALL_VERSIONS

    @property
    def place(self) -> str:
        """What a process of its own is told."""
        return json.dumps({name: value for name, value in vars(self).items() if name not in {"lake", "mode"}})

    def in_mode(self, mode: FeedMode) -> Customers:
        return dataclasses.replace(self, mode=mode)

    def source(self, within: FeedRange = FeedRange(), *, anew: bool = False) -> CosmosRange:  # noqa: B008 - frozen
        binding = ContainerBinding(self.database, self.container, self.mode, partition_key=("/country",))
        known = functools.partial(self.lake.items_before, CUSTOMERS.dataset, binding.name, within.name)
        return CosmosRange(Account(self.endpoint, self.key), binding, within, anew=anew, known=known)

    def land(
        self,
        *sources: CosmosRange,
        anew: bool = False,
        reached: Reached = passing,
        bounds: Bounds = Bounds(rows=4),  # noqa: B008 - frozen
        screened: Callable[[pa.Table], pa.Table] | None = None,
        patience: Sequence[float] = (),
    ) -> Landed:
        self.lake.prepare(CUSTOMERS)
        return asyncio.run(
            land(
                CUSTOMERS,
                sources or [self.source(anew=anew)],
                self.lake,
                events=envelope.events,
                bounds=bounds,
                stop=asyncio.Event(),
                reached=reached,
                patience=patience,
                screened=screened,
            )
        )


def add(container: ContainerProxy, *numbers: int) -> None:
    for number in numbers:
        container.upsert_item({"id": f"c{number}", "country": f"k{number % 5}"})


def drop(container: ContainerProxy, *numbers: int) -> None:
    for number in numbers:
        container.delete_item(f"c{number}", f"k{number % 5}")


def newest(raw: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By id, each item that is there as rows of raw tell: its last by generation, LSN and place, unless deleted."""
    found: dict[str, tuple[tuple[int, int, int], dict[str, Any]]] = {}
    for row in raw:
        place = (json.loads(row["headers"])["generation"], row["position"], int(row["event_id"].rpartition(":")[2]))
        if row["key"] not in found or place > found[row["key"]][0]:
            found[row["key"]] = (place, row)
    return {json.loads(key)[0]: row for key, (_, row) in found.items() if row["operation"] not in DELETES}


def _main(lake: str, place: str, point: str, nth: str) -> None:
    Customers(DeltaLake(LocalStorage(Path(lake))), **json.loads(place)).land(reached=dying(point, int(nth)))


if __name__ == "__main__":
    _main(*sys.argv[1:])

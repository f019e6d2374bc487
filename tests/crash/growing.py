"""A process of the race of versions: `python -m tests.crash.growing VERSION LAKE SCHEMAS`, one worker per contract.

Each lands and curates, as workers do while their deployment is being upgraded; the one with wider types rewrites the
table first. One whose contract the table has outgrown is refused from then on, and goes on landing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingest import catalog
from ingest.errors import SchemaMismatch, TransientError
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from tests.steps.shop import Shop, order
from tests.versions import with_channel, with_wider_types

__all__ = ["ROUNDS", "VERSIONS"]

VERSIONS: dict[str, Callable[[Contract], Contract]] = {
    "first": lambda orders: orders,
    "channel": with_channel,
    "wider": with_wider_types,
}
ROUNDS = 8


def _again(work: Callable[[], Any]) -> None:
    """As Airflow does; a refusal of this contract is not tried again."""
    for last in (False, False, False, True):
        try:
            work()
        except TransientError:
            if last:
                raise
        except SchemaMismatch:
            return
        else:
            return


def _main(version: str, lake: str, schemas: str) -> None:
    orders = catalog.load(Path(schemas), "orders")
    shop = Shop(DeltaLake(LocalStorage(Path(lake))), VERSIONS[version](orders))
    kept = {VERSIONS[name](orders).digest: VERSIONS[name](orders) for name in VERSIONS}
    for turn in range(ROUNDS):
        new: dict[str, Any] = {} if version == "first" else {"channel": version}
        shop.land(
            order(f"{version}{turn}", day=18 + turn % 3, **new),
            order(f"bad{version}{turn}", day=18 + turn % 3, total=-1),
            order(f"{version}{max(turn - 1, 0)}", day=18, **new),
        )
        if version == "wider" and turn == ROUNDS // 3:
            _again(shop.rebuild)
        _again(lambda: shop.curate(contract_at=kept.__getitem__))


if __name__ == "__main__":
    _main(*sys.argv[1:])

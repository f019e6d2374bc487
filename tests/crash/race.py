"""A process of the race: `python -m tests.crash.race ROLE LAKE SCHEMAS`; each role has a verb, over and over.

`ingest` lands and curates under the contract as it was and the mended one in turn, as two workers would while one
is being upgraded; the others work under the mended one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ingest import catalog
from ingest.decoding import decode
from ingest.errors import TransientError
from ingest.lake import DeltaLake, LocalStorage
from ingest.steps import Limits, replay
from ingest.steps.maintain import compact
from ingest.validate import Suite
from tests.steps.shop import Shop, order
from tests.steps.test_rebuild import without_total_rule

__all__ = ["DAYS", "ROLES", "ROUNDS"]

ROLES = ("ingest", "rebuild", "replay")
DAYS = (18, 19, 20)
ROUNDS = 10


def _ingest(shop: Shop, turn: int) -> None:
    day = DAYS[turn % len(DAYS)]
    shop.land(
        order(f"good{turn}", day=day),
        order(f"bad{turn}", day=day, total=-1),
        order(f"bad{turn}", day=day, total=-1),  # let in by the mended contract, once
        order(f"bad{max(turn - 1, 0)}", day=day, total=-1),  # under another date too
        order(f"broken{turn}", day=day, raw=b"{"),
        order(f"good{max(turn - 1, 0)}", day=day),
    )
    before = shop.contract
    if turn % 2:
        shop.contract = without_total_rule(before)
    shop.curate()
    shop.contract = before


def _rebuild(shop: Shop, turn: int) -> None:
    shop.contract = without_total_rule(shop.contract)
    shop.rebuild(DAYS[turn % len(DAYS)])


def _replay(shop: Shop, turn: int) -> None:
    mended = without_total_rule(shop.contract)
    replay(mended, shop.lake, decode=decode, validator=Suite(), limits=Limits())
    if turn % 3 == 0:
        compact("orders", shop.lake)


def _main(role: str, lake: str, schemas: str) -> None:
    shop = Shop(DeltaLake(LocalStorage(Path(lake))), catalog.load(Path(schemas), "orders"))
    work = {"ingest": _ingest, "rebuild": _rebuild, "replay": _replay}[role]
    for turn in range(ROUNDS):
        for last in (False, False, False, True):
            try:
                work(shop, turn)
                break
            except TransientError:  # as Airflow does: again
                if last:
                    raise


if __name__ == "__main__":
    _main(*sys.argv[1:])

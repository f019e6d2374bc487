"""Somebody to erase, for tests: a key, a lake that holds them, and a search of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from ingest import steps
from ingest.decoding import decode
from ingest.model.erasure import Erased
from ingest.model.keys import Keys
from ingest.model.points import Reached, passing
from tests.steps.shop import Shop, order

__all__ = ["GONE", "KEYS", "erase", "everywhere", "fill"]

KEYS = Keys({"k1": b"o" * 32})
GONE = "c-666666"


def erase(shop: Shop, value: str = GONE, *, reached: Reached = passing, **more: Any) -> Erased:
    def drain() -> None:
        shop.curate(reached=reached)

    return steps.erase(
        shop.contract, shop.lake, value, keys=shop.keys, opened=decode.opened, drain=drain, reached=reached, **more
    )


def fill(shop: Shop) -> None:
    """Of the person: 3 in curated over two dates, 1 duplicate, 3 in quarantine; 2 and 1 of others."""
    shop.land(
        order("a", customer_id=GONE),
        order("b", customer_id=GONE, day=18),
        order("other"),
        order("late", customer_id=GONE, day=18),
    )
    shop.curate()
    shop.land(
        order("a", customer_id=GONE),
        order("negative", customer_id=GONE, total=-1),
        order("broken", raw=f'{{"customer_id": "{GONE}", "total": '.encode()),
        order("typed", customer_id=GONE, item_count="two"),
        order("other negative", total=-1),
        order("another"),
    )
    shop.curate()


def everywhere(shop: Shop, value: str = GONE) -> list[str]:
    """The files of the lake that hold the value, Parquet decoded: this test's own search."""
    found = []
    root = Path(shop.lake.uri("raw", shop.contract.dataset)).parents[1]
    for file in root.rglob("*"):
        if not file.is_file():
            continue
        content = file.read_bytes()
        if file.suffix == ".parquet":
            content = repr(pa.parquet.read_table(file).to_pylist()).encode()
        if value.encode() in content:
            found.append(str(file.relative_to(root)))
    return found

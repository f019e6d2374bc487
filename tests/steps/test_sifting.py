"""What is read ahead saves time and decides nothing: it counts only where nothing has changed since."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from ingest.decoding import decode
from ingest.errors import LakeUnavailable
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from ingest.model.points import Point
from ingest.model.ports import Batch
from ingest.steps import Limits, screen_of
from ingest.steps.screen import erasure_of
from ingest.steps.sifting import Sifting
from ingest.validate import Suite
from tests.steps.erasing import GONE, KEYS
from tests.steps.shop import Shop, order

_LIMITS = Limits(rows=1)


class Counting(DeltaLake):
    """Counts how often each batch was read, by its end; the first reading of `broken` fails."""

    def __init__(self, folder: Path, broken: int | None = None) -> None:
        super().__init__(LocalStorage(folder))
        self.counted: Counter[int] = Counter()
        self.broken = broken

    def read_raw(self, batch: Batch) -> Iterator[pa.Table]:
        self.counted[batch.until] += 1
        if batch.until == self.broken and self.counted[batch.until] == 1:
            raise LakeUnavailable("the storage is gone", remedy="wait")
        yield from super().read_raw(batch)


def _three_batches(lake: Counting, contract: Contract) -> Shop:
    shop = Shop(lake, contract, KEYS)
    for name in "abc":
        shop.land(order(name, customer_id=GONE))
    return shop


def test_each_batch_is_read_once(tmp_path: Path, orders: Contract) -> None:
    lake = Counting(tmp_path)
    assert _three_batches(lake, orders).curate(rows=1).curated == 3
    assert lake.counted == {1: 1, 2: 1, 3: 1}


def test_what_cannot_be_read_ahead_is_read_in_its_turn(tmp_path: Path, orders: Contract) -> None:
    lake = Counting(tmp_path, broken=2)
    assert _three_batches(lake, orders).curate(rows=1).curated == 3
    assert lake.counted == {1: 1, 2: 2, 3: 1}


def test_what_was_read_before_somebody_was_erased_is_read_again(tmp_path: Path, orders: Contract) -> None:
    """Else the person would stand in curated after their erasure."""
    lake = Counting(tmp_path)
    _three_batches(lake, orders)
    with Sifting(lake, decode, Suite(), _LIMITS) as sifting:
        first = lake.next_batch(orders, max_rows=1, max_bytes=10**9)
        assert first is not None
        read = sifting.sifted(first, orders, screen_of(orders, lake, KEYS, decode.opened))
        assert read.read.raw["event_id"].to_pylist() == ["a"]
        sifting.begin_next(read)
        lake.store_erasure("orders", erasure_of(orders, GONE, KEYS))
        second = dataclasses.replace(first, after=1, until=2)
        again = sifting.sifted(second, orders, screen_of(orders, lake, KEYS, decode.opened))
    assert again.read.raw.num_rows == 0
    assert sum(again.erased.values()) == 1


@pytest.mark.parametrize("change", ["contract", "range"])
def test_what_was_read_under_another_contract_or_range_is_read_again(
    tmp_path: Path, orders: Contract, change: str
) -> None:
    lake = Counting(tmp_path)
    _three_batches(lake, orders)
    screen = screen_of(orders, lake, KEYS, decode.opened)
    with Sifting(lake, decode, Suite(), _LIMITS) as sifting:
        first = sifting.sifted(Batch("orders", 0, 1, orders.digest), orders, screen)
        sifting.begin_next(first)
        fewer = dataclasses.replace(orders, columns=orders.columns[:-1]) if change == "contract" else orders
        until = 3 if change == "range" else 2
        second = sifting.sifted(Batch("orders", 1, until, orders.digest), fewer, screen)
    assert second.batch.until == until
    assert second.read.raw.num_rows == until - 1
    assert second.read.decoded.rows.num_columns == len(fewer.columns) + 1
    assert lake.counted[2] == (2 if change == "contract" else 1)


def test_a_window_that_lands_meanwhile_waits_for_a_batch_of_its_own(tmp_path: Path, orders: Contract) -> None:
    lake = Counting(tmp_path)
    shop = _three_batches(lake, orders)
    seen: list[Point] = []

    def landing(point: Point) -> None:
        if point is Point.BATCH_RECORDED and not seen:
            shop.land(order("d"))
        seen.append(point)

    account = shop.curate(rows=2, reached=landing)
    assert (account.curated, account.pending) == (4, 0)
    assert sum(lake.counted.values()) == seen.count(Point.BATCH_RECORDED)


def test_leaving_ends_what_is_read_ahead(tmp_path: Path, orders: Contract) -> None:
    class Endless(Counting):
        def read_raw(self, batch: Batch) -> Iterator[pa.Table]:
            yield from super().read_raw(batch)
            while batch.until == 2:
                yield from super().read_raw(batch)

    lake = Endless(tmp_path)
    _three_batches(lake, orders)
    screen = screen_of(orders, lake, KEYS, decode.opened)
    with Sifting(lake, decode, Suite(), _LIMITS) as sifting:
        sifting.begin_next(sifting.sifted(Batch("orders", 0, 1, orders.digest), orders, screen))
    assert lake.counted[1] == 1

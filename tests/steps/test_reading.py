"""A batch read piece by piece is the batch read at once; of bodies only those are held that quarantine may need."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ingest.decoding import decode
from ingest.errors import AccountBroken
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract, UnknownFields
from ingest.model.delivery import CONTENT_PREFIX
from ingest.model.tables import REJECTS
from ingest.model.verdict import Decoded
from ingest.steps.reading import read_batch
from ingest.validate import Suite
from tests.steps.shop import Shop, order

ORDER = [("window", "ascending"), ("row", "ascending")]


@pytest.fixture
def raw(tmp_path: Path, orders: Contract) -> pa.Table:
    shop = Shop(DeltaLake(LocalStorage(tmp_path)), orders)
    for window in range(3):
        shop.land(
            *(order(f"{window}-{n}", day=18 + n % 3) for n in range(20)),
            order(None),
            order(f"{window}-broken", raw=b"{"),
            order(f"{window}-negative", total=-1),
            order(f"{window}-strange", floor=3, day=19),
        )
    batch = shop.lake.next_batch(shop.contract, max_rows=1000, max_bytes=10**9)
    assert batch is not None
    return pa.concat_tables(shop.lake.read_raw(batch))


def pieces(raw: pa.Table, rows: int) -> Iterator[pa.Table]:
    """Pieces of `rows`, the last one first."""
    yield from (raw.slice(at, rows) for at in reversed(range(0, raw.num_rows, rows)))


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_pieces_in_any_order_are_the_batch_in_its_order(raw: pa.Table, orders: Contract, rows: int) -> None:
    read = read_batch(pieces(raw, rows), orders, decode, Suite())
    whole = decode(raw.sort_by(ORDER), orders)
    order = pc.sort_indices(read.places)
    named = read.raw.select(["window", "row", "event_id"])
    assert named.take(order).equals(raw.sort_by(ORDER).select(named.column_names))
    assert _as_delivered(read.decoded, read.places) == _as_delivered(whole, pa.array(range(raw.num_rows)))
    assert read.decoded.unknown == whole.unknown == {"floor": 3}


def _as_delivered(decoded: Decoded, places: pa.Array) -> list[Any]:
    """What became of each row, in the order of delivery."""
    index = decoded.rejects["index"].combine_chunks()
    rejects = decoded.rejects.drop_columns("index").to_pylist()
    found = [*zip(decoded.index, decoded.rows.to_pylist(), strict=True), *zip(index, rejects, strict=True)]
    return [one for _, one in sorted(found, key=lambda pair: places[pair[0].as_py()].as_py())]


@pytest.mark.parametrize("policy", UnknownFields)
def test_bodies_are_held_of_what_may_be_rejected_and_of_nothing_else(
    raw: pa.Table, orders: Contract, policy: UnknownFields
) -> None:
    contract = dataclasses.replace(orders, unknown_fields=policy)
    read = read_batch(pieces(raw, 7), contract, decode, Suite())
    pairs = zip(read.raw["event_id"].to_pylist(), read.raw["body"].to_pylist(), strict=True)
    held = [event for event, body in pairs if body]
    kinds = {"anonymous" if event.startswith(CONTENT_PREFIX) else event.partition("-")[2] for event in held}
    assert kinds == {"broken", "negative", "anonymous"} | ({"strange"} if policy.refuses else set())
    assert len(held) == 3 * len(kinds)


def test_a_suite_that_rejects_what_it_did_not_doubt_is_a_defect_and_publishes_nothing(
    raw: pa.Table, orders: Contract
) -> None:
    read = read_batch(pieces(raw, 1000), orders, decode, Suite())
    plain = read.held.to_pylist().index(False)
    reject = {"index": plain, "reason": "expectation", "detail": "…"}
    with pytest.raises(AccountBroken):
        read.holds(pa.Table.from_pylist([reject], schema=REJECTS))


def test_no_rows_are_no_rows(orders: Contract) -> None:
    read = read_batch([], orders, decode, Suite())
    assert (read.raw.num_rows, read.decoded.rows.num_rows, len(read.held)) == (0, 0, 0)

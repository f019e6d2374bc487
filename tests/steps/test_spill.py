"""Rows put aside beyond a limit: nothing is lost, an event is whole in one share, and files are where memory was."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from ingest.errors import TransientError
from ingest.steps import Limits
from ingest.steps.spill import SLOTS, Sieve, Slotted, Spill, shares

SCHEMA = pa.schema([("event_id", pa.string()), ("number", pa.int64())])


def table(first: int, count: int) -> pa.Table:
    numbers = range(first, first + count)
    return pa.table([[f"e{number % 300}" for number in numbers], list(numbers)], schema=SCHEMA)


@pytest.mark.parametrize(("rows", "spills"), [(2_000, False), (400, True)])
def test_each_event_is_whole_in_one_share_within_the_limit(tmp_path: Path, rows: int, *, spills: bool) -> None:
    limits = Limits(rows=rows)
    stores = [Slotted(SCHEMA, tmp_path, limits) for _ in range(2)]
    for start in range(0, 1_000, 100):
        stores[0].add(table(start, 100))
    stores[1].add(table(5_000, 50))
    parts = shares(stores, limits)
    assert (any(tmp_path.iterdir()), len(parts) > 1) == (spills, spills)
    found = [pa.concat_tables([store.read(part) for store in stores]) for part in parts]
    assert all(one.num_rows <= rows + rows // 4 for one in found)
    assert sorted(pa.concat_tables(found)["number"].to_pylist()) == [*range(1_000), *range(5_000, 5_050)]
    events = [set(one["event_id"].to_pylist()) for one in found]
    assert sum(map(len, events)) == len(set().union(*events)) == 300


def test_slots_cover_all_rows_in_order(tmp_path: Path) -> None:
    limits = Limits(rows=10)
    store = Slotted(SCHEMA, tmp_path, limits)
    store.add(table(0, 1_000))
    store.add(table(1_000, 10))
    parts = [part for part in shares([store], limits) if part is not None]
    assert [place for part in parts for place in part] == list(range(SLOTS))


def test_what_comes_back_is_in_the_order_in_which_it_came(tmp_path: Path) -> None:
    spill = Spill(SCHEMA, tmp_path, Limits(rows=250))
    for start in range(0, 1_000, 100):
        spill.add(table(start, 100))
    assert not spill.is_in_memory
    assert pa.Table.from_batches(spill.batches())["number"].to_pylist() == list(range(1_000))
    (ids,) = {tuple(batch.schema.names) for batch in spill.batches(["event_id"])}
    assert ids == ("event_id",)


def test_bytes_count_as_well_as_rows(tmp_path: Path) -> None:
    spill = Spill(SCHEMA, tmp_path, Limits(bytes=2_000))
    for start in range(0, 400, 100):
        spill.add(table(start, 100))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_folder_that_is_full_or_gone_is_told(tmp_path: Path) -> None:
    spill = Spill(SCHEMA, tmp_path / "gone", Limits())
    spill.add(table(0, 10))
    with pytest.raises(TransientError, match="gone") as refused:
        spill.spill()
    assert "TMPDIR" in refused.value.remedy


def test_a_sieve_lets_through_all_that_was_added_and_little_else() -> None:
    sieve = Sieve()
    sieve.add(pa.array([f"in{number}" for number in range(10_000)]))
    assert all(sieve.passes(pa.array([f"in{number}" for number in range(10_000)])).to_pylist())
    assert sum(sieve.passes(pa.array([f"out{number}" for number in range(10_000)])).to_pylist()) < 50

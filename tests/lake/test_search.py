"""The search for known events: exactly those within the days, whatever the partitions hold."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from ingest.lake.search import known, near
from ingest.model.tables import KEYS

FIRST = dt.date(2026, 11, 1)
Key = tuple[str, str, dt.date]


def keys(rows: Sequence[Key]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(KEYS.names, row, strict=True)) for row in rows], schema=KEYS)


def curated(folder: Path, rows: Sequence[Key]) -> DeltaTable:
    table = DeltaTable.create(folder, KEYS, partition_by=["event_date"])
    write_deltalake(table, keys(rows), mode="append")
    return table


@pytest.mark.parametrize("days", [0, 1, 3, 10_000_000])
@pytest.mark.parametrize("apart", [1, 400])
def test_an_event_is_known_within_the_days_of_its_date_and_not_beyond(tmp_path: Path, days: int, apart: int) -> None:
    """Against the rule itself, with ids and sources that join to the same text, and dates near and far apart."""
    chance = random.Random(days)

    def some(count: int) -> list[Key]:
        return [
            (
                chance.choice(["a", "a\x00", "b"]),
                chance.choice(["x", "\x00x", "y", "z"]),
                FIRST + dt.timedelta(days=chance.randrange(8) * apart),
            )
            for _ in range(count)
        ]

    there, wanted = some(15), some(60)
    table = curated(tmp_path, there)
    expected = [any(one[:2] == key[:2] and abs((one[2] - key[2]).days) <= days for one in there) for key in wanted]
    assert days > 3 or len(set(expected)) == 2
    assert known(table, keys(wanted), dedupe_days=days).to_pylist() == expected


def test_of_very_many_dates_each_is_found(tmp_path: Path) -> None:
    dates = [dt.date(2000, 1, 1) + dt.timedelta(days=30 * number) for number in range(600)]
    table = curated(tmp_path, [("a", f"e{date}", date) for date in dates])
    wanted = [("a", f"e{date}", date + dt.timedelta(days=8 - number % 2)) for number, date in enumerate(dates)]
    assert known(table, keys(wanted), dedupe_days=7).to_pylist() == [bool(number % 2) for number in range(600)]


def test_a_date_that_does_not_count_is_not_read(tmp_path: Path) -> None:
    table = curated(tmp_path, [("a", f"e{day}", FIRST + dt.timedelta(days=day)) for day in range(20)])
    found = near(table, [FIRST + dt.timedelta(days=10)], 2, but_for=FIRST + dt.timedelta(days=10))
    assert sorted(row["event_id"] for batch in found for row in batch.to_pylist()) == ["e11", "e12", "e8", "e9"]


def test_nothing_is_known_to_an_empty_table(tmp_path: Path) -> None:
    assert known(curated(tmp_path, []), keys([("a", "x", FIRST)]), dedupe_days=7).to_pylist() == [False]
    assert known(curated(tmp_path / "two", [("a", "x", FIRST)]), keys([]), dedupe_days=7).to_pylist() == []

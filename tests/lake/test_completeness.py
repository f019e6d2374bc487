"""What each event date of a real lake holds, told by the logs and, where they do not tell, by the rows."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from ingest.lake import DeltaLake, LocalStorage, commit, completeness
from ingest.model.completeness import Completeness, DateState, State
from ingest.model.contract import UNKNOWN_DATE, Contract
from ingest.model.delivery import Delivery
from tests.steps.shop import Shop, order


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders)


def at(day: int, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, 11, day, hour, minute, tzinfo=dt.UTC)


def late(name: str, happened: dt.datetime, *, total: int = 1) -> Delivery:
    return order(name, total=total)._replace(timestamp=happened)


def week(shop: Shop) -> None:
    """Four dates: one on time, one with stragglers, one whose end nobody knows yet, one under way."""
    shop.land_at(at(17, 12), *(late(f"a{number}", at(17, 11)) for number in range(3)))
    shop.land_at(at(18, 0, 20), late("a-last", at(17, 23, 59)), late("b1", at(18, 0, 10)))
    shop.land_at(at(18, 12), late("b2", at(18, 11)), late("b2", at(18, 11)), late("b-bad", at(18, 11), total=-1))
    shop.land_at(at(20, 12), late("b-3rd", at(18, 13)), late("c1", at(19, 9)), late("d1", at(20, 11)))
    shop.land_at(at(22, 0), late("b-late", at(18, 13)))
    shop.curate()
    shop.land_at(at(22, 6), late("c-late", at(19, 13)), late("e1", at(22, 5)))


def told(shop: Shop) -> Completeness:
    return shop.lake.completeness(shop.contract)


def by_day(found: Completeness) -> dict[int, DateState]:
    return {date.rows.event_date.day: date for date in found.dates}


def test_every_row_of_a_date_is_counted_where_it_went(shop: Shop) -> None:
    week(shop)
    rows = {day: date.rows for day, date in by_day(told(shop)).items()}
    counts = {day: (r.raw, r.curated, r.quarantined, r.duplicates, r.pending) for day, r in rows.items()}
    assert counts == {
        17: (4, 4, 0, 0, 0),
        18: (6, 4, 1, 1, 0),
        19: (2, 1, 0, 0, 1),
        20: (1, 1, 0, 0, 0),
        22: (1, 0, 0, 0, 1),
    }
    assert (rows[17].first_landed, rows[17].last_landed) == (at(17, 12), at(18, 0, 20))
    assert rows[18].by_day == {"0": 4, "1": 0, "2": 1, "3+": 1}


def test_the_states_follow_from_the_rows(shop: Shop) -> None:
    week(shop)
    found = told(shop)
    assert (found.watermark, found.landed_until) == (at(22, 5), at(22, 6))
    days = by_day(found)
    states = {day: date.state for day, date in days.items()}
    assert states == {17: State.CLOSED, 18: State.LATE, 19: State.OPEN, 20: State.OPEN, 22: State.OPEN}
    assert days[18].after_closing == 2
    shop.curate()  # no row pending, but the dates before tell that rows come up to three days late
    assert by_day(told(shop))[19].state is State.OPEN
    shop.land_at(at(30, 1), late("f1", at(30, 1)))
    shop.curate()
    later = {day: date.state for day, date in by_day(told(shop)).items()}
    closed = dict.fromkeys((17, 19, 20, 22), State.CLOSED)
    assert later == closed | {18: State.LATE, 30: State.OPEN}


def test_a_compacted_table_tells_the_same_by_its_rows(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a table that was not compacted tells all by its log."""
    week(shop)
    scanned: list[str | None] = []
    scan = commit.scan

    def counted(table: DeltaTable, schema: Any, predicate: str | None = None) -> object:
        scanned.append(predicate)
        assert schema.names == ["event_date", "landed_at"]
        return scan(table, schema, predicate)

    monkeypatch.setattr(completeness, "scan", counted)
    before = told(shop)
    assert scanned == []
    assert shop.lake.compact("orders", "raw", dry_run=False).files_after > 0
    assert told(shop) == before
    # of 18 and 19 only: the files of 17 landed on both sides of its end too
    assert scanned == ["event_date IN (DATE '2026-11-17', DATE '2026-11-18', DATE '2026-11-19')"]


def test_a_clock_that_is_ahead_and_a_time_that_cannot_be_read_move_no_watermark(shop: Shop) -> None:
    shop.land_at(at(20, 12), late("ahead", at(28, 1)), late("now", at(20, 11)))
    assert told(shop).watermark == at(20, 12)
    shop.land_at(at(20, 13), order("none")._replace(timestamp=None))
    found = told(shop)
    assert (found.watermark, found.landed_until) == (at(20, 12), at(20, 13))
    unknown = found.dates[0]
    assert (unknown.rows.event_date, unknown.rows.raw, unknown.state) == (UNKNOWN_DATE, 1, State.UNKNOWN)
    assert by_day(found)[28].state is State.OPEN


def test_an_empty_lake_has_no_dates_and_no_watermark(shop: Shop) -> None:
    assert told(shop) == Completeness(None, None, ())


def test_rows_that_land_reads_from_a_source_are_told_by_the_clock(shop: Shop) -> None:
    before = dt.datetime.now(dt.UTC)
    shop.land(late("a", before - dt.timedelta(days=3)), late("b", before))
    found = told(shop)
    old, today = found.dates
    assert old.rows.by_day["2"] + old.rows.by_day["3+"] == 1
    assert today.rows.by_day == {"0": 1, "1": 0, "2": 0, "3+": 0}
    assert found.landed_until is not None
    assert found.landed_until >= before - dt.timedelta(milliseconds=1)
    assert json.dumps(found.to_dict())

"""When a date counts as closed, by what is known of the dates before it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from typing import Any

import pytest

from ingest.model.completeness import DateRows, State, judged
from ingest.model.contract import UNKNOWN_DATE, Contract

_DAY = dt.date(2026, 11, 20)


@pytest.fixture
def contract(orders: Contract) -> Contract:
    return dataclasses.replace(orders, latency=dt.timedelta(minutes=30), dedupe_days=7)


def _rows(days_before: int = 0, *, after: dict[int, int], pending: int = 0) -> DateRows:
    date = _DAY - dt.timedelta(days=days_before)
    return DateRows(date, raw=sum(after.values()), landed_after=Counter(after), pending=pending)


def _watermark(hours_after_the_end: float) -> dt.datetime:
    return dt.datetime(2026, 11, 21, tzinfo=dt.UTC) + dt.timedelta(hours=hours_after_the_end)


@pytest.mark.parametrize(("hours", "state"), [(-1, State.OPEN), (0.9, State.OPEN), (1, State.CLOSED)])
def test_without_dates_before_it_a_date_closes_after_the_promised_latency_in_whole_hours(
    contract: Contract, hours: float, state: State
) -> None:
    (date,) = judged([_rows(after={0: 10})], _watermark(hours), contract)
    assert (date.state, date.closes_at) == (state, _watermark(1))


def test_a_contract_that_promises_nothing_gives_a_day(contract: Contract) -> None:
    (date,) = judged([_rows(after={0: 1})], _watermark(23), dataclasses.replace(contract, latency=None))
    assert (date.state, date.closes_at) == (State.OPEN, _watermark(24))


def test_the_dates_before_it_say_how_long_rows_are_still_to_come(contract: Contract) -> None:
    """One row in a hundred came up to 30 hours late; one in ten thousand, later, does not hold it open."""
    before = _rows(1, after={0: 19_799, 5: 100, 30: 100, 60: 1})
    _, date = judged([before, _rows(after={0: 10})], _watermark(29), contract)
    assert (date.state, date.closes_at) == (State.OPEN, _watermark(30))


def test_what_came_long_before_says_nothing_any_more(contract: Contract) -> None:
    dates = [_rows(days, after={0: 9, 100 if days == 15 else 0: 1}) for days in range(15, -1, -1)]
    assert judged(dates, _watermark(1), contract)[-1].closes_at == _watermark(1)
    assert judged(dates[1:], _watermark(1), contract)[-1].closes_at == _watermark(1)
    assert judged(dates, _watermark(1), contract)[-2].closes_at == _watermark(100 - 24)


def test_history_that_was_loaded_late_keeps_no_date_open_for_longer_than_duplicates_are_known(
    contract: Contract,
) -> None:
    _, date = judged([_rows(1, after={1_000: 5}), _rows(after={0: 1})], _watermark(0), contract)
    assert date.closes_at == _watermark(7 * 24)


@pytest.mark.parametrize(("late", "state"), [(1, State.CLOSED), (2, State.LATE)])
def test_a_date_is_late_when_more_came_after_it_was_closed_than_was_expected(
    contract: Contract, late: int, state: State
) -> None:
    (date,) = judged([_rows(after={0: 1_500, 2: late})], _watermark(3), contract)
    assert (date.state, date.after_closing) == (state, late)


def test_a_pending_row_keeps_its_date_open(contract: Contract) -> None:
    (date,) = judged([_rows(after={0: 2}, pending=1)], _watermark(99), contract)
    assert date.state is State.OPEN


def test_rows_without_a_readable_time_never_close_and_say_nothing_of_others(contract: Contract) -> None:
    unknown = DateRows(UNKNOWN_DATE, raw=5, landed_after=Counter({499_000: 5}))
    found = judged([unknown, _rows(after={0: 1})], _watermark(1), contract)
    assert [(date.state, date.closes_at) for date in found] == [(State.UNKNOWN, None), (State.CLOSED, _watermark(1))]


def test_nothing_is_closed_while_no_event_has_landed(contract: Contract) -> None:
    assert judged([_rows(after={0: 1})], None, contract)[0].state is State.OPEN


def test_late_rows_are_told_by_the_day_after_the_end() -> None:
    rows: Any = _rows(after={0: 7, 1: 1, 24: 2, 25: 4, 48: 8, 49: 16, 9_999: 32})
    assert rows.by_day == {"0": 7, "1": 3, "2": 12, "3+": 48}

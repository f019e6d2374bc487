"""How complete each event date is: what is counted of it, and the estimate of when no more of it comes.

Nothing says that the last event of a date has arrived: a producer may hold one back for a year. So a date is judged
by what is known of the dates before it:

- The **watermark** is the newest event time that has landed, no later than the moment of its landing: up to there,
  events have been coming in. When lands stop, or take a backlog that waits, it stands still, and so it does when
  nothing happens.
- The **allowance** of a date is how long after their end 99.9 % of the rows of the 14 dates before it had landed, in
  whole hours; at least the contract's latency (a day where it names none), at most its `dedupe_days`, beyond which
  history that was loaded late would keep every date open.
- A date is `open` until the watermark is past its end by the allowance and none of its rows is pending; then it is
  `closed`: expected to be complete to 99.9 %. It is `late` when more than that came in afterwards: what was read
  before is to be read again. `1970-01-01`, the rows without a readable time, is `unknown` and never closes.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ingest.model.contract import UNKNOWN_DATE, Contract

__all__ = ["Completeness", "DateRows", "DateState", "State", "judged"]

_DATES = 14
_BEYOND = 0.001
_HOUR = dt.timedelta(hours=1)
_DAY = dt.timedelta(days=1)


class State(StrEnum):
    """Whether more rows of a date are expected."""

    OPEN = "open"
    CLOSED = "closed"
    LATE = "late"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DateRows:
    """Rows of one event date per table, and when those of raw landed.

    `pending` ones are in raw and not curated yet. `landed_after` counts raw's rows by the hour after the date's end
    in which they landed, 1 for the first one; 0: before the end. `first_landed` and `last_landed` are exact to the
    millisecond; null where raw holds none.
    """

    event_date: dt.date
    raw: int = 0
    curated: int = 0
    quarantined: int = 0
    duplicates: int = 0
    erased: int = 0
    pending: int = 0
    first_landed: dt.datetime | None = None
    last_landed: dt.datetime | None = None
    landed_after: Mapping[int, int] = field(default_factory=dict)

    @property
    def end(self) -> dt.datetime:
        """Midnight UTC after the date."""
        return dt.datetime.combine(self.event_date, dt.time(), dt.UTC) + _DAY

    @property
    def by_day(self) -> dict[str, int]:
        """Rows that landed before the date's end ("0"), on the 1st or 2nd day after it, and later ("3+")."""
        days = Counter({"0": 0, "1": 0, "2": 0, "3+": 0})
        for hour, rows in self.landed_after.items():
            day = -(-hour // 24)
            days[str(day) if day < 3 else "3+"] += rows  # noqa: PLR2004 - as the docstring says
        return dict(days)


@dataclass(frozen=True, slots=True)
class DateState:
    """A date's rows and the estimate: from `closes_at` on it counts as closed. Null: never."""

    rows: DateRows
    state: State
    closes_at: dt.datetime | None = None
    after_closing: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of a date."""
        rows = self.rows
        return {
            "event_date": rows.event_date.isoformat(),
            "state": str(self.state),
            "raw": rows.raw,
            "curated": rows.curated,
            "quarantined": rows.quarantined,
            "duplicates": rows.duplicates,
            "pending": rows.pending,
            "first_landed": _iso(rows.first_landed),
            "last_landed": _iso(rows.last_landed),
            "landed_by_day_after": rows.by_day,
            "closes_at": _iso(self.closes_at),
            "landed_after_closing": self.after_closing,
        }


@dataclass(frozen=True, slots=True)
class Completeness:
    """Every event date of a dataset, ascending. `watermark`: as above; null while no event has landed.

    `landed_until` is the newest landing.
    """

    watermark: dt.datetime | None
    landed_until: dt.datetime | None
    dates: tuple[DateState, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "watermark": _iso(self.watermark),
            "landed_until": _iso(self.landed_until),
            "dates": [date.to_dict() for date in self.dates],
        }


def judged(dates: Sequence[DateRows], watermark: dt.datetime | None, contract: Contract) -> tuple[DateState, ...]:
    """The state of each of `dates`, which are ascending."""
    known = [rows for rows in dates if rows.event_date != UNKNOWN_DATE]
    states = [DateState(rows, State.UNKNOWN) for rows in dates if rows.event_date == UNKNOWN_DATE]
    least = -(-(_DAY if contract.latency is None else contract.latency) // _HOUR)
    for place, rows in enumerate(known):
        seen = sum((Counter(before.landed_after) for before in known[max(0, place - _DATES) : place]), Counter())
        hours = max(least, min(_usual(seen), contract.dedupe_days * 24))
        states.append(_state(rows, hours, watermark))
    return tuple(states)


def _usual(landed_after: Mapping[int, int]) -> int:
    """The hours after the end within which all but the share `_BEYOND` of the rows had landed."""
    allowed = sum(landed_after.values()) * _BEYOND
    for hour in sorted(landed_after, reverse=True):
        allowed -= landed_after[hour]
        if allowed < 0:
            return hour
    return 0


def _state(rows: DateRows, hours: int, watermark: dt.datetime | None) -> DateState:
    closes_at = rows.end + hours * _HOUR
    after = sum(count for hour, count in rows.landed_after.items() if hour > hours)
    if watermark is None or watermark < closes_at or rows.pending:
        return DateState(rows, State.OPEN, closes_at, after)
    return DateState(rows, State.LATE if after > rows.raw * _BEYOND else State.CLOSED, closes_at, after)


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")

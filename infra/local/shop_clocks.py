"""Clocks that cannot be right: messages that say no time, or one outside the contract's window."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

__all__ = ["CLOCKS", "Clock"]


@dataclass(frozen=True, slots=True)
class Clock:
    """What the message says of its time: the AMQP property and the broker's header."""

    timestamp: dt.datetime | None = None
    headers: dict[str, int] = field(default_factory=dict)


def _utc(year: int, month: int, day: int) -> dt.datetime:
    return dt.datetime(year, month, day, tzinfo=dt.UTC)


CLOCKS = (
    Clock(),
    Clock(timestamp=_utc(1970, 1, 1)),
    Clock(timestamp=_utc(2019, 12, 31).replace(hour=23, minute=59, second=59)),
    Clock(timestamp=_utc(2050, 1, 1)),
    Clock(timestamp=_utc(9999, 12, 31)),
    Clock(headers={"timestamp_in_ms": -1}),  # the last millisecond of 1969
    Clock(headers={"timestamp_in_ms": -15_768_000_000}),  # summer 1969
    Clock(headers={"timestamp_in_ms": 253_402_300_800_000}),  # the first millisecond of the year 10000
    Clock(headers={"timestamp_in_ms": 9_223_372_036_854_775_807}),
    Clock(headers={"timestamp_in_ms": 0}),
)

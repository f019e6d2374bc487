"""The partition of an event: a pure function of its bytes and properties under the contract's rules."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from ingest.envelope.payload import payload_of
from ingest.envelope.values import iso
from ingest.model.contract import UNKNOWN_DATE, Contract
from ingest.model.delivery import Delivery, Identified

__all__ = ["BODY", "body_moment", "event_date"]

BODY = "body:"
"""How a rule begins that reads a field of the body."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LAST_MILLISECOND = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z


def event_date(delivery: Delivery, identified: Identified, contract: Contract) -> dt.date:
    """The UTC date by the first rule of `contract.event_time` that can be read.

    `envelope` is the identified time; `body:FIELD[.FIELD…]` a value in the payload: ISO 8601 (UTC where it
    names no zone) or a number of milliseconds since 1970. Where none can be read, or the date lies outside
    [`first_date`, `last_date`]: `UNKNOWN_DATE`. Never raises on content, and never looks at a clock, at
    `redelivered` or at anything else that a second delivery of the same message would change.
    """
    body: Any = _UNREAD
    for rule in contract.event_time:
        if rule.startswith(BODY):
            if body is _UNREAD:
                body = _json(payload_of(delivery).body)
            moment = _moment(_at(body, rule.removeprefix(BODY)))
        else:
            moment = identified.time
        if moment is not None:
            date = moment.date()
            return date if contract.first_date <= date <= contract.last_date else UNKNOWN_DATE
    return UNKNOWN_DATE


_UNREAD = object()


def body_moment(payload: bytes, path: str) -> dt.datetime | None:
    """The moment that stands in a JSON payload at FIELD[.FIELD…], as `event_date` reads it."""
    return _moment(_at(_json(payload), path))


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _moment(value: Any) -> dt.datetime | None:
    """The instant in UTC; null for whatever is none."""
    if isinstance(value, str):
        return iso(value.strip())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # The comparison is false for NaN, and exact for integers of any size.
    return _EPOCH + dt.timedelta(milliseconds=int(value)) if 0 <= value <= _LAST_MILLISECOND else None

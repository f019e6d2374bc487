"""The event date: a pure function of the message and the contract."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.envelope import event_date, identify
from ingest.model.contract import UNKNOWN_DATE, Contract, QueueBinding
from ingest.model.delivery import Delivery

DAY = dt.date(2026, 11, 20)
NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
NOON_MS = int(NOON.timestamp() * 1000)


def contract(*rules: str) -> Contract:
    return Contract(
        dataset="orders",
        version="1.0.0",
        description="",
        columns=(),
        queues=(QueueBinding("e", "q", ("#",)),),
        expectations=(),
        digest="d",
        document="",
        suite_document="",
        event_time=rules or ("envelope",),
        first_date=dt.date(2020, 1, 1),
        last_date=dt.date(2049, 12, 31),
    )


def dated(body: Any, *rules: str, timestamp: dt.datetime | None = None) -> dt.date:
    delivery = Delivery(body if isinstance(body, bytes) else json.dumps(body).encode(), "e/q", timestamp=timestamp)
    return event_date(delivery, identify(delivery), contract(*rules))


def test_the_envelopes_time_gives_the_date() -> None:
    assert dated({}, timestamp=NOON) == DAY
    assert dated({}) == UNKNOWN_DATE


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-20T12:00:00Z",
        "2026-11-20T12:00:00.1234567Z",
        "2026-11-21T01:30:00+02:00",
        "2026-11-19T23:30:00-01:00",
        "2026-11-20T00:00:00",
        "2026-11-20 23:59:59",
        "2026-11-20",
        NOON_MS,
        float(NOON_MS),
    ],
)
def test_a_time_in_the_body_gives_its_date_in_utc(value: Any) -> None:
    assert dated({"at": {"time": value}}, "body:at.time") == DAY


@pytest.mark.parametrize(
    "value",
    [
        *("", "yesterday", "1795176000000", "20261120", "2026-13-40"),
        *(-1, 1e300, float("nan"), pytest.param(10**400, id="huge"), True, None, [], {}),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_what_cannot_be_read_leaves_it_to_the_next_rule(value: Any) -> None:
    assert dated({"at": value}, "body:at", "envelope", timestamp=NOON) == DAY
    assert dated({"at": value}, "body:at") == UNKNOWN_DATE


@pytest.mark.parametrize("body", [b"", b"\xff", b"[1]", b"{", b"null", b"[" * 100_000, b'{"at":{}}', b'{"a.t":1}'])
def test_a_body_without_the_field_leaves_it_to_the_next_rule(body: bytes) -> None:
    assert dated(body, "body:a.t", "body:at", "envelope", timestamp=NOON) == DAY


def test_the_first_rule_that_can_be_read_wins() -> None:
    assert dated({"at": "2026-01-02T00:00:00Z"}, "body:at", "envelope", timestamp=NOON) == dt.date(2026, 1, 2)
    assert dated({"at": "2026-01-02T00:00:00Z"}, "envelope", "body:at", timestamp=NOON) == DAY


@pytest.mark.parametrize("value", ["2019-12-31T23:59:59Z", "2050-01-01T00:00:00Z", 0])
def test_a_date_outside_the_contracts_window_is_unknown(value: Any) -> None:
    assert dated({"at": value}, "body:at", "envelope", timestamp=NOON) == UNKNOWN_DATE


@given(
    body=st.binary()
    | st.dictionaries(st.just("at"), st.text() | st.integers() | st.floats() | st.none()).map(
        lambda value: json.dumps(value).encode()
    ),
    timestamp=st.none() | st.datetimes(timezones=st.just(dt.UTC)),
)
def test_a_redelivery_gets_the_same_date_inside_the_window(body: bytes, timestamp: dt.datetime | None) -> None:
    terms = contract("body:at", "envelope")
    delivery = Delivery(body, "e/q", timestamp=timestamp)
    again = delivery._replace(redelivered=True)
    date = event_date(delivery, identify(delivery), terms)
    assert event_date(again, identify(again), terms) == date
    assert date == UNKNOWN_DATE or terms.first_date <= date <= terms.last_date

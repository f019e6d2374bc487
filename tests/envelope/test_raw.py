"""The raw envelope: the same message has the same identity, whenever and however often it is delivered."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.envelope import CONTENT_PREFIX, identify
from ingest.model.delivery import Delivery

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
PLAIN = Delivery(b"{}", "shop.events/lakepost.orders", "order.placed", {"tenant": "a", "n": 1})

values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.characters(categories=["Cs"])
    | st.binary()
    | st.datetimes()
    | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_message_id_is_the_identity() -> None:
    assert identify(PLAIN._replace(message_id="m-1")).id == "m-1"


@pytest.mark.parametrize("message_id", [None, ""])
def test_without_a_message_id_the_content_is_the_identity(message_id: str | None) -> None:
    assert identify(PLAIN._replace(message_id=message_id)).id.startswith(CONTENT_PREFIX)
    assert len(identify(PLAIN).id) == len(CONTENT_PREFIX) + 64


def test_the_content_identity_never_changes_between_releases() -> None:
    """Redeliveries after an upgrade must find their copy: a change here is a breaking change."""
    assert identify(PLAIN).id == CONTENT_PREFIX + "9a20b9260abdc79b4250ff9e9523924dee5f4fbf4a827e8f584de8580f53681e"


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"{ }"},
        {"routing_key": "order.paid"},
        {"source": "other/lakepost.orders"},
        {"headers": {"tenant": "b", "n": 1}},
        {"headers": {"tenant": "a", "n": True}},
        {"headers": {"tenant": "a", "n": "1"}},
        {"headers": {"tenant": ["a"], "n": 1}},
        {"headers": {}},
    ],
)
def test_other_content_is_another_identity(change: dict[str, Any]) -> None:
    assert identify(PLAIN._replace(**change)).id != identify(PLAIN).id


def test_the_parts_cannot_be_shifted_into_one_another() -> None:
    one, other = PLAIN._replace(routing_key="ab", body=b"c"), PLAIN._replace(routing_key="a", body=b"bc")
    assert identify(one).id != identify(other).id


@pytest.mark.parametrize(
    "change",
    [
        {"redelivered": True},
        {"source": "shop.events/another.queue"},
        {"headers": {"n": 1, "tenant": "a"}},
        {"headers": {**PLAIN.headers, "x-delivery-count": 3, "X-Death": [{"count": 1}], "traceparent": "00-1-2-01"}},
    ],
)
def test_what_a_redelivery_changes_is_not_part_of_the_identity(change: dict[str, Any]) -> None:
    assert identify(PLAIN._replace(**change)).id == identify(PLAIN).id


def test_a_message_of_a_stream_without_an_id_is_its_place_there() -> None:
    """Equal bytes are two events there: a stream has each once, and gives it at the same offset whenever it is read."""
    at = PLAIN._replace(position=5)
    assert identify(at).id == "lakepost:offset:lakepost.orders/5"
    assert identify(at._replace(position=6)).id != identify(at).id
    assert identify(at._replace(source="shop.events/another.stream")).id != identify(at).id
    assert identify(at._replace(message_id="m-1")).id == "m-1"


def test_the_type_is_amqps_else_the_routing_key() -> None:
    assert identify(PLAIN._replace(type="order.paid")).type == "order.paid"
    assert identify(PLAIN._replace(type="")).type == "order.placed"
    assert identify(PLAIN._replace(routing_key="")).type is None


def test_the_time_is_the_header_else_the_timestamp_else_none() -> None:
    headers = {"timestamp_in_ms": 1_700_000_000_123}
    header = dt.datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=dt.UTC)
    assert identify(PLAIN._replace(headers=headers, timestamp=NOON)).time == header
    assert identify(PLAIN._replace(timestamp=NOON)).time == NOON
    assert identify(PLAIN).time is None


@pytest.mark.parametrize(
    "value", ["1700000000123", b"1", -1, 2**63, 1e300, float("nan"), True, None, [1], {"a": 1}, 253_402_300_800_000]
)
def test_a_hostile_time_header_is_no_time(value: Any) -> None:
    assert identify(PLAIN._replace(headers={"timestamp_in_ms": value})).time is None
    assert identify(PLAIN._replace(headers={"timestamp_in_ms": value}, timestamp=NOON)).time == NOON


@given(
    st.builds(
        Delivery,
        body=st.binary(),
        source=st.text(),
        routing_key=st.text(),
        headers=st.dictionaries(st.text() | st.just("timestamp_in_ms"), values, max_size=4),
        message_id=st.none() | st.text(),
        type=st.none() | st.text(),
    )
)
def test_nothing_raises_and_a_redelivery_has_the_same_identity(delivery: Delivery) -> None:
    first = identify(delivery)
    assert first.id
    assert identify(delivery._replace(redelivered=True, headers=dict(reversed([*delivery.headers.items()])))) == first


def test_headers_nested_deeper_than_the_stack_do_not_raise() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert identify(PLAIN._replace(headers={"deep": deep})).id.startswith(CONTENT_PREFIX)
    while deep:  # taken apart by hand, for the same reason
        deep = deep.pop()

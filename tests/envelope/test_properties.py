"""Whatever arrives: nothing raises, the answer is the same each time, and a redelivery is the same event."""

from __future__ import annotations

import gzip
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.envelope import Kind, identify, opened, payload_of, recognise, split
from ingest.model.delivery import Delivery
from tests.envelope.golden import GOLDEN, delivery_of
from tests.envelope.rows import raw_of

_SAMPLES = [delivery_of(sample) for sample in GOLDEN.values()]
_NAMES = [*sorted({name for one in _SAMPLES for name in one.headers}), "rbs2-content-encoding", "CLOUDEVENTS:ID"]
_TYPES = [
    *sorted({one.content_type for one in _SAMPLES if one.content_type}),
    "application/cloudevents-batch+json",
    "application/cloudevents+json; charset=utf-16",
    "application/vnd.masstransit",
]
_MEMBERS = ["id", "source", "type", "time", "data", "data_base64", "messageId", "MessageType", "message", "sentTime"]

numbers = st.integers(-(2**63), 2**64) | st.floats()
scalars: st.SearchStrategy[Any] = st.none() | st.booleans() | numbers | st.text(max_size=20) | st.binary(max_size=9)
values = (
    scalars | st.lists(scalars, max_size=2) | st.sampled_from(["2026-11-20T16:05:09Z", "gzip", "0001-01-01", b"\xff"])
)
objects = st.dictionaries(
    st.sampled_from(_MEMBERS) | st.text(max_size=3),
    st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=3), max_size=2) | st.just({"n": 1}),
    max_size=6,
).map(lambda value: json.dumps(value).encode())
bodies = st.one_of(
    st.binary(max_size=30),
    objects,
    st.lists(objects, max_size=3).map(lambda some: b"[" + b",".join(some) + b"]"),
    objects.map(gzip.compress),
    st.sampled_from([one.body for one in _SAMPLES]),
)
deliveries = st.builds(
    Delivery,
    body=bodies,
    source=st.just("shop.events/lakepost.orders"),
    routing_key=st.text(max_size=5),
    headers=st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=5), values, max_size=5),
    content_type=st.none() | st.sampled_from(_TYPES) | st.text(max_size=9),
    content_encoding=st.none() | st.sampled_from(["gzip", "deflate", "br", "utf-8"]),
    message_id=st.none() | st.text(max_size=9),
    type=st.none() | st.sampled_from(["Shop.Order, Shop", "order.placed"]) | st.text(max_size=5),
    position=st.none() | st.integers(0, 2**63 - 1),
)


@settings(max_examples=300)
@given(deliveries)
def test_nothing_raises_and_a_redelivery_is_the_same_event(delivery: Delivery) -> None:
    again = delivery._replace(
        redelivered=True, headers=dict(reversed([*delivery.headers.items()])), properties={"app_id": "x"}
    )
    first, second = split(delivery), split(again)
    assert [identify(event) for event in first] == [identify(event) for event in second]
    assert [payload_of(event) for event in first] == [payload_of(event) for event in second]
    assert all(identify(event).id for event in first)
    assert recognise(delivery.content_type, delivery.headers, delivery.type) in Kind


@settings(max_examples=100)
@given(st.lists(deliveries, max_size=6))
def test_raw_can_hold_every_answer_and_every_row_is_opened_once(some: list[Delivery]) -> None:
    raw = raw_of(*some)
    pieces = list(opened(raw))
    assert sum(piece.rows.num_rows for piece in pieces) == raw.num_rows
    for piece in pieces:
        assert len(piece.reason) == len(piece.detail) == piece.rows.num_rows
        assert piece.reason.is_valid() == piece.detail.is_valid()
        assert piece.rows.schema == raw.schema

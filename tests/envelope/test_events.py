"""The events of many deliveries are those of each of them, whichever envelopes stand side by side."""

from __future__ import annotations

import dataclasses
import datetime as dt
import gzip
from importlib import import_module

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.envelope import event_date, events, identify, split
from ingest.model.arrived import Values
from ingest.model.contract import Contract
from ingest.model.delivery import Delivery
from ingest.model.tables import EVENTS
from tests.envelope.golden import GOLDEN, delivery_of
from tests.envelope.test_properties import deliveries

plain = st.builds(
    Delivery,
    body=st.sampled_from(
        [b"", b"x", b'{"at": "2026-11-20T23:30:00-02:00"}', b'{"at": 1763600000000}', b'{"at": true}']
    ),
    source=st.sampled_from(["shop.events/lakepost.orders", "/q", "a/b/c", "none"]),
    routing_key=st.sampled_from(["", "order.placed"]),
    headers=st.dictionaries(
        st.sampled_from(["timestamp_in_ms", "tenant", "x-death"]),
        st.sampled_from([0, -1, True, 1_763_600_000_000, 253_402_300_800_000, 2**63 - 1, "text"]),
    ),
    message_id=st.sampled_from([None, "", "m-1"]),
    type=st.sampled_from([None, "", "order.placed", "Shop.Order, Shop"]),
    timestamp=st.none() | st.datetimes(timezones=st.just(dt.UTC)),
    properties=st.just({}),
    position=st.none() | st.just(7),
)
hostile = deliveries.filter(lambda one: 2**64 not in one.headers.values()).map(
    lambda one: one._replace(timestamp=dt.datetime(2026, 11, 20, tzinfo=dt.UTC), properties={}, position=None)
)
golden = st.sampled_from([delivery_of(sample) for sample in GOLDEN.values()])
golden |= golden.map(lambda one: one._replace(message_id=None, position=8))


@pytest.mark.parametrize("rules", [("envelope",), ("body:at", "envelope"), ("envelope", "body:at")])
@settings(deadline=None, max_examples=60)
@given(some=st.lists(plain | golden | hostile, max_size=6))
def test_events_of_many_are_those_of_each(some: list[Delivery], rules: tuple[str, ...], orders: Contract) -> None:
    contract = dataclasses.replace(orders, event_time=rules)
    each = [event for delivery in some for event in split(delivery)]
    known = [(event, identify(event)) for event in each]
    found = pa.concat_tables([EVENTS.empty_table(), *events(Values(some).arrived(), contract)])
    assert found["body"].to_pylist() == [event.body for event in each]
    assert found["headers"].to_pylist() == Values(each).arrived().rows["headers"].to_pylist()
    assert found["event_id"].to_pylist() == [who.id for _, who in known]
    assert found["event_type"].to_pylist() == [who.type for _, who in known]
    assert found["event_time"].to_pylist() == [who.time for _, who in known]
    assert found["event_date"].to_pylist() == [event_date(event, who, contract) for event, who in known]


def test_headers_may_say_how_an_envelope_in_the_body_is_compressed(orders: Contract) -> None:
    contract = dataclasses.replace(orders, event_time=("body:at",))
    body = gzip.compress(b'{"messageId":"m","message":{"at":"2026-11-20T10:00:00Z"}}')
    delivery = Delivery(body, "e/q", content_type="application/vnd.masstransit+json", message_id="n")
    delivery = delivery._replace(headers={"RBS2-Content-Encoding": "gzip"})
    (rows,) = events(Values([delivery]).arrived(), contract)
    assert rows["event_date"].to_pylist() == [event_date(delivery, identify(delivery), contract)]
    assert rows["event_date"].to_pylist() == [dt.date(2026, 11, 20)]


def test_what_batches_hold_comes_piece_by_piece_and_in_order(orders: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("ingest.envelope.events"), "PIECE_BYTES", 60)
    single = Delivery(b"{}", "e/q", message_id="m")
    batch = Delivery(b'[{"id":"a","source":"s"},{"id":"b","source":"s"},1]', "e/q", message_id="n")
    batch = batch._replace(content_type="application/cloudevents-batch+json")
    some = [single, batch, single, batch._replace(message_id="o"), batch._replace(message_id="p"), single]
    pieces = list(events(Values(some).arrived(), orders))
    assert [piece["event_id"].to_pylist() for piece in pieces] == [
        ["m", "s a", "s b", "n#2", "m", "s a", "s b", "o#2"],
        ["s a", "s b", "p#2", "m"],
    ]

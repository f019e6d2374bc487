"""A batch of CloudEvents: one delivery, several events, and nothing lost in between."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.envelope import CONTENT_PREFIX, identify, payload_of, split
from ingest.envelope.encoding import MOST_BYTES
from ingest.model.delivery import Delivery
from ingest.model.reason import Reason

BATCH = "application/cloudevents-batch+json"


def batch(body: bytes, **more: Any) -> Delivery:
    """A delivery of a batch."""
    given: dict[str, Any] = {"content_type": BATCH, "message_id": "m-1", "position": 7} | more
    return Delivery(body, "shop.deliveries/lakepost.deliveries", **given)


def _event(number: int, **fields: Any) -> dict[str, Any]:
    event = {"specversion": "1.0", "id": f"e-{number}", "source": "/shop", "type": "t", "data": {"n": number}}
    return {**event, **fields}


def test_each_element_is_a_delivery_with_its_very_bytes() -> None:
    body = b'[ {"id": "a","source":"/s", "data":{"x":1.10}} ,\n\t{"id":"b","source":"/s","data":{"x" : 2}}\n]'
    one, other = split(batch(body, headers={"tenant": "a"}, redelivered=True))
    assert one.body == b'{"id": "a","source":"/s", "data":{"x":1.10}}'
    assert other.body == b'{"id":"b","source":"/s","data":{"x" : 2}}'
    assert one._replace(body=b"", message_id=None) == other._replace(body=b"", message_id=None)
    assert (one.position, one.headers, one.redelivered) == (7, {"tenant": "a"}, True)
    assert [identify(event).id for event in (one, other)] == ["/s a", "/s b"]
    assert [payload_of(event).body for event in (one, other)] == [b'{"x":1.10}', b'{"x" : 2}']


def test_a_compressed_batch_is_split_as_the_plain_one() -> None:
    body = json.dumps([_event(1), _event(2)]).encode()
    assert split(batch(gzip.compress(body), content_encoding="gzip")) == split(batch(body))


def test_an_element_without_an_identity_is_known_by_its_delivery_and_its_place() -> None:
    body = json.dumps([_event(0, id=None), _event(1), _event(2, source=""), 3]).encode()
    assert [identify(event).id for event in split(batch(body))] == ["m-1#0", "/shop e-1", "m-1#2", "m-1#3"]
    nameless = [identify(event).id for event in split(batch(body, message_id=None, position=None))]
    assert nameless[1] == "/shop e-1"
    assert all(one.startswith(CONTENT_PREFIX) for one in nameless if one != "/shop e-1")
    assert len(set(nameless)) == 4


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "holds no events"),
        (b" [ ] ", "holds no events"),
        (b"", "not one JSON array"),
        (b"{}", "not one JSON array"),
        (b'[{"id":"a"}', "not one JSON array"),
        (b'[{"id":"a"},]', "not one JSON array"),
        (b"[1][2]", "not one JSON array"),
        (b"[" * 5000 + b"]" * 5000, "not one JSON array"),
    ],
)
def test_a_batch_that_has_no_events_stays_one_delivery_that_says_why(body: bytes, words: str) -> None:
    delivery = batch(body)
    assert split(delivery) == (delivery,)
    assert identify(delivery).id == "m-1"
    found = payload_of(delivery)
    assert found.reason is Reason.ENVELOPE
    assert words in (found.detail or "")


@pytest.mark.parametrize("element", [b"1", b'"x"', b'{"id":1}'])
def test_a_batch_of_too_many_events_stays_one_delivery(element: bytes) -> None:
    """Of a few kilobytes, compressed: made into deliveries they would be gigabytes."""
    body = b"[" + b",".join([element] * 2_100_000) + b"]"
    body = body if len(body) < MOST_BYTES else b"[" + b",".join([element] * 100_001) + b"]"
    delivery = batch(gzip.compress(body), content_encoding="gzip")
    begun = time.process_time()
    assert split(delivery) == (delivery,)
    assert "more than 100000 events" in (payload_of(delivery).detail or "")
    assert time.process_time() - begun < 2


def test_a_batch_whose_compression_is_broken_or_unknown_stays_one_delivery() -> None:
    for delivery in (batch(b"[1]", content_encoding="gzip"), batch(b"[1]", content_encoding="br")):
        assert split(delivery) == (delivery,)


def test_what_is_no_batch_stays_as_it_is() -> None:
    delivery = batch(b"[1,2]", content_type="application/json")
    assert split(delivery) == (delivery,)


documents: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
white = st.text(" \t\r\n", max_size=3).map(str.encode)


@given(st.lists(st.tuples(documents, white, white, st.sampled_from([None, 1])), min_size=1, max_size=5))
def test_splitting_and_joining_gives_the_same_elements_byte_for_byte(
    elements: list[tuple[Any, bytes, bytes, int | None]],
) -> None:
    texts = [json.dumps(value, indent=indent).encode() for value, _, _, indent in elements]
    body = (
        b"["
        + b",".join(before + text + after for text, (_, before, after, _) in zip(texts, elements, strict=True))
        + b"]"
    )
    assert [event.body for event in split(batch(body))] == texts
    assert split(batch(body)) == split(batch(body))

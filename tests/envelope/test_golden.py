"""Each producer's deliveries: who wrote them, which event they are, and what the contract speaks of."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from ingest.envelope import Kind, identify, opened, payload_of, recognise
from ingest.model.delivery import Delivery
from tests.envelope.golden import GOLDEN, delivery_of
from tests.envelope.rows import raw_of

golden = pytest.mark.parametrize("name", GOLDEN)


def _kind(delivery: Delivery) -> Kind:
    return recognise(delivery.content_type, delivery.headers, delivery.type)


def test_every_kind_has_a_sample() -> None:
    assert {sample["expected"]["kind"] for sample in GOLDEN.values()} == {kind.value for kind in Kind}


@golden
def test_the_producer_is_recognised(name: str) -> None:
    assert _kind(delivery_of(GOLDEN[name])).value == GOLDEN[name]["expected"]["kind"]


@golden
def test_id_type_and_time_are_the_envelope_s(name: str) -> None:
    expected = GOLDEN[name]["expected"]
    found = identify(delivery_of(GOLDEN[name]))
    time = None if expected["time"] is None else dt.datetime.fromisoformat(expected["time"])
    assert found == (expected["id"], expected["type"], time)


@golden
def test_the_payload_is_what_the_contract_speaks_of(name: str) -> None:
    expected = GOLDEN[name]["expected"]
    found = payload_of(delivery_of(GOLDEN[name]))
    if "reason" in expected:
        assert (found.reason, found.detail) == (expected["reason"], expected["detail"])
    else:
        assert (found.reason, found.body.decode()) == (None, expected["payload"])


@golden
def test_what_the_broker_and_the_framework_capitalise_otherwise_is_recognised_all_the_same(name: str) -> None:
    plain = delivery_of(GOLDEN[name])
    loud = plain._replace(
        headers={key.upper(): value for key, value in reversed([*plain.headers.items()]) if key != "timestamp_in_ms"},
        content_type=plain.content_type and plain.content_type.upper(),
    )
    assert _kind(loud) is _kind(plain)
    assert identify(loud)[:2] == identify(plain)[:2]
    assert payload_of(loud)[0] == payload_of(plain)[0]


def test_many_rows_are_opened_as_each_of_them_alone() -> None:
    deliveries = [delivery_of(sample) for sample in GOLDEN.values()]
    raw = raw_of(*deliveries, *deliveries)
    pieces = list(opened(raw))
    rows = pa.concat_tables([piece.rows for piece in pieces])
    reasons = [text for piece in pieces for text in piece.reason.to_pylist()]
    alone = [payload_of(delivery) for delivery in deliveries] * 2
    assert rows["body"].to_pylist() == [one.body for one in alone]
    assert reasons == [one.reason for one in alone]
    assert rows.drop_columns(["body", "content_type", "content_encoding"]) == raw.drop_columns(
        ["body", "content_type", "content_encoding"]
    )


def _both(name: str, other: str, **more: Any) -> Delivery:
    """The first, with the headers and the type of the other too."""
    one, two = delivery_of(GOLDEN[name]), delivery_of(GOLDEN[other])
    return one._replace(headers={**one.headers, **two.headers}, type=two.type, **more)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("cloudevents_structured", "cloudevents_binary"),
        ("cloudevents_structured", "nservicebus"),
        ("masstransit", "masstransit_raw"),
        ("masstransit", "nservicebus"),
        ("cloudevents_binary", "nservicebus"),
        ("nservicebus", "masstransit_raw"),
        ("masstransit_raw", "rebus"),
        ("rebus", "cap"),
        ("cap", "wolverine"),
        ("wolverine", "easynetq"),
    ],
)
def test_of_two_envelopes_the_first_in_the_documented_order_counts(name: str, other: str) -> None:
    assert _kind(_both(name, other)) is _kind(delivery_of(GOLDEN[name]))


@pytest.mark.parametrize(
    ("headers", "kind"),
    [({"message-type": "a"}, None), ({"sent-at": "b"}, None), ({"x-cap-msg-id": "1"}, None), ({"mtx": 1}, "a, b")],
)
def test_what_only_resembles_an_envelope_is_raw(headers: dict[str, Any], kind: str | None) -> None:
    expected = Kind.RAW if kind is None else Kind.EASYNETQ
    assert recognise("application/json", headers, kind) is expected


@pytest.mark.parametrize(
    "kind", ["order.placed", "Shop.Order", "placed, paid and packed", ", x", "Shop.Order,", "a b, c", "ok, 1st", ""]
)
def test_a_type_that_is_no_dotnet_type_with_its_assembly_is_raw(kind: str) -> None:
    assert recognise(None, (), kind) is Kind.RAW


@pytest.mark.parametrize("kind", ["Shop.Envelope`1[[Shop.Order, Shop]], Shop", "Order, Shop.Contracts", "A.B+C[], D"])
def test_dotnet_types_of_every_form_are_easynetq(kind: str) -> None:
    assert recognise(None, (), kind) is Kind.EASYNETQ

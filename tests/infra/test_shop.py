"""The shop: the same seed gives the same messages, and each is what its kind says."""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import decimal
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

import shop
import shop_faults
from ingest.model.reason import Reason

N = 20_000
STREAM = list(shop.messages(N, seed=7))
FREE_TEXT = ("sku", "name", "street", "city", "postcode", "note")


def of(kind: shop.Kind) -> list[shop.Sent]:
    return [sent for sent in STREAM if sent.kind is kind]


def with_reason(reason: Reason) -> list[shop.Sent]:
    return [sent for sent in STREAM if sent.reason is reason]


def strict(body: bytes) -> Any:
    """One JSON document in UTF-8 by RFC 8259 with unique keys, or ValueError. Python's own reader."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("duplicate key")
        return dict(pairs)

    def refuse(word: str) -> None:
        raise ValueError(word)

    return json.loads(body.decode(), object_pairs_hook=unique, parse_constant=refuse, parse_float=decimal.Decimal)


def texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every string of a payload with the name of its field."""
    if isinstance(value, str):
        yield name, value
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield from texts(inner, key)
    for inner in value if isinstance(value, list) else ():
        yield from texts(inner, name)


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert list(shop.messages(3000, seed=5)) == list(shop.messages(3000, seed=5))


def test_another_seed_gives_other_messages() -> None:
    assert not {s.message_id for s in shop.messages(500, seed=1)} & {
        s.message_id for s in shop.messages(500, seed=2)
    } - {None}


def test_the_bytes_are_the_same_on_every_machine() -> None:
    """Change this only with the generator: a demo's numbers are compared between machines and days."""
    digest = hashlib.sha256(b"".join(sent.body for sent in shop.messages(2000, seed=1))).hexdigest()
    assert digest == "5a1cf5f23cfb80dca50ee212b039a5668e868ea216c6c89e1844e0d2342c8fa3"


@pytest.mark.parametrize("n", [0, 1, 10, 100, 1000, 100_000])
def test_the_mix_adds_up_and_stays_below_the_gate(n: int) -> None:
    mix = shop.mix(n)
    rejected = sum(mix[shop.Kind(kind)] for kind in ("malformed", "wrong_type", "suite", "no_identity"))
    assert sum(mix.values()) == n
    assert rejected <= n * 0.05


def test_the_mix_of_the_demo_is_exact() -> None:
    mix = shop.mix(100_000)
    assert (mix[shop.Kind.MALFORMED], mix[shop.Kind.WRONG_TYPE], mix[shop.Kind.SUITE]) == (2000, 1000, 1000)
    assert (mix[shop.Kind.DUPLICATE], mix[shop.Kind.BIG], mix[shop.Kind.NO_IDENTITY]) == (1000, 1, 5)
    assert mix[shop.Kind.UNKNOWN_FIELDS] == 3000


def test_the_stream_has_the_mix() -> None:
    assert collections.Counter(sent.kind for sent in STREAM) == {k: v for k, v in shop.mix(N).items() if v}
    assert [sent.n for sent in STREAM] == list(range(N))


def test_curated_bodies_are_one_json_object_with_the_values_of_the_ledger() -> None:
    for sent in STREAM:
        if sent.outcome is not shop.Outcome.QUARANTINED:
            payload = strict(sent.body)
            assert payload["order_id"] == sent.order_id
            assert f"{decimal.Decimal(payload['total']):.2f}" == sent.total
            assert payload.get("note") == sent.note


@pytest.mark.parametrize("fault", shop_faults.MALFORMED, ids=lambda fault: fault.name)
def test_malformed_bodies_are_malformed_by_an_independent_reader(fault: shop_faults.Broken) -> None:
    index = shop_faults.MALFORMED.index(fault)
    mine = of(shop.Kind.MALFORMED)[index :: len(shop_faults.MALFORMED)]
    assert mine
    for sent in mine:
        assert sent.reason is fault.reason
        assert (not sent.body.strip()) == (fault.reason is Reason.EMPTY)
        if fault.reason is Reason.ENCODING:
            with pytest.raises(UnicodeDecodeError):
                sent.body.decode()
        else:
            sent.body.decode()
            with contextlib.suppress(ValueError, RecursionError):
                assert not isinstance(strict(sent.body), dict)


def test_rejected_values_still_stand_in_one_json_object() -> None:
    for sent in [*of(shop.Kind.WRONG_TYPE), *of(shop.Kind.SUITE), *of(shop.Kind.NO_IDENTITY)]:
        assert isinstance(strict(sent.body), dict)
        assert sent.outcome is shop.Outcome.QUARANTINED


def test_missing_and_null_values_are_what_required_means() -> None:
    assert with_reason(Reason.REQUIRED)
    for sent in with_reason(Reason.REQUIRED):
        assert strict(sent.body).get(sent.column) is None


def test_several_expectations_are_broken_each_in_one_column() -> None:
    broken = {(sent.expectation, sent.column) for sent in of(shop.Kind.SUITE)}
    assert len({expectation for expectation, _ in broken}) >= 3
    assert {column for _, column in broken} == {"status", "currency", "total", "item_count", "order_id", "customer_id"}


def test_a_spoilt_event_does_not_spoil_the_next_of_its_order() -> None:
    """Events of one order share their address and items; a fault must not reach its neighbours."""
    curated = [strict(s.body) for s in STREAM if s.outcome is shop.Outcome.CURATED and s.kind is not shop.Kind.EDGE]
    for payload in curated:
        assert all(isinstance(item["quantity"], int) for item in payload["items"])
        assert isinstance(payload["address"]["city"], str)


def test_duplicates_repeat_an_earlier_message_byte_for_byte() -> None:
    seen: dict[str | None, shop.Sent] = {}
    for sent in STREAM:
        if sent.kind is shop.Kind.DUPLICATE:
            original = seen[sent.message_id]
            assert original.outcome is shop.Outcome.CURATED
            assert (original.body, original.headers, original.timestamp) == (sent.body, sent.headers, sent.timestamp)
            assert (original.routing_key, original.event_date) == (sent.routing_key, sent.event_date)
            assert sent.outcome is shop.Outcome.DUPLICATE
        else:
            assert sent.message_id is None or sent.message_id not in seen
            seen[sent.message_id] = sent


def test_only_the_five_anonymous_messages_have_no_id_and_their_bodies_differ() -> None:
    anonymous = [sent for sent in STREAM if sent.message_id is None]
    assert anonymous == of(shop.Kind.NO_IDENTITY)
    assert len({sent.sha256 for sent in anonymous}) == 5


def test_event_dates_are_the_utc_dates_of_the_envelope() -> None:
    dates = collections.Counter(sent.event_date for sent in STREAM)
    late = {(shop.BASE_DATE - dt.timedelta(days=days)).isoformat() for days in range(6)}
    assert set(dates) == late | {"1970-01-01"}
    for sent in STREAM:
        if sent.event_date != "1970-01-01":
            millis = sent.headers.get("timestamp_in_ms")
            time_ = dt.datetime.fromtimestamp(millis / 1000, dt.UTC) if millis is not None else sent.timestamp
            assert time_ is not None
            assert time_.date().isoformat() == sent.event_date


def test_hostile_clocks_have_no_date_of_the_contract() -> None:
    clocks = [sent for sent in STREAM if sent.event_date == "1970-01-01" and sent.kind is shop.Kind.CLOCK]
    assert {sent.outcome for sent in clocks} == {shop.Outcome.CURATED}
    assert any(sent.timestamp is None and "timestamp_in_ms" not in sent.headers for sent in clocks)
    assert any(sent.headers.get("timestamp_in_ms", 0) < 0 for sent in clocks)
    assert any(sent.timestamp and sent.timestamp.year == 9999 for sent in clocks)


def test_exactly_one_body_has_a_megabyte() -> None:
    assert [len(sent.body) for sent in STREAM if len(sent.body) > 100_000] == [1_000_000]


def test_free_texts_have_unicode_in_every_field_and_some_messages_in_all_of_them() -> None:
    plain = [dict(texts(strict(sent.body))) for sent in of(shop.Kind.PLAIN)[:3000]]
    for field in FREE_TEXT:
        assert any(not text.get(field, "").isascii() for text in plain)
    assert any(all(field in text and not text[field].isascii() for field in FREE_TEXT) for text in plain)


def test_the_stream_has_emoji_right_to_left_combining_and_cjk_text_raw_and_escaped() -> None:
    everything = b"\n".join(sent.body for sent in of(shop.Kind.PLAIN)).decode()
    for sample in ("🍋", "ب", "ש", "e\u0301", "純米", "서울", "👨‍👩‍👧‍👦", "\\u0000", "\\ud83c"):
        assert sample in everything


def test_timestamps_come_with_seven_digits_offsets_and_plain() -> None:
    moments = [strict(sent.body)["occurred_at"] for sent in of(shop.Kind.PLAIN)]
    for pattern in ("+01:00", "+05:30", "-03:30", "Z"):
        assert any(moment.endswith(pattern) for moment in moments)
    fractions = {len(moment.partition(".")[2].rstrip("Z").partition("+")[0].partition("-")[0]) for moment in moments}
    assert fractions == {0, 3, 7}


def test_orders_go_through_their_life_in_order() -> None:
    life = ["placed", "paid", "packed", "delivering", "delivered"]
    lives = collections.defaultdict(list)
    for sent in of(shop.Kind.PLAIN):
        payload = strict(sent.body)
        assert sent.routing_key == sent.type == f"order.{payload['status']}"
        lives[payload["order_id"]].append(payload["status"])
    for statuses in lives.values():
        ranks = [life.index(status) for status in statuses if status != "cancelled"]
        assert ranks == sorted(set(ranks))
        assert "cancelled" not in statuses[:-1]


def test_pretty_and_deep_bodies_are_there() -> None:
    assert all(sent.body.strip().count(b"\n") > 10 for sent in of(shop.Kind.PRETTY))
    assert all(sent.body.count('{"↳":'.encode()) == 100 for sent in of(shop.Kind.DEEP))
    assert any(b"\r\n" in sent.body for sent in of(shop.Kind.PRETTY))


def test_a_hundred_thousand_messages_take_seconds() -> None:
    """A tenth of the demo's stream within a generous share of its budget; the bound is for a slow machine."""
    begun = time.process_time()
    for _ in shop.messages(10_000, seed=1):
        pass
    assert time.process_time() - begun < 3

"""The shop: a seeded stream of `orders` messages, each with the verdict that it must get.

The verdict follows from how a message is built, never from asking the product, so that the two can
disagree. The same `n`, `seed`, `days` and `base` give the same bytes on every machine.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import msgspec

from ingest.model.contract import UNKNOWN_DATE
from ingest.model.reason import Reason
from shop_clocks import CLOCKS
from shop_faults import MALFORMED, SUITE, WRONG, deep
from shop_goods import NOTES
from shop_orders import Event, Orders, encode, escape, literal

__all__ = ["BASE_DATE", "Kind", "Outcome", "Sent", "messages", "mix"]

BASE_DATE = dt.date(2026, 11, 20)
"""The day of the stream's clock. Fixed, so that two runs send the same bytes."""

_MEGABYTE = 1_000_000
_REPEATABLE = 2000  # earlier messages of which a duplicate may be
_OTHER_CLOCK_SHARE = 0.05  # of those with the header: no AMQP timestamp; as many again: one of another day
_ESCAPED_SHARE = 0.2  # messages written in ASCII with \u escapes, as .NET does
_HEADER_SHARE = 0.7  # messages with the broker's `timestamp_in_ms` header


class Outcome(StrEnum):
    """Where a message must end."""

    CURATED = "curated"
    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"


class Kind(StrEnum):
    """What a message of the stream is for."""

    PLAIN = "plain"
    UNKNOWN_FIELDS = "unknown_fields"  # fields that the contract does not name
    PRETTY = "pretty"  # one document on many lines
    DEEP = "deep"  # 100 levels in an unknown field
    EDGE = "edge"  # totals and counts on the borders of what is valid
    BIG = "big"  # a body of 1 MB
    CLOCK = "clock"  # no readable time, or an absurd one
    DUPLICATE = "duplicate"  # an earlier message once more, byte for byte
    MALFORMED = "malformed"
    WRONG_TYPE = "wrong_type"
    SUITE = "suite"
    NO_IDENTITY = "no_identity"


@dataclass(frozen=True, slots=True)
class Sent:
    """One message and its expected fate. `event_date` is ISO; `timestamp` has whole seconds, UTC.

    `reason`, `expectation` and `column` say why it is rejected; `order_id`, `total` (two places) and
    `note` are the values that its curated row must have, null where there is none; `rescued` is the text that the
    row must have of the fields that the contract does not name.
    """

    n: int
    kind: Kind
    routing_key: str
    body: bytes = field(repr=False)
    message_id: str | None
    type: str
    timestamp: dt.datetime | None
    headers: Mapping[str, Any]
    event_date: str
    outcome: Outcome = Outcome.CURATED
    reason: Reason | None = None
    expectation: str | None = None
    column: str | None = None
    order_id: str | None = None
    total: str | None = None
    note: str | None = field(default=None, repr=False)
    rescued: str | None = field(default=None, repr=False)
    content_type: str = "application/json"
    content_encoding: str | None = None

    @property
    def sha256(self) -> str:
        """The body's hash, in hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()


def mix(n: int) -> dict[Kind, int]:
    """How many messages of each kind a stream of `n` has; they add up to `n`."""
    counts = {
        Kind.MALFORMED: n * 20 // 1000,
        Kind.WRONG_TYPE: n * 10 // 1000,
        Kind.SUITE: n * 10 // 1000,
        Kind.DUPLICATE: n * 10 // 1000,
        Kind.UNKNOWN_FIELDS: n * 30 // 1000,
        Kind.PRETTY: n * 10 // 1000,
        Kind.DEEP: n // 2000,
        Kind.EDGE: n // 1000,
        Kind.BIG: min(1, n // 100),
        Kind.CLOCK: min(2 * len(CLOCKS), n // 100),
        Kind.NO_IDENTITY: min(5, n // 200),
    }
    return {Kind.PLAIN: n - sum(counts.values()), **counts}


def messages(n: int, seed: int, *, days: int = 5, base: dt.date = BASE_DATE) -> Iterator[Sent]:
    """`n` messages in sending order; late ones are dated up to `days` days before `base`."""
    rng = random.Random(seed)
    plan = [kind for kind, count in mix(n).items() for _ in range(count)]
    rng.shuffle(plan)
    if plan:  # a duplicate needs something before it
        first = plan.index(Kind.PLAIN)
        plan[0], plan[first] = plan[first], plan[0]
    writer = _Writer(rng, Orders(rng, base, events=n, days=days))
    earlier: list[Sent] = []  # what a duplicate may repeat: a sample of the curated, old and new
    for number, kind in enumerate(plan):
        if kind is Kind.DUPLICATE:
            original = earlier[int(rng.random() * len(earlier))]
            yield replace(original, n=number, kind=kind, outcome=Outcome.DUPLICATE)
            continue
        sent = writer.write(number, kind)
        if sent.outcome is Outcome.CURATED and kind is not Kind.BIG:
            if len(earlier) < _REPEATABLE:
                earlier.append(sent)
            else:
                earlier[int(rng.random() * _REPEATABLE)] = sent
        yield sent


class _Writer:
    """Turns the shop's events into messages of a wanted kind. Each kind goes round its variants in turn."""

    def __init__(self, rng: random.Random, orders: Orders) -> None:
        self._rng = rng
        self._orders = orders
        self._turns = dict.fromkeys(Kind, 0)
        self._kinds: dict[Kind, Callable[[Sent, Event, int], Sent]] = {
            Kind.UNKNOWN_FIELDS: self._unknown_fields,
            Kind.PRETTY: self._pretty,
            Kind.DEEP: self._deep,
            Kind.EDGE: self._edge,
            Kind.BIG: self._big,
            Kind.CLOCK: self._clock,
            Kind.MALFORMED: self._malformed,
            Kind.WRONG_TYPE: self._wrong_type,
            Kind.SUITE: self._suite,
            Kind.NO_IDENTITY: self._no_identity,
        }

    def write(self, number: int, kind: Kind) -> Sent:
        """The next event as message `number`."""
        event = self._orders.next_event()
        if kind is Kind.PLAIN:  # nine of ten: written once, not changed afterwards
            return self._envelope(number, kind, event, self._body(event.payload))
        turn = self._turns[kind]
        self._turns[kind] += 1
        return self._kinds[kind](self._envelope(number, kind, event, b""), event, turn)

    def _envelope(self, number: int, kind: Kind, event: Event, body: bytes) -> Sent:
        rng = self._rng
        headers: dict[str, Any] = {"producer": "shop-öffentlich/3.1", "attempt": 1 + int(rng.random() * 1.05)}
        timestamp: dt.datetime | None = event.time.replace(microsecond=0)
        if rng.random() < _HEADER_SHARE:
            headers["timestamp_in_ms"] = int(event.time.timestamp() * 1000 + 0.5)
            other = rng.random()  # the header wins, whatever the property says
            if other < _OTHER_CLOCK_SHARE:
                timestamp = None
            elif other < 2 * _OTHER_CLOCK_SHARE:
                timestamp = event.time.replace(microsecond=0) + dt.timedelta(days=1)
        key = f"order.{event.status}"
        identity = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        note = event.payload.get("note")
        return Sent(
            number, kind, key, body, identity, key, timestamp, headers, event.event_date,
            order_id=event.payload["order_id"], total=event.total, note=note,
        )  # fmt: skip

    def _body(self, payload: dict[str, Any]) -> bytes:
        return self._both(payload, {})[0]

    def _both(self, payload: dict[str, Any], beside: dict[str, Any]) -> tuple[bytes, str]:
        """The body, and `beside`, which is part of it, written in the same way."""
        body, part = encode(payload), encode(beside)
        if self._rng.random() < _ESCAPED_SHARE:
            body, part = escape(body), escape(part)
        return body, part.decode()

    def _unknown_fields(self, sent: Sent, event: Event, turn: int) -> Sent:
        name, value = _UNKNOWN[turn % len(_UNKNOWN)]
        first, last = ({name: value}, {}) if turn % 2 else ({}, {name: value})
        body, rescued = self._both(first | event.payload | last, {name: value})
        return replace(sent, body=body, rescued=rescued)

    def _pretty(self, sent: Sent, event: Event, turn: int) -> Sent:
        body = msgspec.json.format(self._body(event.payload), indent=2)
        forms = (body, body.replace(b"\n", b"\r\n"), b"\n \t" + body + b"\n\n")
        return replace(sent, body=forms[turn % len(forms)])

    def _deep(self, sent: Sent, event: Event, _turn: int) -> Sent:
        trace = b'"trace":' + deep('"⊥"'.encode()) + b"}"
        body = self._body(event.payload)[:-1] + b"," + trace
        return replace(sent, body=body, rescued="{" + trace.decode())

    def _edge(self, sent: Sent, event: Event, turn: int) -> Sent:
        changes, total = _EDGES[turn % len(_EDGES)]
        planet = {key: value for key, value in (changes.get("address") or {}).items() if key == "planet"}
        body, rescued = self._both(event.payload | changes, {"address": planet})
        return replace(sent, body=body, total=total or sent.total, rescued=rescued if planet else None)

    def _big(self, sent: Sent, event: Event, _turn: int) -> Sent:
        text = "".join(NOTES) + " "
        payload = event.payload | {"note": ""}
        room = _MEGABYTE - len(encode(payload))
        copies = room // (len(msgspec.json.encode(text)) - 2)
        note = text * copies
        note += "x" * (_MEGABYTE - len(encode(payload | {"note": note})))
        return replace(sent, body=encode(payload | {"note": note}), note=note)

    def _clock(self, sent: Sent, event: Event, turn: int) -> Sent:
        clock = CLOCKS[turn % len(CLOCKS)]
        headers = {name: value for name, value in sent.headers.items() if name != "timestamp_in_ms"} | clock.headers
        body, unknown = self._body(event.payload), UNKNOWN_DATE.isoformat()
        return replace(sent, body=body, timestamp=clock.timestamp, headers=headers, event_date=unknown)

    def _malformed(self, sent: Sent, event: Event, turn: int) -> Sent:
        fault = MALFORMED[turn % len(MALFORMED)]
        body = fault.make(encode(event.payload), self._rng)
        return _rejected(replace(sent, body=body), fault.reason)

    def _wrong_type(self, sent: Sent, event: Event, turn: int) -> Sent:
        fault = WRONG[turn % len(WRONG)]
        fault.spoil(event.payload)
        return _rejected(replace(sent, body=self._body(event.payload)), fault.reason, column=fault.column)

    def _suite(self, sent: Sent, event: Event, turn: int) -> Sent:
        fault = SUITE[turn % len(SUITE)]
        fault.spoil(event.payload)
        body = self._body(event.payload)
        return _rejected(replace(sent, body=body), fault.reason, column=fault.column, expectation=fault.expectation)

    def _no_identity(self, sent: Sent, event: Event, _turn: int) -> Sent:
        return _rejected(replace(sent, body=self._body(event.payload), message_id=None), Reason.NO_IDENTITY)


def _rejected(sent: Sent, reason: Reason, *, column: str | None = None, expectation: str | None = None) -> Sent:
    return replace(
        sent,
        outcome=Outcome.QUARANTINED,
        reason=reason,
        column=column,
        expectation=expectation,
        order_id=None,
        total=None,
        note=None,
    )


_UNKNOWN: tuple[tuple[str, Any], ...] = (
    ("größe", "extra groß 🐘"),
    ("kanal", {"app": "Händy", "version": "5.0.0-β"}),
    ("étiquettes", ["été", "fête", "🏖"]),
    ("ordre_id", "o-00000000"),
    ("Order_Id", "o-11111111"),
    ("", "a key of no characters"),
    ("注文", {"番号": 7, "項目": [None, True, {"深": []}]}),
    ("weight", literal("123456789012345678901234567890")),
    ("ratio", literal("0.1000000000000000055511151231257827")),
    ("tiny", literal("-1.5E-300")),
    ("note.text", "not the note, ü"),
    ("event_date", "1999-12-31"),
    ("batch", "ü"),
    ('a"b\\c\n', "key with quotes, ü"),
)  # fmt: skip

_EDGES: tuple[tuple[dict[str, Any], str | None], ...] = (
    ({"total": literal("0")}, "0.00"),
    ({"total": literal("100000")}, "100000.00"),
    ({"total": literal("100000.00")}, "100000.00"),
    ({"total": literal("0.1")}, "0.10"),
    ({"total": literal("1.5e1")}, "15.00"),
    ({"total": literal("99999.99")}, "99999.99"),
    ({"item_count": 1}, None),
    ({"item_count": 500}, None),
    ({"loyalty_points": 9_223_372_036_854_775_807}, None),
    ({"loyalty_points": -9_223_372_036_854_775_808}, None),
    ({"items": []}, None),
    ({"items": None}, None),
    ({"items": [None, {"sku": None}, {}]}, None),
    ({"address": None}, None),
    ({"address": {}}, None),
    ({"address": {"city": "Ürümqi", "planet": "Erde 🌍"}}, None),
    ({"occurred_at": "2026-11-16T23:59:59.9999999-12:00"}, None),
    ({"occurred_at": "2024-02-29T00:00:00+14:00"}, None),
)

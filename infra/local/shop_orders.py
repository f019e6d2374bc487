# ruff: noqa: PLR2004 -- the bare numbers are shares of a random mix
"""The lifecycle of orders: placed → paid → … as payloads, in the order in which the shop would send them."""

from __future__ import annotations

import datetime as dt
import json
import random
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from shop_goods import DRINKS, NOTES, PLACES, Place

__all__ = ["Event", "Orders", "encode", "escape", "literal"]

_LIFE = ("placed", "paid", "packed", "delivering", "delivered")
_OPEN_ORDERS = 400  # how many orders are under way at once
_LATE_SHARE = 0.08  # orders whose events reach the exchange days after they happened
_NON_ASCII = re.compile(r"[^\x00-\x7f]+")


@dataclass(frozen=True, slots=True)
class Event:
    """One order event. `time` is when it was sent, UTC milliseconds; `cents` the order's total."""

    status: str
    time: dt.datetime
    event_date: str
    payload: dict[str, Any]
    cents: int

    @property
    def total(self) -> str:
        """The total as a decimal with two places."""
        return f"{self.cents // 100}.{self.cents % 100:02d}"


@dataclass(slots=True)
class _Order:
    number: int
    lag: int  # days between its events and the base date
    place: Place
    fixed: dict[str, Any]  # the fields that every event of the order repeats
    cents: int
    step: int = 0


def literal(text: str) -> msgspec.Raw:
    """A JSON literal that is written as it stands: `12.50` keeps its zero."""
    return msgspec.Raw(text.encode())


def encode(payload: dict[str, Any]) -> bytes:
    """The payload as compact UTF-8 JSON."""
    return msgspec.json.encode(payload)


def escape(body: bytes) -> bytes:
    r"""The same JSON document in ASCII, as .NET writes it: `ü` becomes `\u00fc`."""
    return _NON_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], body.decode()).encode()


class Orders:
    """An endless shop: each `next_event` starts an order or moves one that is under way.

    The clock runs from `base` 00:00 to 23:59:50 UTC over `events` calls, so no event leaves its day;
    late orders lie `1 … days` days before `base`. Everything follows from `rng`.
    """

    def __init__(self, rng: random.Random, base: dt.date, *, events: int, days: int) -> None:
        self._rng = rng
        self._midnights = [
            dt.datetime.combine(base - dt.timedelta(days=lag), dt.time(), dt.UTC) for lag in range(days + 1)
        ]
        self._dates = [midnight.date().isoformat() for midnight in self._midnights]
        self._step = 86_390_000 / max(events, 1)  # milliseconds
        self._events = 0
        self._numbers = rng.randrange(1_000_000, 9_000_000)
        self._open: list[_Order] = []

    def next_event(self) -> Event:
        """The next event of some order, all its values valid."""
        rng = self._rng
        if len(self._open) < _OPEN_ORDERS and rng.random() < max(0.22, 1 - len(self._open) / 50):
            self._open.append(self._begin())
            at = len(self._open) - 1
        else:
            at = int(rng.random() * len(self._open))
        order = self._open[at]
        status = _LIFE[order.step] if order.step in (0, 4) or rng.random() > 0.02 else "cancelled"
        order.step += 1
        if status in {"delivered", "cancelled"}:
            self._open[at] = self._open[-1]
            self._open.pop()
        return self._event(order, status)

    def _event(self, order: _Order, status: str) -> Event:
        time = self._midnights[order.lag] + dt.timedelta(milliseconds=int(self._events * self._step))
        self._events += 1
        payload = {"order_id": f"o-{order.number:08d}", "customer_id": "", "status": status}
        payload |= {"occurred_at": self._occurred_at(time, order.place.offset)} | order.fixed
        return Event(status, time, self._dates[order.lag], payload, order.cents)

    def _occurred_at(self, sent: dt.datetime, offset: int) -> str:
        """A moment shortly before `sent`, as the producers write it: .NET ticks, offsets, plain seconds."""
        rng = self._rng
        micros = int(rng.random() * 90_000_000)
        moment = sent - dt.timedelta(microseconds=micros)
        style = rng.random()
        if style < 0.15:
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        if style < 0.35:
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if style < 0.55:
            return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}{micros % 10}Z"
        local = (moment + dt.timedelta(minutes=offset)).replace(tzinfo=None).isoformat(timespec="microseconds")
        hours, minutes = divmod(abs(offset), 60)
        return f"{local}{micros % 10}{'-' if offset < 0 else '+'}{hours:02d}:{minutes:02d}"

    def _begin(self) -> _Order:
        rng = self._rng
        self._numbers += 1
        place = PLACES[int(rng.random() * len(PLACES))]
        lag = 0 if rng.random() >= _LATE_SHARE else 1 + int(rng.random() * (len(self._dates) - 1))
        items, count, cents = [], 0, 0
        for _ in range(1 + int(rng.random() * rng.random() * 5)):
            drink, quantity = DRINKS[int(rng.random() * len(DRINKS))], 1 + int(rng.random() * 4)
            count, cents = count + quantity, cents + quantity * drink.cents
            items.append(
                {"sku": drink.sku, "name": drink.name, "quantity": quantity, "unit_price": _price(drink.cents)}
            )
        fixed: dict[str, Any] = {
            "customer_id": f"c-{int(rng.random() * 1_000_000):06d}",
            "currency": place.currency,
            "total": _price(cents),
            "item_count": count,
            "items": items,
            "address": {
                "street": f"{place.streets[int(rng.random() * len(place.streets))]} {1 + int(rng.random() * 120)}",
                "city": place.city,
                "postcode": place.postcode,
                "country": place.country,
            },
        }
        fixed |= self._optional(self._midnights[min(lag, len(self._dates) - 1)])
        return _Order(self._numbers, min(lag, len(self._dates) - 1), place, fixed, cents)

    def _optional(self, day: dt.datetime) -> dict[str, Any]:
        """The optional fields: present, null or absent."""
        rng = self._rng
        fields: dict[str, Any] = {}
        if rng.random() < 0.75:
            fields["note"] = NOTES[int(rng.random() * len(NOTES))] if rng.random() < 0.9 else None
        if rng.random() < 0.8:
            fields["loyalty_points"] = int(rng.random() * 5000) - 50
        if rng.random() < 0.9:
            fields["promised_on"] = (day + dt.timedelta(days=int(rng.random() * 6))).date().isoformat()
        if rng.random() < 0.7:
            fields["is_gift"] = rng.random() < 0.2
        return fields


def _price(cents: int) -> msgspec.Raw:
    return literal(f"{cents // 100}.{cents % 100:02d}")

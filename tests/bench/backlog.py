"""A backlog for readers: so many orders of about so many bytes, each with the properties that the shop sends."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator

import shop_publish
from shop import Kind, Sent

__all__ = ["published"]

_BEGAN = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
_EVERY = dt.timedelta(milliseconds=250)


def published(url: str, count: int, size: int) -> None:
    """Publish the backlog through `shop.events`, persistent, and wait for the broker's confirms."""
    shop_publish.publish(url, _messages(count, size))


def _messages(count: int, size: int) -> Iterator[Sent]:
    note = "x" * max(0, size - len(_body(0, "")))
    for number in range(count):
        moment = _BEGAN + number * _EVERY
        headers = {"producer": "shop/3.1", "timestamp_in_ms": int(moment.timestamp() * 1000)}
        yield Sent(
            number,
            Kind.PLAIN,
            "order.placed",
            _body(number, note),
            f"m-{number:012d}",
            "order.placed",
            moment.replace(microsecond=0),
            headers,
            moment.date().isoformat(),
        )


def _body(number: int, note: str) -> bytes:
    fields = {
        "order_id": f"o-{number:08d}",
        "customer_id": f"c-{number % 10_000:06d}",
        "status": "placed",
        "occurred_at": "2026-11-20T10:11:12.123Z",
        "currency": "EUR",
        "total": 23.4,
        "item_count": 2,
        "note": note,
    }
    return json.dumps(fields, separators=(",", ":")).encode()

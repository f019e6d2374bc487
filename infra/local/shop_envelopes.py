"""Stock and deliveries: messages as the warehouse system and the drivers' app wrap them, each with its fate.

As in `shop`, the fate follows from how a message is built. The same `n` and `seed` give the same bytes.
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
import random
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shop import Kind, Sent

__all__ = ["PRODUCERS", "Parcel"]

_BASE = dt.datetime(2026, 11, 20, 6, tzinfo=dt.UTC)
_MASSTRANSIT = "application/vnd.masstransit"
_CLOUDEVENTS = "application/cloudevents"
_BATCH = 5
_CHANGES = {"plain": 77, "gzip": 20, "stolen": 1, "no message": 1, "bson": 1}
_STEPS = {
    "plain": 42,
    "batch": 18,
    "gzip batch": 10,
    "wrong batch": 1,
    "base64": 10,
    "binary": 10,
    "deflate": 8,
    "no data": 1,
}
_COPY_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message, and the ids of its events that must be `curated` and `quarantined`; a copy's are duplicates."""

    sent: Sent
    curated: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    is_copy: bool = False


def _copied(last: Parcel | None, rng: random.Random) -> Parcel | None:
    """The last message once more, now and then."""
    if last is None or last.quarantined or rng.random() >= _COPY_SHARE:
        return None
    return replace(last, is_copy=True)


def _chosen(mix: Mapping[str, int], rng: random.Random) -> str:
    return rng.choices(list(mix), list(mix.values()))[0]


def stock(n: int, seed: int) -> Iterator[Parcel]:
    """`n` messages of MassTransit: most are plain, some compressed, of another serialiser, or wrong inside."""
    rng = random.Random(f"stock {seed}")
    last: Parcel | None = None
    for number in range(n):
        last = _copied(last, rng) or _change(number, rng)
        yield last


def _change(number: int, rng: random.Random) -> Parcel:
    identity, moment = str(uuid.UUID(int=rng.getrandbits(128), version=4)), _BASE + dt.timedelta(seconds=number)
    change = rng.choice([-24, -12, -1, 1, 12, 240])
    message = {
        "sku": rng.choice(["W-0750-SP", "J-1000-AP", "B-0500-PI"]),
        "warehouse": rng.choice(["CGN-1", "BER-2", "HAM-1"]),
        "reason": "sold" if change < 0 else "delivered",
        "change": change,
        "onHand": 400 + rng.randrange(400),
        "changedAt": moment.isoformat(timespec="microseconds").replace("+00:00", "7Z"),
        "bestBefore": None,
    }
    envelope = {
        "messageId": identity,
        "conversationId": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "sourceAddress": "rabbitmq://broker/WAREHOUSE1_ShopStock_bus?temporary=true",
        "destinationAddress": "rabbitmq://broker/Shop.Stock.Contracts:StockChanged",
        "messageType": ["urn:message:Shop.Stock.Contracts:StockChanged"],
        "message": message,
        "sentTime": message["changedAt"],
        "headers": {},
        "host": {"machineName": "WAREHOUSE1", "processName": "Shop.Stock", "massTransitVersion": "8.3.4.0"},
    }
    form, kind, encoding = _chosen(_CHANGES, rng), "json", None
    if form == "stolen":
        message["reason"] = form
    elif form == "no message":
        del envelope["message"]
    body = _json(envelope)
    if form == "bson":
        kind, body = form, b"\x05\x00\x00\x00\x00"
    elif form == "gzip":
        body, encoding = gzip.compress(body, mtime=0), form
    content_type = f"{_MASSTRANSIT}+{kind}"
    sent = _sent(number, "stock.changed", body, content_type, encoding, message_id=identity, moment=moment)
    return Parcel(sent, (identity,)) if form in {"plain", "gzip"} else Parcel(sent, quarantined=(identity,))


def deliveries(n: int, seed: int) -> Iterator[Parcel]:
    """`n` messages of CloudEvents: single ones in every form, and batches of what a device had collected."""
    rng = random.Random(f"deliveries {seed}")
    last: Parcel | None = None
    for number in range(n):
        last = _copied(last, rng) or _steps(number, rng)
        yield last


def _steps(number: int, rng: random.Random) -> Parcel:
    moment, form = _BASE + dt.timedelta(seconds=number), _chosen(_STEPS, rng)
    events = [_step(number, place, moment, rng) for place in range(_BATCH if "batch" in form else 1)]
    event, ids = events[0], tuple(f"{event['source']} {event['id']}" for event in events)
    headers: dict[str, Any] = {}
    curated, quarantined = ids, tuple[str, ...]()
    encoding, content_type = None, f"{_CLOUDEVENTS}+json; charset=utf-8"
    body = _json(event)
    if "batch" in form:
        if form == "wrong batch":
            events[1]["data"]["crates"] = "three"
            curated, quarantined = (ids[0], *ids[2:]), (ids[1],)
        body, content_type = _json(events), f"{_CLOUDEVENTS}-batch+json"
        if form == "gzip batch":
            body, encoding = gzip.compress(body, mtime=0), "gzip"
    elif form == "base64":
        event["data_base64"] = base64.b64encode(_json(event.pop("data"))).decode()
        body = _json(event)
    elif form == "binary":
        body, content_type = _json(event.pop("data")), "application/json"
        headers = {f"cloudEvents_{name}": value for name, value in event.items()}
    elif form == "deflate":
        body, encoding = zlib.compress(body), form
    elif form == "no data":
        del event["data"]
        curated, quarantined = (), ids
        body = _json(event)
    sent = _sent(number, "delivery.step", body, content_type, encoding, headers=headers)
    return Parcel(sent, curated, quarantined)


def _step(number: int, place: int, moment: dt.datetime, rng: random.Random) -> dict[str, Any]:
    step = rng.choice(["loaded", "departed", "arrived", "handed_over", "brought_back"])
    return {
        "specversion": "1.0",
        "id": f"{number:06d}-{place}",
        "source": f"/shop/vans/K-{rng.randrange(40)}",
        "type": f"shop.delivery.{step}.v1",
        "time": (moment + dt.timedelta(milliseconds=place)).isoformat(timespec="milliseconds"),
        "data": {
            "delivery_id": f"d-{rng.randrange(10**8):08d}",
            "order_id": f"o-{rng.randrange(10**8):08d}",
            "customer_id": f"c-{rng.randrange(10**6):06d}",
            "step": step,
            "van": "K-12",
            "crates": rng.randrange(12),
            "place": {"latitude": 50.9413, "longitude": 6.9583},
        },
    }


def _sent(
    number: int,
    key: str,
    body: bytes,
    content_type: str,
    content_encoding: str | None,
    *,
    message_id: str | None = None,
    moment: dt.datetime | None = None,
    headers: Mapping[str, Any] = {},
) -> Sent:
    return Sent(
        number, Kind.PLAIN, key, body, message_id, key, moment, headers, f"{_BASE:%Y-%m-%d}",
        content_type=content_type, content_encoding=content_encoding,
    )  # fmt: skip


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


PRODUCERS: Mapping[str, Callable[[int, int], Iterator[Parcel]]] = {"stock": stock, "deliveries": deliveries}
"""By dataset, who publishes it."""

"""Dead letters: what the broker tells of a message that it took out of a queue, in the header `x-death`.

The broker publishes such a message again, through the dead-letter exchange: without looking into the header, a dead
letter would be another event than the message that it was. Any producer may write any header: nothing here raises.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ingest.model.delivery import Delivery

__all__ = ["HEADER", "as_published", "origin", "told"]

HEADER = "x-lakepost-dead-letter-queue"
"""The header by which raw knows a dead letter. Headers that begin with `x-` are no part of a content id."""


_REASONS = {
    "rejected": "a consumer rejected it",
    "expired": "its time to live was over",
    "maxlen": "the queue was full",
    "delivery_limit": "it was redelivered more often than the queue's delivery limit",
}
_LONGEST_NAME = 80
_LONGEST = 500


def as_published(delivery: Delivery, queue: str) -> Delivery:
    """The dead letter from `queue` with the exchange and the routing key by which it came to the queue it died in.

    A header remembers `queue`: the contract may name another one day, and what it was must still be known.
    """
    delivery = delivery._replace(headers={**delivery.headers, HEADER: queue})
    death = _newest(delivery.headers, queue)
    exchange, keys = death.get("exchange"), death.get("routing-keys")
    if not isinstance(exchange, str):
        return delivery
    key = keys[0] if isinstance(keys, list) and keys and isinstance(keys[0], str) else delivery.routing_key
    return delivery._replace(source=f"{exchange}/{queue}", routing_key=key)


def origin(source: str, headers: str | None) -> str | None:
    """The `source` that a dead letter had before it died: another copy of it has, and is the same event.

    `source` and `headers` as raw has them. Null where the row is no dead letter.
    """
    read = _read(headers)
    queue = read.get(HEADER)
    if not isinstance(queue, str) or not source.endswith(f"/{queue}"):
        return None
    died_in = _newest(read, queue).get("queue")
    return source.removesuffix(queue) + died_in if isinstance(died_in, str) else source


def _newest(headers: Mapping[str, Any], queue: str) -> Mapping[str, Any]:
    """The newest entry of `x-death`, which stands first; but for those of the dead-letter queue itself."""
    return next((one for one in _deaths(headers) if one.get("queue") != queue), {})


def _deaths(headers: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = headers.get("x-death")
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _read(headers: str | None) -> Mapping[str, Any]:
    try:
        read = json.loads(headers or "{}")
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def told(headers: str | None) -> str:
    """One sentence: why, how often, in which queue and when, the newest first. `headers` as raw has them, JSON."""
    deaths = [_Death.of(one) for one in _deaths(_read(headers))]
    if not deaths:
        return "It came by the dead-letter queue, and the broker does not say why: it may have been published there."
    text = "The broker gave it up: " + "; before that: ".join(str(death) for death in deaths) + "."
    plain = text.encode("utf-8", "replace").decode()
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"


@dataclass(frozen=True, slots=True)
class _Death:
    reason: str
    queue: str
    exchange: str
    count: str
    time: str

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> _Death:
        return cls(*(_shown(entry.get(name)) for name in ("reason", "queue", "exchange", "count", "time")))

    def __str__(self) -> str:
        why = _REASONS.get(self.reason, "for a reason of its own")
        return (
            f"{self.reason} ({why}) in the queue {self.queue}, {self.count} times, at {self.time},"
            f" published to the exchange {self.exchange or 'without a name'}"
        )


def _shown(value: Any) -> str:
    text = "unknown" if value is None else str(value)
    cut = text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"
    return "".join(letter if letter.isprintable() else "�" for letter in cut)

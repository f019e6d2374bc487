"""What the broker tells of a dead letter, read from whatever the headers hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingest.envelope import identify
from ingest.model.dead_letter import HEADER, as_published, origin, told
from ingest.model.delivery import Delivery

QUEUE = "orders.dead"
DEATH = {"reason": "expired", "queue": "orders", "exchange": "shop", "routing-keys": ["order.placed", "cc"], "count": 2}
HOSTILE: list[Any] = [
    None, 1, "text", [], {}, [1], [None], ["text"], [[]], [{}], {"queue": "orders"},
    [{"queue": 7, "reason": None, "exchange": [], "routing-keys": "x", "count": {"a": 1}, "time": -1}],
    [{"queue": "q" * 10_000, "reason": "\x1b[31m\n", "exchange": "\ufdd0", "routing-keys": [b"x"]}],
    [{"routing-keys": [], "exchange": "e"}], [DEATH] * 1_000,
]  # fmt: skip


@pytest.mark.parametrize("headers", HOSTILE, ids=range(len(HOSTILE)))
def test_no_header_is_too_odd(headers: Any) -> None:
    text = json.dumps({"x-death": headers}, default=str)
    for written in (text, text[:-3], None, "null", "[" * 100_000, "7"):
        said = told(written)
        assert said
        assert said.isprintable()
        assert len(said) <= 500
        assert origin(f"e/{QUEUE}", written) is None
    delivery = Delivery(b"{}", f"dead/{QUEUE}", "k", {"x-death": headers})
    died = as_published(delivery, QUEUE)
    assert died.source.endswith(f"/{QUEUE}")
    assert isinstance(origin(died.source, json.dumps(died.headers, default=str)), str)


def test_it_has_the_content_id_of_the_message_that_died() -> None:
    """`x-death` and its relatives are no part of it, and the exchange and the routing key are those of before."""
    alive = Delivery(b"{}", "shop/orders", "order.placed", {"tenant": "a"})
    headers = {"tenant": "a", "x-death": [DEATH], "x-first-death-queue": "orders", "x-last-death-reason": "expired"}
    died = as_published(Delivery(b"{}", f"dead/{QUEUE}", QUEUE, headers), QUEUE)
    assert (died.source, died.routing_key) == (f"shop/{QUEUE}", "order.placed")
    assert identify(died).id == identify(alive).id
    assert origin(died.source, json.dumps(died.headers)) == alive.source


def test_the_death_that_brought_it_here_counts_not_one_of_the_dead_letter_queue_itself() -> None:
    earlier = {**DEATH, "queue": "incoming", "exchange": "edge"}
    headers = {"x-death": [{**DEATH, "queue": QUEUE, "exchange": "dead"}, DEATH, earlier]}
    died = as_published(Delivery(b"{}", f"dead/{QUEUE}", QUEUE, headers), QUEUE)
    assert died.source == f"shop/{QUEUE}"
    assert origin(died.source, json.dumps(died.headers)) == "shop/orders"


def test_what_did_not_come_by_a_dead_letter_queue_is_none_whatever_a_producer_writes() -> None:
    headers = {HEADER: QUEUE, "x-death": [DEATH]}
    assert origin("shop/orders", json.dumps(headers)) is None
    taken = as_published(Delivery(b"{}", f"dead/{QUEUE}", QUEUE, {HEADER: "another", "x-death": [DEATH]}), QUEUE)
    assert taken.headers[HEADER] == QUEUE

"""What every source gives is what was published, to the byte, whichever source it is."""

from __future__ import annotations

import random

from ingest.model.delivery import Bounds
from tests.conformance.kinds import Kind, order, run

BODIES = {
    "empty": b"",
    "newlines": b'{"a":1}\n\n{"b":2}\r\n',
    "a frame's end": b"\xce" * 300,
    "not UTF-8": b"\xff\xfe\x00",
    "one megabyte": random.Random(1).randbytes(1024 * 1024),
    "a frame to the byte": random.Random(2).randbytes(131_072 - 8),
    "random": random.Random(3).randbytes(5000),
}


def test_hostile_bodies_come_through_byte_for_byte(kind: Kind) -> None:
    kind.publish([order(number, body) for number, body in enumerate(BODIES.values())])
    windows = run(kind, Bounds())
    assert [delivery.body for window in windows for delivery in window.deliveries] == list(BODIES.values())


def test_keys_headers_and_properties_come_through(kind: Kind) -> None:
    headers = {"käse": "grün 🍺", "big": 2**62, "empty": ""}
    sent = order(
        1,
        routing_key="order.größe",
        headers=headers,
        type="order.ñ",
        content_type="application/json",
        content_encoding="utf-8",
    )
    kind.publish([sent])
    ((received,),) = [window.deliveries for window in run(kind, Bounds())]
    assert received._replace(source="published", position=None) == sent


def test_nested_headers_come_through_a_queue(queue: Kind) -> None:
    """RabbitMQ's streams drop them (3.10): a stream has the headers that AMQP 1.0 can say."""
    sent = order(1, headers={"nested": {"list": [1, 2.5, True, None, {"deep": "x"}]}})
    queue.publish([sent])
    ((received,),) = [window.deliveries for window in run(queue, Bounds())]
    assert received._replace(source="published") == sent

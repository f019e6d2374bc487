"""Messages that end other clients' connections, and come again for ever, land like any other."""

from __future__ import annotations

import asyncio
import datetime as dt
import struct
from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec
import pytest

from broker import Broker
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Bounds, Delivery
from ingest.sources.content import UNREADABLE, table
from ingest.sources.rabbitmq import RabbitQueue
from tests.sources.publisher import RawPublisher, long, short

HEADERS, MESSAGE_ID, TIMESTAMP, TYPE, CORRELATION_ID, CONTENT_TYPE = 0x2000, 0x80, 0x40, 0x20, 0x400, 0x8000

Land = Callable[..., Delivery]


@pytest.fixture
def land(broker: Broker, queue_binding: QueueBinding) -> Iterator[Land]:
    """Publish one raw message between two plain ones, land all three, and return the one in the middle."""

    async def declare() -> None:
        async with RabbitQueue(broker.url, queue_binding):
            pass

    async def drain() -> list[Delivery]:
        seen: list[Delivery] = []
        async with RabbitQueue(broker.url, queue_binding) as source, asyncio.timeout(30):
            async for window in source.windows(Bounds(), None, asyncio.Event()):
                seen += window.deliveries
                await window.acknowledge()
        return seen

    asyncio.run(declare())
    publisher = RawPublisher(broker.url)

    def one(flags: int, properties: bytes, *, routing_key: bytes = b"order.x", body: bytes = b"{}") -> Delivery:
        exchange = queue_binding.exchange.encode()
        publisher.publish(exchange, b"order.before", 0, b"", b"before")
        publisher.publish(exchange, routing_key, flags, properties, body)
        publisher.publish(exchange, b"order.after", 0, b"", b"after")
        before, middle, after = asyncio.run(drain())
        assert (before.body, middle.body, after.body) == (b"before", body, b"after")
        msgspec.json.encode({**middle.headers, **middle.properties}, enc_hook=str)  # what land does with them
        return middle

    yield one
    publisher.close()


def test_text_that_is_not_utf8_is_kept_with_escapes(land: Land) -> None:
    bad = b"caf\xe9 \xff\xed\xa0\x80"
    text = "caf\\xe9 \\xff\\xed\\xa0\\x80"
    header = long(short(bad) + b"S" + long(bad) + short(b"fine") + b"t\x01")
    got = land(
        CONTENT_TYPE | HEADERS | CORRELATION_ID | MESSAGE_ID | TYPE,
        short(bad) + header + short(bad) + short(bad) + short(bad),
        routing_key=b"order." + bad,
    )
    assert (got.content_type, got.message_id, got.type, got.routing_key) == (text, text, text, "order." + text)
    assert got.properties == {"correlation_id": text}
    assert got.headers == {text: text, "fine": True}


@pytest.mark.parametrize("seconds", [2**63, 2**64 - 1, 1_795_000_000_000, 253_402_300_800])
def test_a_timestamp_beyond_every_calendar_is_kept_as_a_number(land: Land, seconds: int) -> None:
    got = land(TIMESTAMP | TYPE, struct.pack(">Q", seconds) + short(b"order.placed"))
    assert got.timestamp is None
    assert got.properties == {"timestamp": str(seconds)}
    assert got.type == "order.placed"


def test_the_last_second_of_the_calendar_is_a_time(land: Land) -> None:
    got = land(TIMESTAMP, struct.pack(">Q", 253_402_300_799))
    assert got.timestamp == dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)


def test_header_values_of_every_type_come_through(land: Land) -> None:
    inner = short(b"in") + b"A" + long(b"S" + long(b"x") + b"V" + b"t\0" + b"x" + long(b"\0\xff"))
    headers = b"".join(
        [
            short(b"void") + b"V",
            short(b"nested") + b"F" + long(inner),
            short(b"bytes") + b"x" + long(b"\xff\0"),
            short(b"decimal") + b"D\x02" + struct.pack(">i", -1234),
            short(b"short") + b"s" + struct.pack(">h", -2),
            short(b"byte") + b"b" + struct.pack(">b", -3),
            short(b"long") + b"l" + struct.pack(">q", -(2**63)),
            short(b"when") + b"T" + struct.pack(">Q", 1_700_000_000),
            short(b"never") + b"T" + struct.pack(">Q", 2**64 - 1),
            short(b"") + b"S" + long(b"no name"),
        ]
    )
    assert land(HEADERS, long(headers)).headers == {
        "void": None,
        "nested": {"in": ["x", None, False, b"\0\xff"]},
        "bytes": b"\xff\0",
        "decimal": Decimal("-12.34"),
        "short": -2,
        "byte": -3,
        "long": -(2**63),
        "when": dt.datetime(2023, 11, 14, 22, 13, 20, tzinfo=dt.UTC),
        "never": 2**64 - 1,
        "": "no name",
    }


def test_headers_nested_deeper_than_any_stack_are_kept_as_text(land: Land) -> None:
    inside = b""
    for _ in range(1500):
        inside = b"A" + long(inside)
    got = land(HEADERS, long(short(b"deep") + inside))
    depth, value = 0, got.headers["deep"]
    while isinstance(value, list):
        depth, value = depth + 1, value[0]
    assert depth < 50
    assert isinstance(value, str)


def test_a_header_frame_as_large_as_a_frame_can_be_comes_through(land: Land) -> None:
    headers = b"".join(
        short(b"h%05d" % number) + b"S" + long(bytes([65 + number % 26]) * 100) for number in range(1100)
    )
    got = land(HEADERS, long(headers))
    assert len(got.headers) == 1100
    assert got.headers["h01099"] == "H" * 100


def test_a_header_of_an_unknown_type_is_kept_as_text_with_all_behind_it() -> None:
    """The broker lets no such header pass; neither does it NaN, which Erlang does not have."""
    data = short(b"a") + b"t\x01" + short(b"b") + b"?" + b"rest"
    assert table(data) == {"a": True, UNREADABLE: "\x01b?rest"}

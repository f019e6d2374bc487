"""Decoding a message's frames, for any bytes."""

from __future__ import annotations

import asyncio
import struct

from hypothesis import given
from hypothesis import strategies as st

from ingest.sources.content import UNREADABLE, Address, address, delivery, table
from ingest.sources.wire import Inbox

TO = Address(1, redelivered=False, exchange="e", routing_key="k")


@given(st.binary(max_size=400), st.integers(0, 0xFFFF))
def test_no_properties_can_raise(properties: bytes, flags: int) -> None:
    header = struct.pack(">HHQH", 60, 0, 2, flags) + properties
    got = delivery(TO, "q", header, b"{}")
    assert (got.body, got.source, got.routing_key) == (b"{}", "e/q", "k")
    for text in (got.message_id, got.type, got.content_type, *got.headers, *got.properties.values()):
        (text or "").encode()  # no surrogates


@given(st.binary(max_size=30))
def test_a_header_that_is_cut_off_cannot_raise(header: bytes) -> None:
    assert delivery(TO, "q", header, b"body").body == b"body"


@given(st.binary(max_size=400))
def test_no_header_table_can_raise(data: bytes) -> None:
    assert isinstance(table(data), dict)


def test_what_cannot_be_read_is_kept() -> None:
    data = b"\x01a" + b"t\x01" + b"\x01b" + b"S" + struct.pack(">I", 99) + b"cut"
    assert table(data) == {"a": True, UNREADABLE: "\x01bS\0\0\0ccut"}


def test_nan_is_a_float() -> None:
    value = table(b"\x01n" + b"d" + struct.pack(">d", float("nan")))["n"]
    assert value != value  # noqa: PLR0124 - only NaN is not itself


def _frame(kind: int, payload: bytes, channel: int = 1) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def _message(tag: int, body: bytes, frame_size: int) -> bytes:
    method = struct.pack(">HH", 60, 60) + b"\x03tag" + struct.pack(">QB", tag, 0) + b"\x01e" + b"\x01k"
    assert address(method) == Address(tag, redelivered=False, exchange="e", routing_key="k")
    header = struct.pack(">HHQH", 60, 0, len(body), 0)
    bodies = [_frame(3, body[at : at + frame_size]) for at in range(0, len(body), frame_size)]
    return _frame(1, method) + _frame(2, header) + b"".join(bodies)


@given(
    st.lists(st.binary(max_size=300), max_size=8),
    st.integers(1, 100),
    st.lists(st.integers(1, 60), min_size=1, max_size=20),
)
def test_deliveries_are_split_out_however_the_socket_cuts_them(
    bodies: list[bytes], frame_size: int, cuts: list[int]
) -> None:
    async def feed() -> None:
        inbox = Inbox(lambda: None)
        inbox.collect(1, "q")
        other = _frame(1, b"\0\x14\0\x29other", channel=7)  # a frame of another channel, in between
        stream = b"".join(_message(tag, body, frame_size) + other for tag, body in enumerate(bodies, 1))
        at = number = 0
        while at < len(stream):
            size = cuts[number % len(cuts)]
            inbox.feed_data(stream[at : at + size])
            at, number = at + size, number + 1
        assert [(tag, one.body) for tag, _, one in inbox.received] == list(enumerate(bodies, 1))
        heartbeat = b"\x08\0\0\0\0\0\0\xce"
        passed = bytes(inbox._buffer)  # type: ignore[attr-defined]  # asyncio's
        passed = passed.replace(heartbeat, b"")
        assert passed == other * len(bodies)

    asyncio.run(feed())

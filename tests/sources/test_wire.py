"""The reader that keeps deliveries for itself: frames, however cut, and a bound on what it holds."""

from __future__ import annotations

import asyncio
import struct

from hypothesis import given
from hypothesis import strategies as st

from ingest.model.arrived import Deliveries
from ingest.sources.content import Address, address
from ingest.sources.wire import Inbox


def _feed(inbox: Inbox, content: bytes) -> None:
    """As the event loop does with what the socket brings."""
    while content:
        room = inbox.room()
        size = min(len(room), len(content))
        room[:size] = content[:size]
        room.release()
        inbox.filled(size)
        content = content[size:]


class Pipe(asyncio.Transport):
    """A transport that only remembers whether reading is paused."""

    is_paused = False

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def is_closing(self) -> bool:
        return False


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
            _feed(inbox, stream[at : at + size])
            at, number = at + size, number + 1
        assert [one.body for one in Deliveries(list(inbox.received))] == bodies
        assert inbox.tag == len(bodies)
        heartbeat = b"\x08\0\0\0\0\0\0\xce"
        passed: bytes = bytes(inbox._buffer)  # type: ignore[attr-defined]  # asyncio's
        assert passed.replace(heartbeat, b"") == other * len(bodies)

    asyncio.run(feed())


def test_frames_of_others_may_stand_between_the_frames_of_a_message() -> None:
    """Byte by byte: heartbeats, another channel, and a close in the middle of a message, which is not kept."""

    async def feed() -> None:
        inbox = Inbox(lambda: None)
        inbox.collect(1, "q")
        heartbeat, other = b"\x08\0\0\0\0\0\0\xce", _frame(1, b"\0\x3c\0\x3c not ours", channel=2)
        whole = [_message(tag, b"abcdefgh", size) for tag, size in ((1, 8), (2, 3))]
        frames = [frame for message in whole for frame in _frames(message)]
        close = _frame(1, struct.pack(">HHH", 10, 50, 320) + b"\x06GOING!" + bytes(4), channel=0)
        cut = _message(3, b"abcdefgh", 8)[:-4]
        for byte in heartbeat + other.join([*frames, b""]) + heartbeat + cut:
            _feed(inbox, bytes([byte]))
        assert [one.body for one in Deliveries(list(inbox.received))] == [b"abcdefgh"] * 2
        passed: bytes = bytes(inbox._buffer)  # type: ignore[attr-defined]  # asyncio's
        assert passed.count(other) == len(frames)
        inbox.feed_eof()
        assert inbox.ended
        assert inbox.tag == 2

        told = Inbox(lambda: None)
        told.collect(1, "q")
        _feed(told, _message(1, b"x", 8) + close)
        assert told.farewell == "GOING!"

    asyncio.run(feed())


def _frames(content: bytes) -> list[bytes]:
    found = []
    while content:
        size = 8 + int.from_bytes(content[3:7], "big")
        found.append(content[:size])
        content = content[size:]
    return found


def test_reading_pauses_while_more_is_held_than_there_is_room_for() -> None:
    async def feed() -> None:
        inbox, pipe = Inbox(lambda: None), Pipe()
        inbox.connect(pipe)
        inbox.collect(1, "q")
        inbox.limit(2500)
        _feed(inbox, _message(1, bytes(1000), 4096) + _message(2, bytes(1000), 4096))
        assert not pipe.is_paused
        _feed(inbox, _message(3, bytes(1000), 4096))
        assert pipe.is_paused
        inbox.received.clear()  # taken into a window, and still held
        assert pipe.is_paused
        inbox.release(1100)
        assert not pipe.is_paused
        _feed(inbox, _message(4, bytes(1000), 4096))
        assert pipe.is_paused
        inbox.discard()
        assert not pipe.is_paused
        _feed(inbox, _message(5, bytes(9000), 4096))
        assert not inbox.received
        assert not pipe.is_paused

    asyncio.run(feed())


def test_aiormq_sees_a_heartbeat_for_deliveries_that_it_does_not_see() -> None:
    async def feed() -> None:
        inbox = Inbox(lambda: None)
        inbox.collect(1, "q")
        inbox._last_pulse = -1000.0
        _feed(inbox, _message(1, b"x", 10))
        assert await inbox.readexactly(8) == b"\x08\0\0\0\0\0\0\xce"

    asyncio.run(feed())

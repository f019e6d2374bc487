"""Whole messages as they stand in a buffer, and the buffer."""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise

from ingest.model.arrived import Arrived
from ingest.model.delivery import Delivery
from ingest.sources.columns import columns
from ingest.sources.content import address, delivery

__all__ = ["Chunk", "canonical", "scan", "waits"]

_FRAME = struct.Struct(">BHI")  # kind, channel, size of the payload
_METHOD = struct.Struct(">BHII")  # the same, class and method
_HEADER = struct.Struct(">II4xQ")  # the end of the frame before, kind and channel; size; class, weight; body's size
_BODY = struct.Struct(">II")
_OPENING = _FRAME.size  # bytes before a payload
_DELIVER = 60 << 16 | 60
_END = 0xCE


class Chunk:
    """Messages in `data`, one after the other: the message at each of `starts`, the last one up to `end`.

    A message is three frames: method, header, and one body, which may be missing when it is empty. It can be read
    while the rest of `data` is still being filled. A `Piece`.
    """

    __slots__ = ("data", "end", "queue", "starts")

    def __init__(self, data: bytearray, starts: array[int], end: int, queue: str) -> None:
        self.data, self.starts, self.end, self.queue = data, starts, end, queue

    def __len__(self) -> int:
        return len(self.starts)

    def header(self, at: int) -> bytes:
        """The payload of the content header frame of one message."""
        head = self.starts[at] + _OPENING + _FRAME.unpack_from(self.data, self.starts[at])[2] + 1
        return bytes(self.data[head + _OPENING : head + _OPENING + _FRAME.unpack_from(self.data, head)[2]])

    def __getitem__(self, at: int) -> Delivery:
        data, start = self.data, self.starts[at]
        head = start + _OPENING + _FRAME.unpack_from(data, start)[2] + 1
        after = head + _OPENING + _FRAME.unpack_from(data, head)[2] + 1
        size = int.from_bytes(data[head + _OPENING + 4 : head + _OPENING + 12], "big")
        body = after + _OPENING
        return delivery(
            address(bytes(data[start + _OPENING : head - 1])),
            self.queue,
            bytes(data[head + _OPENING : after - 1]),
            bytes(data[body : body + size]),
        )

    def __iter__(self) -> Iterator[Delivery]:
        return map(self.__getitem__, range(len(self.starts)))

    def sizes(self) -> list[int]:
        """Bytes of each message, frames included."""
        return [end - start for start, end in pairwise([*self.starts, self.end])]

    @property
    def size(self) -> int:
        """Bytes in all, frames included."""
        return self.end - self.starts[0]

    @property
    def last_tag(self) -> int:
        """The delivery tag of the last message."""
        at = self.starts[-1] + _OPENING + 4
        return int.from_bytes(self.data[at + 1 + self.data[at] : at + 9 + self.data[at]], "big")

    def fitting(self, room: float) -> int:
        """How many of the first messages have `room` bytes at most."""
        until = self.starts[0] + room
        return len(self.starts) if self.end <= until else bisect_right(self.starts, until) - 1

    def split(self, count: int) -> tuple[Chunk, Chunk]:
        """The first `count` messages, and the others."""
        first, rest = self.starts[:count], self.starts[count:]
        return Chunk(self.data, first, rest[0], self.queue), Chunk(self.data, rest, self.end, self.queue)

    def joined(self, other: Chunk) -> bool:
        """Whether `other` goes on where this one ends; this one has its messages as well then."""
        if self.data is not other.data or self.end != other.starts[0]:
            return False
        self.starts.extend(other.starts)
        self.end = other.end
        return True

    def arrived(self) -> Arrived:
        """All of them as columns."""
        return columns(self.data, self.starts, self.queue, self.__getitem__)


def scan(data: bytearray, at: int, end: int, channel: int, starts: array[int]) -> int:
    """Append where each message of `channel` from `at` on starts, as long as they follow one another whole.

    Returns where the first thing begins that is none of that.
    """
    frame, header, body, append = _METHOD.unpack_from, _HEADER.unpack_from, _BODY.unpack_from, starts.append
    headed, bodied = _END << 24 | 2 << 16 | channel, _END << 24 | 3 << 16 | channel
    try:
        while True:  # what is read beyond `end` is nothing, but then `stop` lies there, too
            kind, number, size, method = frame(data, at)
            head = at + size + 7
            opening, size, length = header(data, head)
            last = head + size + 8
            if kind != 1 or number != channel or method != _DELIVER or opening != headed or last >= end:
                return at
            if length:
                opening, size = body(data, last)
                stop = last + size + 9
                if opening != bodied or size != length or stop > end or data[stop - 1] != _END:
                    return at
            elif data[last] != _END:
                return at
            else:
                stop = last + 1
            append(at)
            at = stop
    except struct.error:  # cut off at the end of `data`
        return at


def waits(data: bytearray, at: int, end: int, channel: int) -> bool:
    """Whether what stands at `at` may still become a message that `scan` finds, or a frame, once more has come."""
    length = 0
    for expected in (1, 2, 3):
        if end - at < _OPENING:
            return True
        kind, number, size = _FRAME.unpack_from(data, at)
        after = at + size + _OPENING + 1
        ours = kind == expected and number == channel
        if expected == 1:
            if after > end:
                return True  # it is a frame, whatever it is
            ours = ours and data.startswith(b"\0\x3c\0\x3c", at + _OPENING)
        elif expected == 2:  # noqa: PLR2004 - the header's kind
            ours = ours and size >= 12  # noqa: PLR2004 - up to the body's size
            length = int.from_bytes(data[at + _OPENING + 4 : at + _OPENING + 12], "big")
        else:
            ours = ours and size == length
        if not ours:
            return False
        at = after
    return at > end


def canonical(method: bytes, header: bytes, body: bytes) -> bytes:
    """A message of a `Chunk` from payloads that came in any other way."""
    header = header.ljust(14, b"\0")  # no broker cuts one off
    sized = header[:4] + len(body).to_bytes(8, "big") + header[12:]
    return b"".join(
        part
        for kind, payload in ((1, method), (2, sized), (3, body))
        for part in (_FRAME.pack(kind, 0, len(payload)), payload, b"\xce")
    )

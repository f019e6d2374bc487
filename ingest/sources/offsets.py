"""Messages of a stream, each with its offset: whole chunks of them, read as columns."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ingest.model.arrived import Arrived
from ingest.model.delivery import Delivery
from ingest.sources.chunk import Chunk
from ingest.sources.columns import columns, header_numbers
from ingest.sources.connection import unavailable
from ingest.sources.content import first_header
from ingest.sources.gather import Places

__all__ = ["OFFSET", "StreamChunk", "offset_of"]

OFFSET = "x-stream-offset"
"""The header in which the broker gives each message's offset; a producer's own header of that name it replaces."""

_FEW = 16  # messages that are read sooner one by one


def offset_of(chunk: Chunk, at: int) -> int:
    """The offset that the broker gives one message. Raises `SourceUnavailable` where it gives none."""
    found = first_header(chunk.header(at), OFFSET)
    if type(found) is not int:  # a bool is an int, too
        raise unavailable("RabbitMQ gave a message of a stream without its offset")
    return found


class StreamChunk:
    """The messages of `chunk` and their `offsets`, as many. A `Part`.

    Of each message the offset is the position, and not once more among its headers.
    """

    __slots__ = ("chunk", "offsets")

    def __init__(self, chunk: Chunk, offsets: array[int]) -> None:
        self.chunk, self.offsets = chunk, offsets

    @classmethod
    def of(cls, chunk: Chunk) -> StreamChunk:
        """Read the offsets. Raises `SourceUnavailable` where a message has none."""
        if len(chunk) < _FEW:
            return cls(chunk, array("q", [offset_of(chunk, at) for at in range(len(chunk))]))
        numbers, known = header_numbers(chunk.data, chunk.starts, OFFSET)
        for at in np.flatnonzero(~known).tolist():
            numbers[at] = offset_of(chunk, at)
        return cls(chunk, array("q", numbers.tobytes()))

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, at: int) -> Delivery:
        delivery = self.chunk[at]
        headers = {name: value for name, value in delivery.headers.items() if name != OFFSET}
        return delivery._replace(headers=headers, position=self.offsets[at])

    @property
    def size(self) -> int:
        """Bytes in all, frames included."""
        return self.chunk.size

    def fitting(self, room: float) -> int:
        """How many of the first messages have `room` bytes at most."""
        return self.chunk.fitting(room)

    def split(self, count: int) -> tuple[StreamChunk, StreamChunk]:
        """The first `count` messages, and the others."""
        first, rest = self.chunk.split(count)
        return StreamChunk(first, self.offsets[:count]), StreamChunk(rest, self.offsets[count:])

    def joined(self, other: StreamChunk) -> bool:
        """Whether `other` goes on where this one ends; this one has its messages as well then."""
        if not self.chunk.joined(other.chunk):
            return False
        self.offsets.extend(other.offsets)
        return True

    def within(self, begin: int, last: int | None) -> Iterator[StreamChunk]:
        """The messages with offsets from `begin` to `last`, both included; null for no end."""
        offsets = np.array(self.offsets)
        inside = (offsets >= begin) & (True if last is None else offsets <= last)
        if inside.all():
            yield self
            return
        edges = np.flatnonzero(np.diff(inside, prepend=False, append=False)).tolist()
        for first, end in pairwise(edges):
            if inside[first]:
                rest = self.split(first)[1] if first else self
                yield rest.split(end - first)[0] if end < len(self) else rest

    def arrived(self) -> Arrived:
        """All of them as columns."""
        offsets: Places = np.array(self.offsets)
        chunk = self.chunk
        return columns(chunk.data, chunk.starts, chunk.queue, self.__getitem__, positions=offsets, but=OFFSET)

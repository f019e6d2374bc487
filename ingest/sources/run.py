"""What decides when a window is full and when a run ends: the same for every source with a queue."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, Self, TypeVar

from ingest.model.arrived import Piece, Values
from ingest.model.delivery import Bounds, Delivery

__all__ = ["Numbered", "Part", "Run", "rouses"]


class Part(Piece, Protocol):
    """A piece that a window may end within."""

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def fitting(self, room: float) -> int:
        """How many of the first deliveries have `room` bytes at most."""
        ...

    def split(self, count: int) -> tuple[Self, Self]:
        """The first `count` deliveries (one at least, and not all), and the others."""
        ...

    def joined(self, other: Self) -> bool:
        """Whether this piece has the deliveries of `other` as well now; else they stay two."""
        ...


P = TypeVar("P", bound=Part)


class Numbered(Values):
    """Deliveries as values, each with its number at the source (an offset) and its size in bytes. A `Part`."""

    def __init__(self, numbers: list[int], sizes: list[int], deliveries: list[Delivery]) -> None:
        super().__init__(deliveries)
        self.numbers, self._sizes, self._values = numbers, sizes, deliveries

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(self._sizes)

    def fitting(self, room: float) -> int:
        """How many of the first deliveries have `room` bytes at most."""
        return bisect_right(list(itertools.accumulate(self._sizes)), room)

    def split(self, count: int) -> tuple[Numbered, Numbered]:
        """The first `count` deliveries, and the others."""
        first = Numbered(self.numbers[:count], self._sizes[:count], self._values[:count])
        return first, Numbered(self.numbers[count:], self._sizes[count:], self._values[count:])

    def joined(self, other: Numbered) -> bool:
        """Take those of `other` in."""
        self.numbers += other.numbers
        self._sizes += other._sizes
        self._values += other._values
        return True


@dataclass(slots=True)
class Run(Generic[P]):
    """What one call of `windows` has taken and may still take. Times are the event loop's."""

    bounds: Bounds
    stop: asyncio.Event
    deadline: float
    left: float
    window: list[P] = field(default_factory=list)
    rows: int = 0
    size: int = 0  # bytes
    began: float = math.inf
    is_full: bool = False
    weight: float = 0.0  # bytes per message, of the last windows

    @property
    def ended(self) -> bool:
        """Whether the run was stopped, or its time is over."""
        return self.stop.is_set() or asyncio.get_running_loop().time() >= self.deadline

    @property
    def rest(self) -> float:
        """How many messages this window and those after it may have."""
        allowance = self.bounds.allowance
        return self.left if allowance is None else min(self.left, self.rows + allowance.left)

    def collect(self, received: deque[P]) -> bool:
        """Move what arrived into the window until that is full; true if anything did."""
        before, most = self.rows, min(self.bounds.rows, self.rest)
        while received and not self.is_full and self.rows < most:
            part = received.popleft()
            count = int(min(part.fitting(self.bounds.bytes - self.size), most - self.rows))
            if count < len(part):
                self.is_full = True
                if not count and self.rows:
                    received.appendleft(part)
                    break
                if len(part) > 1:  # a window has one delivery, whatever its size
                    part, rest = part.split(max(count, 1))
                    received.appendleft(rest)
            if not self.rows:
                self.began = asyncio.get_running_loop().time()
            self.rows += len(part)
            self.size += part.size
            if not (self.window and self.window[-1].joined(part)):
                self.window.append(part)
            self.is_full = self.is_full or self.size >= self.bounds.bytes or self.rows >= most
        if self.bounds.allowance is not None:
            self.bounds.allowance.claim(self.rows - before)
        return self.rows > before

    def until(self, quiet_since: float) -> float:
        """When to stop waiting for more: now, once the run was stopped."""
        if self.stop.is_set():
            return 0.0
        # With a time limit land waits for what arrives; without one it waits for what was ready.
        idle = math.inf if self.bounds.max_seconds is not None else quiet_since + self.bounds.idle_seconds
        return min(self.deadline, self.began + self.bounds.seconds, idle)

    def room(self) -> int:
        """How many more messages this window has room for, by number and by the bytes they turn out to have."""
        rows = min(self.bounds.rows, self.rest) - self.rows
        weight = self.size / self.rows if self.rows else self.weight
        return int(min(rows, max(1.0, (self.bounds.bytes - self.size) / weight) if weight else rows))

    def keeps(self) -> int:
        """How much credit a window has use for, by number and by what messages turn out to weigh."""
        by_bytes = 2 * self.bounds.bytes / self.weight if self.weight else math.inf
        return int(min(max(self.bounds.rows, 1), max(1.0, by_bytes)))

    def take(self) -> tuple[list[P], int, int]:
        """The window, how many deliveries and how many bytes it has; a new one begins."""
        taken = self.window, self.rows, self.size
        self.left -= self.rows
        self.weight = self.size / self.rows
        self.window, self.rows, self.size, self.began, self.is_full = [], 0, 0, math.inf, False
        return taken


@contextlib.contextmanager
def rouses(stop: asyncio.Event, wake: asyncio.Event) -> Iterator[None]:
    """Within, setting `stop` sets `wake` too."""
    watch = asyncio.ensure_future(stop.wait())
    watch.add_done_callback(lambda _: wake.set())
    try:
        yield
    finally:
        watch.cancel()

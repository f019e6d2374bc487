"""What decides when a window is full and when a run ends: the same for every source with a queue."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.model.delivery import Bounds, Delivery

__all__ = ["Received", "Run", "rouses"]

Received = tuple[int, int, Delivery]
"""A number that grows with each (delivery tag, offset), size in bytes, delivery."""


@dataclass(slots=True)
class Run:
    """What one call of `windows` has taken and may still take. Times are the event loop's."""

    bounds: Bounds
    stop: asyncio.Event
    deadline: float
    left: float
    window: list[Delivery] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    size: int = 0
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
        return self.left if allowance is None else min(self.left, len(self.window) + allowance.left)

    def collect(self, received: deque[Received]) -> bool:
        """Move what arrived into the window until that is full; true if anything did."""
        window, before = self.window, len(self.window)
        limit, room = min(self.bounds.rows, self.rest), self.bounds.bytes
        while received and not self.is_full and len(window) < limit:
            number, size, delivery = received[0]
            if window and self.size + size > room:
                self.is_full = True
                break
            received.popleft()
            if not window:
                self.began = asyncio.get_running_loop().time()
            window.append(delivery)
            self.numbers.append(number)
            self.size += size
            self.is_full = self.size >= room or len(window) >= limit
        if self.bounds.allowance is not None:
            self.bounds.allowance.claim(len(window) - before)
        return len(window) > before

    def until(self, quiet_since: float) -> float:
        """When to stop waiting for more: now, once the run was stopped."""
        if self.stop.is_set():
            return 0.0
        # With a time limit land waits for what arrives; without one it waits for what was ready.
        idle = math.inf if self.bounds.max_seconds is not None else quiet_since + self.bounds.idle_seconds
        return min(self.deadline, self.began + self.bounds.seconds, idle)

    def room(self) -> int:
        """How many more messages this window has room for, by number and by the bytes they turn out to have."""
        rows = min(self.bounds.rows, self.rest) - len(self.window)
        weight = self.size / len(self.window) if self.window else self.weight
        return int(min(rows, max(1.0, (self.bounds.bytes - self.size) / weight) if weight else rows))

    def keeps(self) -> int:
        """How much credit the next window has use for: never more than what the run may still take."""
        by_bytes = 2 * self.bounds.bytes / self.weight if self.weight else math.inf
        return int(min(self.rest, max(self.bounds.rows, 1), max(1.0, by_bytes)))

    def take(self) -> tuple[list[Delivery], list[int], int]:
        """The window, the number of each delivery in it, and its bytes; a new window begins."""
        taken = self.window, self.numbers, self.size
        self.left -= len(self.window)
        self.weight = self.size / len(self.window)
        self.window, self.numbers, self.size, self.began, self.is_full = [], [], 0, math.inf, False
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

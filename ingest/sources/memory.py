"""A broker in memory, its source, and crashes on demand: for tests, ours and those of whoever builds on this."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Self

from ingest.errors import SourceReplaced, SourceUnavailable
from ingest.model.arrived import Deliveries
from ingest.model.delivery import REPLACED, Bounds, Delivery, Lost, Window
from ingest.model.points import Point
from ingest.sources.run import Numbered, Run, rouses

__all__ = ["CrashAt", "MemoryBroker", "MemorySource", "SimulatedCrash"]


class SimulatedCrash(BaseException):
    """The process is dead as of here: no `except Exception` may go on."""


class CrashAt:
    """A `Reached` that raises `SimulatedCrash` the `nth` time that `point` is reached."""

    def __init__(self, point: Point, nth: int = 1) -> None:
        self._point, self._left = point, nth

    def __call__(self, point: Point) -> None:
        """Called by the steps at each point."""
        if point is self._point:
            self._left -= 1
            if self._left == 0:
                raise SimulatedCrash(point)


class MemoryBroker:
    """One queue that gives what was not acknowledged again, and the log of all that was ever published.

    As a stream, the log begins at offset `first`. Belongs to one event loop at a time.
    """

    def __init__(self) -> None:
        self.log: list[Delivery] = []
        self.first = 0
        self.is_down = False
        self._waiting: deque[tuple[int, Delivery]] = deque()
        self._listeners: set[asyncio.Event] = set()

    def publish(self, delivery: Delivery) -> None:
        """Append to the queue and to the log."""
        self._waiting.append((len(self.log), delivery))
        self.log.append(delivery)
        self._tell()

    def vanish(self) -> None:
        """Go down: whoever talks to it gets `SourceUnavailable`. `is_down = False` brings it back."""
        self.is_down = True
        self._tell()

    @property
    def ready(self) -> int:
        """How many messages of the queue wait, without those given and not acknowledged."""
        return len(self._waiting)

    def take(self) -> tuple[int, Delivery] | None:
        """The next message of the queue and its number in the log; null if none waits."""
        return self._waiting.popleft() if self._waiting else None

    def give_back(self, unacknowledged: dict[int, Delivery]) -> None:
        """Put messages back where they were, marked as redelivered."""
        again = [(number, delivery._replace(redelivered=True)) for number, delivery in unacknowledged.items()]
        self._waiting = deque(sorted([*again, *self._waiting]))
        self._tell()

    @contextlib.contextmanager
    def listening(self, wake: asyncio.Event) -> Iterator[None]:
        """Within, `wake` is set whenever something changes."""
        self._listeners.add(wake)
        try:
            yield
        finally:
            self._listeners.discard(wake)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener.set()


class MemorySource:
    """The queue of `broker` as a source; with `stream`, its log: nothing is taken out and `position` is the offset."""

    def __init__(self, broker: MemoryBroker, *, name: str = "memory", stream: bool = False) -> None:
        self._broker, self._stream = broker, stream
        self.application = f"land:{name}"
        self._unacknowledged: dict[int, Delivery] = {}
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._is_open = True
        self._check()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._broker.give_back(self._unacknowledged)
        self._unacknowledged = {}

    async def ready(self, after: int | None = None) -> int:
        """How many messages wait; of a stream, how many stand behind `after`. Raises `SourceUnavailable`."""
        self._check()
        if not self._stream:
            return self._broker.ready
        return max(len(self._broker.log) - max(self._broker.first, self._begin(after)), 0)

    async def read_back(self, after: int | None) -> Delivery | None:
        """What stands at offset `after`; null of a queue, or where it is gone. Raises `SourceReplaced`."""
        if after is None or not self._stream or after < self._broker.first:
            return None
        if after >= len(self._broker.log):
            raise SourceReplaced(f"the log ends before offset {after}", remedy=REPLACED)
        return self._broker.log[after]._replace(position=after)

    async def windows(self, bounds: Bounds, after: int | None, stop: asyncio.Event) -> AsyncIterator[Window]:
        """As `ports.Source` says; a stream goes on after offset `after`. Raises `SourceUnavailable`."""
        begin = max(self._begin(after), self._broker.first)
        lost = (Lost(self._begin(after), begin - 1),) if after is not None and begin > self._begin(after) else ()
        loop = asyncio.get_running_loop()
        deadline = math.inf if bounds.max_seconds is None else loop.time() + bounds.max_seconds
        left: float = math.inf if bounds.max_messages is None else bounds.max_messages
        if bounds.max_seconds is None and (self._stream or bounds.allowance is None):
            left = min(left, await self.ready(after))
        run: Run[Numbered] = Run(bounds, stop, deadline, left)
        wake = asyncio.Event()
        received: deque[Numbered] = deque()
        with self._broker.listening(wake), rouses(stop, wake):
            while run.left > 0 and not run.ended:
                begin = await self._fill(run, received, wake, begin)
                if not run.rows:
                    break
                pieces, _, _ = run.take()
                numbers = [number for piece in pieces for number in piece.numbers]
                yield Window(
                    Deliveries(pieces), self._acknowledge(numbers), numbers[-1] if self._stream else None, lost
                )
                lost = ()
                self._check()

    async def _fill(self, run: Run[Numbered], received: deque[Numbered], wake: asyncio.Event, begin: int) -> int:
        loop = asyncio.get_running_loop()
        quiet_since = loop.time()
        while True:
            wake.clear()
            self._check()
            while not run.is_full:
                if not received:
                    found = self._next(begin)
                    if found is None:
                        break
                    number, delivery = found
                    received.append(Numbered([number], [len(delivery.body)], [delivery]))
                    begin = number + 1
                run.collect(received)
                quiet_since = loop.time()
            until = run.until(quiet_since)
            if run.is_full or until <= loop.time():
                return begin
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(None if math.isinf(until) else until):
                    await wake.wait()

    def _begin(self, after: int | None) -> int:
        return 0 if after is None or not self._stream else after + 1

    def _next(self, begin: int) -> tuple[int, Delivery] | None:
        if self._stream:
            log = self._broker.log
            return (begin, log[begin]._replace(position=begin)) if begin < len(log) else None
        found = self._broker.take()
        if found is not None:
            self._unacknowledged[found[0]] = found[1]
        return found

    def _acknowledge(self, numbers: list[int]) -> Callable[[], Awaitable[None]]:
        async def acknowledge() -> None:
            self._check()
            for number in numbers:
                self._unacknowledged.pop(number, None)

        return acknowledge

    def _check(self) -> None:
        if self._broker.is_down or not self._is_open:
            raise SourceUnavailable("the memory broker is down, or the source is closed", remedy="bring it back")

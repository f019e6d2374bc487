"""SIGTERM and SIGINT while land runs: the first asks it to end in order, a second one ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator

from ingest.errors import SourceUnavailable

__all__ = ["stopping"]


@contextlib.contextmanager
def stopping(stop: asyncio.Event) -> Iterator[None]:
    """The first SIGTERM or SIGINT sets `stop`; a second one cancels what runs."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def received() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, received)
    try:
        yield
    except asyncio.CancelledError:
        remedy = "run it again: what was not acknowledged comes again, what was committed is not doubled"
        raise SourceUnavailable("land was told twice to stop and left the window under way", remedy=remedy) from None
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)

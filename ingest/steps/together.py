"""Several sources drained at once by one process: they end in order when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog

from ingest.errors import LakepostError, TerminalError

__all__ = ["together"]

_log = structlog.get_logger(__name__)


async def together(drains: Iterable[Coroutine[Any, Any, None]], *, halt: Callable[[], None]) -> None:
    """Run all of `drains`; when one fails, call `halt` and wait for the others to finish what is under way.

    Of several errors a terminal one is raised before a transient one, since trying again would not help, and else the
    first; the others are logged. What is no error but the end of the process, or of this task, ends all at once.
    """
    errors: list[Exception] = []

    async def guarded(drain: Coroutine[Any, Any, None]) -> None:
        try:
            await drain
        except Exception as error:  # noqa: BLE001 - it is raised, or logged, once the others are through
            errors.append(error)
            halt()

    tasks = [asyncio.create_task(guarded(drain)) for drain in drains]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if errors:
        # Whatever is none of ours is a defect, and to be seen.
        raised = min(errors, key=lambda error: (isinstance(error, LakepostError), not isinstance(error, TerminalError)))
        for other in errors:
            if other is not raised:
                _log.error("another source failed too", error=str(other))
        raise raised

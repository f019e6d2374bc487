"""A process that dies by SIGKILL at a named point."""

from __future__ import annotations

import os
import signal

from ingest.model.points import Point, Reached

__all__ = ["dying"]


def dying(point: str, nth: int) -> Reached:
    """Kills this process the `nth` time that `point` is reached."""
    left = nth

    def reached(at: Point) -> None:
        nonlocal left
        if at == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached

"""The peak memory of a function in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

__all__ = ["peak_of"]


def peak_of(function: Callable[..., Any], *arguments: Any) -> float:
    """Megabytes that a new process held at most while `function` ran, its imports included."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, function, arguments).result()


def _measured(function: Callable[..., Any], arguments: tuple[Any, ...]) -> float:
    function(*arguments)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

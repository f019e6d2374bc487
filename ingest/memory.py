"""Memory that was freed goes back to the system: else each allocator keeps the peak of its busiest moment for good."""

from __future__ import annotations

import ctypes
import gc
import sys

import pyarrow as pa

__all__ = ["few_arenas", "give_back"]

_M_ARENA_MAX = -8  # of glibc's malloc.h
_ARENAS = 2


def few_arenas() -> None:
    """Keep glibc from giving each thread an arena of its own, of which none returns what it holds. Called early."""
    if (libc := _glibc()) is not None:
        libc.mallopt(_M_ARENA_MAX, _ARENAS)


def give_back(*, garbage: bool = False) -> None:
    """Return what is free in Arrow's pool and in glibc's heap.

    With `garbage` also what only the garbage collector finds, which takes longer: Great Expectations leaves each frame
    that it has judged in a cycle of references.
    """
    if garbage:
        gc.collect()
    pa.default_memory_pool().release_unused()
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library where it is glibc; null elsewhere, where there is nothing to do."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") else None

"""How much a step holds in memory at a time."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """A batch ends before it would hold more rows or body bytes; a single window is never split."""

    rows: int = 500_000
    bytes: int = 192 * 1024 * 1024

"""What a stream no longer had when land came to it, as the lake keeps it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Loss"]


@dataclass(frozen=True, slots=True)
class Loss:
    """Offsets `first` to `last`, both included, of the stream; `found_at` (ISO, UTC) is when land found them gone.

    So many messages at most: the broker's own entries have offsets, too.
    """

    stream: str
    first: int
    last: int
    found_at: str

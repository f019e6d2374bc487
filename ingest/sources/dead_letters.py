"""A piece of a window from a dead-letter queue."""

from __future__ import annotations

from ingest.model.arrived import Arrived, Piece, Values
from ingest.model.dead_letter import as_published
from ingest.model.delivery import Delivery

__all__ = ["DeadLetters"]


class DeadLetters:
    """The deliveries of `piece`, which came by the dead-letter queue `queue`, as they were published; a `Piece`."""

    def __init__(self, piece: Piece, queue: str) -> None:
        self._piece, self._queue = piece, queue

    def __len__(self) -> int:
        return len(self._piece)

    def __getitem__(self, at: int) -> Delivery:
        return as_published(self._piece[at], self._queue)

    def arrived(self) -> Arrived:
        """All of them as columns, by way of values: they are few."""
        return Values([self[at] for at in range(len(self))]).arrived()

"""The named points between which a process may die; the crash tests kill it at each."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

__all__ = ["OF_ERASURE", "OF_INGEST", "OF_ITEMS", "OF_REPLAY", "Point", "Reached", "passing"]


class Point(StrEnum):
    """In the order in which one row passes them."""

    RECEIVED = "received"
    GAP_RECORDED = "gap_recorded"  # of a source with tokens only, where a generation begins after another
    TOKEN_KEPT = "token_kept"  # noqa: S105 - of a source with tokens only, before each commit
    PART_COMMITTED = "part_committed"  # of a window that has more event dates than a commit may have, several times
    RAW_COMMITTED = "raw_committed"
    ACKNOWLEDGED = "acknowledged"
    BATCH_RECORDED = "batch_recorded"
    QUARANTINE_COMMITTED = "quarantine_committed"
    CURATED_COMMITTED = "curated_committed"
    QUARANTINE_CLEARED = "quarantine_cleared"  # of a rebuild only: rows that are rejects no longer are gone
    ACCOUNT_COMMITTED = "account_committed"
    DELETED_COMMITTED = "deleted_committed"  # of items derived from their history only, like the two below
    ITEMS_COMMITTED = "items_committed"
    ITEMS_SETTLED = "items_settled"
    TABLE_REWRITTEN = "table_rewritten"  # of a rebuild of every date only
    REPLAY_RECORDED = "replay_recorded"  # of a replay only, like the two below
    REPLAY_MOVED = "replay_moved"
    REPLAY_REMOVED = "replay_removed"
    ERASURE_STORED = "erasure_stored"  # of an erasure only, like those below
    ERASURE_DRAINED = "erasure_drained"
    ERASURE_RECORDED = "erasure_recorded"
    ERASURE_COMMITTED = "erasure_committed"
    ERASURE_TAKEN = "erasure_taken"
    ERASURE_EMPTIED = "erasure_emptied"


OF_REPLAY = (Point.REPLAY_RECORDED, Point.REPLAY_MOVED, Point.REPLAY_REMOVED)
"""Points of a replay alone."""

OF_ITEMS = (Point.DELETED_COMMITTED, Point.ITEMS_COMMITTED, Point.ITEMS_SETTLED)
"""Points of deriving the items of a container, each with something committed to one of their tables."""

OF_ERASURE = tuple(point for point in Point if point.startswith("erasure"))
"""Points of an erasure alone, in their order."""

OF_INGEST = tuple(
    point
    for point in Point
    if point
    not in {
        Point.GAP_RECORDED,
        Point.TOKEN_KEPT,
        Point.QUARANTINE_CLEARED,
        Point.TABLE_REWRITTEN,
        *OF_ITEMS,
        *OF_REPLAY,
        *OF_ERASURE,
    }
)
"""Points that land and curate pass, in their order."""

Reached = Callable[[Point], None]
"""Called by the steps at each point. Production passes; a crash test dies."""


def passing(point: Point) -> None:
    """Go on: what production does at every point."""

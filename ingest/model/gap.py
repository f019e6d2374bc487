"""What of a container's changes may have been missed, as the lake keeps it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Gap"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Between `since` and `until` (ISO, UTC) nobody read the feed of `feed_range`, and nobody can any more.

    A snapshot follows, with which `generation` begins: versions in between are not known, nor who was made and deleted
    in between; items that the snapshot did not find are told as deletes that are inferred. `feed_range` is
    `database/container:low-high`. `since` may be too early: the last read of a quiet feed is not kept.
    """

    feed_range: str
    generation: int
    since: str
    until: str
    why: str

"""Who was erased, as the lake remembers it, and what an erasure did. The value itself is in none of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["ERASED", "ERASED_ID", "Erased", "Erasure", "Searched"]

ERASED = "erased"
"""The `operation` of a raw row whose content was taken out."""

ERASED_ID = "lakepost:erased"
"""The `event_id` of such a row where its own told who it was."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """One person's entry: `hash` is `Keys.hashed` of dataset and value, `column` the contract's erasure key then.

    `mark` is that of the key it was made with.
    """

    column: str
    hash: str
    mark: str


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search of every byte of a dataset came to.

    `found` are files, relative to the lake, that hold the value; `waiting` those of them that nothing needs any
    more but which a running task may still have open. `unreadable` counts bodies that are not text in UTF-8: compressed
    or encrypted ones are searched as they are, which proves nothing.
    """

    files: int = 0
    bytes: int = 0
    unreadable: int = 0
    removed: int = 0
    found: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Erased:
    """What `erase` prints with `--json`. Counts are rows, of this run.

    `erased` rows of raw lost their content; `curated` and `quarantined` left those tables. `proved`: every byte of the
    dataset was searched, and the value is nowhere. A dry run tells the same of what curate has read, and searches not.
    """

    dataset: str
    erased: int = 0
    curated: int = 0
    quarantined: int = 0
    searched: Searched = Searched()
    dry_run: bool = False
    seconds: float = 0.0

    @property
    def proved(self) -> bool:
        """Whether the search found nothing."""
        return not self.dry_run and not self.searched.found

    @property
    def pending(self) -> bool:
        """Whether all that was found goes with time: the command, run again later, finishes."""
        return bool(self.searched.found) and self.searched.found == self.searched.waiting

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, keys in order."""
        searched = self.searched
        told = {name: getattr(self, name) for name in ("dataset", "erased", "curated", "quarantined")}
        told |= {"files_searched": searched.files, "bytes_searched": searched.bytes, "found": len(searched.found)}
        told |= {"found_in": list(searched.found), "waiting": list(searched.waiting), "proved": self.proved}
        told |= {"files_removed": searched.removed, "unreadable_bodies": searched.unreadable}
        return told | {"dry_run": self.dry_run, "seconds": round(self.seconds, 3)}

"""A replay's vocabulary: a chunk of quarantine, what a replay did, and quarantine told in groups and rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Chunk", "Filter", "Replayed"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The quarantine rows of whole windows: those in (`above`, `upto`] of batches `first` to `last`.

    Windows are in their order, so that of two copies of one event the first lands in curated.
    """

    dataset: str
    above: str
    upto: str
    first: int
    last: int
    rows: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which quarantine rows to show; null means any."""

    reason: str | None = None
    column: str | None = None
    window: str | None = None
    row: int | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What `quarantine replay` prints with `--json`. Counts are rows.

    `replayed = curated + duplicates + quarantined`: moved, known already and gone from quarantine, still rejected.
    `finished` counts rows that an interrupted replay had accounted for and that left quarantine just now.
    `rejected` counts what stays by reason or expectation. A dry run tells the same and changes nothing.
    """

    dataset: str
    replayed: int = 0
    curated: int = 0
    duplicates: int = 0
    quarantined: int = 0
    finished: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    partitions: tuple[str, ...] = ()
    curated_version: int | None = None
    contract_version: str = ""
    dry_run: bool = False
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, keys in order."""
        fields = dataclasses.asdict(self)
        fields["partitions"] = list(self.partitions)
        fields["seconds"] = round(self.seconds, 3)
        return fields

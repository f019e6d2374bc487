"""What a rebuild changes in one event date."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

__all__ = ["Difference"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Counts are rows. `records` are raw's rows of the date that curate has read, `raw_bytes` their files' size.

    `before`, `after`, `added`, `removed` and `changed` (same row, other values) are of curated; `verdicts` counts raw
    rows that became another of curated, quarantined, duplicate. `curated`, `quarantined`, `duplicates` and `erased` are
    signed and sum to 0.
    """

    event_date: str
    records: int = 0
    raw_bytes: int = 0
    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    verdicts: int = 0
    curated: int = 0
    quarantined: int = 0
    duplicates: int = 0
    erased: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `rebuild` prints of a date."""
        return dataclasses.asdict(self)

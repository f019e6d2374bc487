"""The account of a run: where every landed record went."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

__all__ = ["Account"]


@dataclass(frozen=True, slots=True)
class Account:
    """What `land`, `curate`, `ingest` and `rebuild` print with `--json`. Counts are rows.

    `landed` counts rows committed to raw by this run, or read from raw by a run that only curates.
    `pending` is what raw holds beyond the last curated batch. `partitions` are the event dates
    (ISO) that the run touched in curated or quarantine. `lost` counts the offsets that a stream no longer had when land
    came to them; `status` tells which.
    `request_units` are those that landing has used of Cosmos DB; `request_units_used_up`: landing ended because of it.
    """

    dataset: str
    landed: int = 0
    curated: int = 0
    quarantined: int = 0
    duplicates: int = 0
    pending: int = 0
    raw_version: int | None = None
    curated_version: int | None = None
    partitions: tuple[str, ...] = ()
    seconds: float = 0.0
    lost: int = 0
    request_units: float = 0.0
    request_units_used_up: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of the public interface, keys in its order."""
        fields = dataclasses.asdict(self)
        fields["partitions"] = list(self.partitions)
        fields["seconds"] = round(self.seconds, 3)
        fields["request_units"] = round(self.request_units, 2)
        return fields

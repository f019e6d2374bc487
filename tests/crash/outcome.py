"""What a lake holds, without what a crash may change: windows, rows, batches and landing times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.lake import DeltaLake
from tests.reading import rows_of

__all__ = ["Outcome", "outcome"]

_OF_THE_RUN = ("window", "row", "batch", "landed_at")


@dataclass(frozen=True)
class Outcome:
    """Equal for a run that was killed and finished later, and for one that never was (invariant 3)."""

    curated: list[dict[str, Any]]
    raw_ids: list[str]
    quarantine_ids: list[str]
    landed_less_duplicates: int


def outcome(lake: DeltaLake, dataset: str) -> Outcome:
    """Read the tables; fails when the account does not hold (invariant 2)."""
    totals = lake.totals(dataset)
    assert totals.raw == totals.curated + totals.quarantined + totals.duplicates + totals.pending, totals

    def rows(stage: str) -> pa.Table:
        return rows_of(lake.uri(stage, dataset))

    def ids(stage: str) -> list[str]:
        return sorted(pc.unique(rows(stage)["event_id"]).to_pylist())

    curated = rows("curated").drop_columns(list(_OF_THE_RUN)).to_pylist()
    # A poison message without an id of its own that lands twice is two rows of one id; so is a redelivered
    # reject: quarantine compares by distinct id, and what it holds twice was landed twice.
    doubled = totals.quarantined - len(ids("quarantine"))
    return Outcome(
        curated=sorted(curated, key=lambda row: str(row["event_id"])),
        raw_ids=ids("raw"),
        quarantine_ids=ids("quarantine"),
        landed_less_duplicates=totals.raw - totals.duplicates - doubled,
    )

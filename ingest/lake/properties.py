"""The properties of tables, and how a table that was made before gets those of today."""

from __future__ import annotations

from ingest.lake.commit import open_table
from ingest.model.upkeep import SPARED_HOURS

__all__ = ["OF_EVERY", "OF_RAW", "STATISTICS", "keep_up"]

STATISTICS = "delta.dataSkippingStatsColumns"
"""The columns of which the log keeps bounds, by file."""

OF_EVERY = {
    # What was replaced is named in every checkpoint for as long: twice what vacuum spares, and not Delta's week, which
    # slows each commit down.
    "delta.deletedFileRetentionDuration": f"interval {2 * SPARED_HOURS} hours",
    # A commit opens the table, and reads every commit since the newest checkpoint.
    "delta.checkpointInterval": "25",
}

OF_RAW = {
    "delta.enableChangeDataFeed": "true",
    # A commit lists the log. Nobody reads raw's by version but curate, and what it has not read yet is kept longer.
    "delta.logRetentionDuration": f"interval {2 * SPARED_HOURS} hours",
    # Bodies, headers and keys may hold what erasure must remove: the log keeps no statistics of them. By `position`
    # land finds the row that a stream is compared with.
    STATISTICS: "window,row,event_time,position,landed_at",
}


def keep_up(uri: str, properties: dict[str, str]) -> None:
    """Bring a table's properties to what they are today.

    Statistics may be kept of fewer columns than today's, never of others. What the log has already stays in it: it
    goes with the files when these are rewritten.
    """
    table = open_table(uri)
    found = table.metadata().configuration
    if changed := {name: value for name, value in properties.items() if not _is_kept(name, found.get(name), value)}:
        table.alter.set_table_properties(changed)


def _is_kept(name: str, found: str | None, wanted: str) -> bool:
    if name == STATISTICS and found is not None:
        return set(found.split(",")) <= set(wanted.split(","))
    return found == wanted

"""What upkeep did to a table, or would do, and for how long a task may still need a file. Plain Python only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

__all__ = ["LONGEST_TASK", "SPARED_HOURS", "TASK_TIMEOUTS", "Compacted", "Vacuumed"]

TASK_TIMEOUTS = {
    "feed_ranges": dt.timedelta(minutes=10),
    "land": dt.timedelta(hours=1),
    "curate": dt.timedelta(hours=2),
    "rebuild": dt.timedelta(hours=2),
    "replay": dt.timedelta(hours=2),
    "compact": dt.timedelta(hours=2),
    "vacuum": dt.timedelta(hours=1),
}
"""The longest that a task of each verb may run: what it wrote or began to read may be that old."""

LONGEST_TASK = max(TASK_TIMEOUTS.values())

SPARED_HOURS = 1 + -(-LONGEST_TASK // dt.timedelta(hours=1))
"""Vacuum removes nothing younger: the longest task, and an hour for clocks that differ."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """Small files of a table that became few.

    `left` counts partitions that another writer was changing at the time: the next run takes them.
    """

    table: str
    partitions: int = 0
    files_before: int = 0
    files_after: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """Files of a table that no version needs any more, and files of its log.

    `names` are the data files, relative to the table. `log_kept` says why the log was left as it is.
    """

    table: str
    files: int = 0
    bytes: int = 0
    names: tuple[str, ...] = ()
    log_files: int = 0
    log_kept: str | None = None

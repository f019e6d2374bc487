"""Upkeep of a table: small files become few, files and log entries that nobody needs go.

Neither touches an application transaction. Compaction takes no row away and adds none, and a writer that is changing
the same files at the time makes one of the two start over. Vacuum is where rows can be lost, so it keeps:

- what is younger than any task may be: a file of a writer that has not committed yet is in no log;
- for each unread version of raw its files, also those that a compaction has replaced since;
- the log from the oldest version on that somebody has still to read.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from pyarrow import fs

from ingest.lake.commit import KEEP_LOG, open_table
from ingest.lake.log import appends, commits, files_in
from ingest.model.upkeep import Compacted, Vacuumed

__all__ = ["TARGET_BYTES", "compact", "vacuum"]

TARGET_BYTES = 256 * 1024 * 1024
"""About how large a compacted file becomes. A file of less than half of it is small."""

_MARGIN = dt.timedelta(days=1)
_RETENTION = re.compile(r"interval (\d+) (second|minute|hour|day|week)s?")


def compact(table_name: str, uri: str, *, dry_run: bool) -> Compacted:
    """Rewrite each partition that has several small files, one commit per partition.

    A partition that another writer changes meanwhile is left to the next run. One at a time, by one task: memory
    holds the batches of one file, whatever the table's size.
    """
    partitions = before = after = left = 0
    for partition, small in _scattered(open_table(uri)).items():
        if dry_run:
            partitions, before, after = partitions + 1, before + len(small), after + -(-sum(small) // TARGET_BYTES)
            continue
        try:
            done = open_table(uri).optimize.compact(
                partition_filters=[("event_date", "=", partition)] if partition else None,
                target_size=TARGET_BYTES,
                max_concurrent_tasks=1,
                post_commithook_properties=KEEP_LOG,
            )
        except CommitFailedError:
            left += 1
            continue
        partitions += done["numFilesRemoved"] > 0
        before, after = before + done["numFilesRemoved"], after + done["numFilesAdded"]
    if partitions and not dry_run:
        open_table(uri).create_checkpoint()  # the next open reads neither the replaced files nor the commits before
    return Compacted(table_name, partitions, before, after, left)


def _scattered(table: DeltaTable) -> dict[str | None, list[int]]:
    """Sizes of the small files of each partition (ISO date; null for a table without) that has more than one."""
    small: dict[str | None, list[int]] = defaultdict(list)
    for file in pa.table(table.get_add_actions(flatten=True)).to_pylist():
        if file["size_bytes"] < TARGET_BYTES // 2:
            date = file.get("partition.event_date")
            small[None if date is None else date.isoformat()].append(file["size_bytes"])
    return {partition: sizes for partition, sizes in small.items() if len(sizes) > 1}


def vacuum(table_name: str, uri: str, *, unread_after: int, keep_files: bool, hours: int, dry_run: bool) -> Vacuumed:
    """Remove files older than `hours` that no version needs, then the expired part of the log.

    `unread_after` is the version up to which this table was read by whoever reads it by version: later ones stay
    readable. `keep_files`: by their files also (raw), not only by the log (curated, for its accounts). It must
    have been looked up before this is called: read later, a position may only have moved on.
    """
    table = open_table(uri)
    keep = _needed(uri, table, unread_after) if keep_files else []
    names = _vacuum(table, hours, keep, dry_run=True)
    size = _bytes(uri, names)
    if names and not dry_run:
        names = _vacuum(table, hours, keep, dry_run=False)
    log_kept = _log_kept(uri, open_table(uri), unread_after)
    log_files = 0 if dry_run or log_kept else _clean_log(uri)
    return Vacuumed(table_name, len(names), size, tuple(names), log_files, log_kept)


def _vacuum(table: DeltaTable, hours: int, keep: list[int], *, dry_run: bool) -> list[str]:
    return table.vacuum(
        hours,
        dry_run=dry_run,
        enforce_retention_duration=False,
        full=True,  # or the files of killed writers, which no log names, stay
        keep_versions=keep or None,
        post_commithook_properties=KEEP_LOG,
    )


def _needed(uri: str, table: DeltaTable, unread_after: int) -> list[int]:
    """Versions whose live files, with those of `table`, are all that versions beyond `unread_after` ever added.

    A file is live from the version that adds it to the one before the commit that takes it away: so it is enough to
    keep the version before each commit that took files away, where something unread was appended before it. What
    was read may go: a rebuild reads the newest version, and not that of the position.
    """
    unread, needed = False, set()
    for version, commit_info in commits(uri, unread_after, table.version()):
        if appends(commit_info):
            unread = True
        elif unread and not str(commit_info.get("operation")).startswith("VACUUM"):
            needed.add(version - 1)
    return sorted(needed)


def _bytes(uri: str, names: Iterable[str]) -> int:
    found = files_in(uri).get_file_info(list(names))
    return sum(file.size or 0 for file in found)


def _log_kept(uri: str, table: DeltaTable, unread_after: int) -> str | None:
    """Why the log cannot be cleaned; null when all was read, or what was not is younger than what would go."""
    if unread_after >= table.version():
        return None
    oldest = dict(commits(uri, unread_after, unread_after + 1))[unread_after + 1]
    committed = dt.datetime.fromtimestamp(int(oldest["timestamp"]) / 1000, dt.UTC)
    # With a margin: files are dated by the storage, commits by whoever made them.
    kept = _log_retention(table)
    if dt.datetime.now(dt.UTC) - committed < kept - min(kept / 2, _MARGIN):
        return None
    return f"version {unread_after + 1} of {committed:%Y-%m-%d} is not read yet"


def _log_retention(table: DeltaTable) -> dt.timedelta:
    """Delta's own default is 30 days; what cannot be read counts as none, so that nothing unread goes."""
    said = table.metadata().configuration.get("delta.logRetentionDuration", "interval 30 days")
    found = _RETENTION.fullmatch(said)
    return dt.timedelta(**{f"{found[2]}s": int(found[1])}) if found else dt.timedelta(0)


def _clean_log(uri: str) -> int:
    """Delete commits that are past the table's log retention and behind a checkpoint; returns how many files."""
    before = _log_files(uri)
    open_table(uri).cleanup_metadata()
    return before - _log_files(uri)


def _log_files(uri: str) -> int:
    return len(files_in(uri).get_file_info(fs.FileSelector("_delta_log")))

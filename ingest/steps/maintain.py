"""maintain: small files become few, and files that nobody needs any more go."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from ingest.errors import ConfigurationError
from ingest.model.ports import Lake
from ingest.model.upkeep import SPARED_HOURS, Compacted, Vacuumed

__all__ = ["compact", "vacuum"]

_log = structlog.get_logger(__name__)


def compact(
    dataset: str, lake: Lake, *, dry_run: bool = False, progress: Callable[[int, int], None] | None = None
) -> list[Compacted]:
    """Compact each of the dataset's tables; land and curate may run meanwhile.

    Raises:
        LakeUnavailable: the storage refused; what was compacted before is, run again.
    """
    done: list[Compacted] = []
    stages = lake.stages(dataset)
    for table in stages:
        done.append(lake.compact(dataset, table, dry_run=dry_run))
        if done[-1].left:
            _log.warning("partitions left to the next run: others wrote to them", table=table, left=done[-1].left)
        if progress is not None:
            progress(len(done), len(stages))
    return done


def vacuum(
    dataset: str,
    lake: Lake,
    *,
    older_than: int = SPARED_HOURS,
    nobody_is_active: bool = False,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Vacuumed]:
    """Remove from each table what is older than `older_than` hours and needed by nobody.

    A file that a running task has written and not committed yet looks like one that nobody needs: its age is all
    that protects it. So less than `SPARED_HOURS` is refused unless the caller knows that `nobody_is_active`.

    Raises:
        ConfigurationError: refused.
        LakeUnavailable: the storage refused; run again.
    """
    if older_than < SPARED_HOURS and not nobody_is_active and not dry_run:
        raise ConfigurationError(
            f"a vacuum of files younger than {SPARED_HOURS} hours can remove what a running task is about to commit:"
            " the table could not be read afterwards",
            remedy=f"use --older-than {SPARED_HOURS}, or stop every task and say --nobody-is-active",
        )
    if not dry_run:
        lake.write_accounts(dataset)  # what a killed curate left in curated's log only
    done: list[Vacuumed] = []
    stages = lake.stages(dataset)
    for table in stages:
        done.append(lake.vacuum(dataset, table, hours=older_than, dry_run=dry_run))
        if progress is not None:
            progress(len(done), len(stages))
    return done

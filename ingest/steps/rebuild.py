"""rebuild: event dates of curated and quarantine anew from raw, each replaced as a whole, under today's contract.

Per date: new rejects into quarantine, then curated replaced, then what is no reject any more out of quarantine. A
row is never nowhere; killed in between it may stand twice, and the next rebuild of that date ends it. A row keeps its
`batch`; one that is new in curated or quarantine gets the raw version up to which the rebuild read.

Memory is bounded as curate's is, by `Limits`: a date with more rows or bytes goes through files in the system's
temporary folder, judged and compared a share of its events at a time.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import structlog

from ingest.errors import CommitFailed
from ingest.model.account import Account
from ingest.model.contract import Contract
from ingest.model.difference import Difference
from ingest.model.keys import NO_KEYS, Keys
from ingest.model.points import Point, Reached, passing
from ingest.model.ports import Decode, Lake, PinnedDate, Validator
from ingest.model.tables import QUARANTINE
from ingest.steps.current import derive
from ingest.steps.limits import Limits
from ingest.steps.moved import moved_account
from ingest.steps.replacement import Replacement, replacement
from ingest.steps.screen import screen_of
from ingest.steps.spill import Spill
from ingest.steps.weighing import Weighing

__all__ = ["Rebuilt", "rebuild"]

_log = structlog.get_logger(__name__)
_ATTEMPTS = 30


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The account, its counts signed differences, and what changed in each date."""

    account: Account
    differences: tuple[Difference, ...]


def rebuild(  # noqa: PLR0913 - its ports
    contract: Contract,
    lake: Lake,
    *,
    dates: Sequence[dt.date],
    decode: Decode,
    validator: Validator,
    limits: Limits,
    keys: Keys = NO_KEYS,
    every: bool = False,
    dry_run: bool = False,
    reached: Reached = passing,
    progress: Callable[[int, int], None] | None = None,
) -> Rebuilt:
    """Rebuild `dates` one by one; `dry_run` only tells what would change.

    `every`: they are all that raw holds, so that the table may be rewritten first where the contract has wider types.

    Rows that curate has not read yet stay pending. An event that stands in curated under another date within the
    contract's `dedupe_days` is a duplicate, so where a mended contract lets in several deliveries of one event under
    different dates, the date that is rebuilt first keeps it.

    Raises:
        SchemaMismatch: the contract's columns are not the table's, and no rewrite to wider types would do.
        RawTrimmed: raw no longer holds all that curated or quarantine has of a date; dates before it are done.
        CommitFailed: others were first on every attempt; dates before it are done.
    """
    begun = time.monotonic()
    contract = lake.learned(contract)
    if every and not dry_run:
        _widen(contract, lake)
        reached(Point.TABLE_REWRITTEN)
    lake.fits(contract, widened=every and dry_run)
    if not dry_run:
        lake.finish_replay(contract.dataset)  # one that was killed between curated and quarantine
        lake.write_accounts(contract.dataset)  # a killed run may have left its last one in curated's log only
    found: list[Difference] = []
    for date in dates:
        with tempfile.TemporaryDirectory(prefix="lakepost-") as folder:
            weighing = Weighing(contract, decode, validator, keys, limits=limits, folder=Path(folder))
            found.append(_rebuild(contract, lake, date, weighing, limits, dry_run=dry_run, reached=reached))
        if progress is not None:
            progress(len(found), len(dates))
    if not dry_run:
        derive(contract, lake, limits=limits, anew=True, reached=reached)
    return Rebuilt(_account(contract, lake, found, time.monotonic() - begun), tuple(found))


def _widen(contract: Contract, lake: Lake) -> None:
    """The table with the contract's wider types, its rows as they are: what is judged anew follows date by date."""
    position = lake.curated_until(contract.dataset)
    lake.widen(contract, moved_account("rewrite", contract, position=position, curated=0, partitions=[]))


def _rebuild(
    contract: Contract,
    lake: Lake,
    date: dt.date,
    weighing: Weighing,
    limits: Limits,
    *,
    dry_run: bool,
    reached: Reached,
) -> Difference:
    for attempt in range(1, _ATTEMPTS + 1):
        pinned = lake.pin(contract, date)
        # After a conflict the rows are mostly the same still; somebody may have been erased.
        weighing.read(pinned, screen_of(contract, lake, weighing.keys, weighing.opened))
        with tempfile.TemporaryDirectory(prefix="lakepost-") as folder:
            new = replacement(date, pinned, weighing, contract, limits=limits, folder=Path(folder))
            if dry_run:
                return new.difference
            try:
                _publish(new, pinned, contract, reached)
            except CommitFailed:
                if attempt == _ATTEMPTS:
                    raise
                time.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 7)))  # noqa: S311 - spreads writers, no secret
                continue
        lake.write_accounts(contract.dataset)
        reached(Point.ACCOUNT_COMMITTED)
        _log.info("date rebuilt", dataset=contract.dataset, **new.difference.to_dict())
        return new.difference
    raise AssertionError("unreachable: the last attempt returns or raises")


def _publish(new: Replacement, pinned: PinnedDate, contract: Contract, reached: Reached) -> None:
    if new.has_new_rejects:
        pinned.write_quarantine(_reader(QUARANTINE, new.quarantine, new.old_rejects))
    reached(Point.QUARANTINE_COMMITTED)
    if new.changes_curated:
        pinned.write_curated(_reader(new.curated.schema, new.curated), _account_row(new.difference, pinned, contract))
    reached(Point.CURATED_COMMITTED)
    if new.old_rejects.rows:
        pinned.write_quarantine(_reader(QUARANTINE, new.quarantine))
    reached(Point.QUARANTINE_CLEARED)


def _reader(schema: pa.Schema, *stores: Spill) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(schema, itertools.chain.from_iterable(store.batches() for store in stores))


def _account_row(difference: Difference, pinned: PinnedDate, contract: Contract) -> dict[str, Any]:
    date, duplicates, erased = difference.event_date, difference.duplicates, difference.erased
    return moved_account(
        "rebuild",
        contract,
        position=pinned.position,
        curated=difference.curated,
        partitions=[date],
        duplicates_by_date={date: duplicates} if duplicates else {},
        erased_by_date={date: erased} if erased else {},
    )


def _account(contract: Contract, lake: Lake, found: Sequence[Difference], seconds: float) -> Account:
    totals = lake.totals(contract.dataset)
    return Account(
        contract.dataset,
        curated=sum(one.curated for one in found),
        quarantined=sum(one.quarantined for one in found),
        duplicates=sum(one.duplicates for one in found),
        pending=totals.pending,
        raw_version=totals.raw_version,
        curated_version=totals.curated_version,
        partitions=tuple(sorted(one.event_date for one in found if one.changed or one.verdicts)),
        seconds=seconds,
    )

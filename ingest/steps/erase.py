"""erase: one person out of the lake, kept out from then on, and proof of it.

Stored first: from then on nobody lets the person in. Then everything that waits is curated, the rows leave curated and
quarantine, raw's lose their content, and every byte that is left is searched. Each part finds what is still to do by
what stands there: whatever was interrupted is finished by running it again.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pyarrow.compute as pc
import structlog

from ingest.errors import CommitFailed, Overtaken
from ingest.model.contract import Contract
from ingest.model.erasure import Erased, Erasure
from ingest.model.keys import Keys
from ingest.model.points import Point, Reached, passing
from ingest.model.ports import Lake, Open, PinnedErasure
from ingest.steps.changes import item_marks
from ingest.steps.current import derive
from ingest.steps.limits import Limits
from ingest.steps.moved import moved_account
from ingest.steps.screen import Screen, erasure_of, screen_of, value_of

__all__ = ["erase"]

_log = structlog.get_logger(__name__)
_ATTEMPTS = 20
_ROUNDS = 2


def erase(
    contract: Contract,
    lake: Lake,
    given: str,
    *,
    keys: Keys,
    opened: Open,
    drain: Callable[[], object],
    limits: Limits = Limits(),  # noqa: B008 - frozen
    nobody_is_active: bool = False,
    dry_run: bool = False,
    reached: Reached = passing,
) -> Erased:
    """Erase whose erasure key is `given` from the dataset.

    `drain` curates everything that waits. With `nobody_is_active`, files that a running task might still commit go
    too. A row that a land wrote which had begun before is found by the search: one more round takes it out.

    Raises:
        ConfigurationError: there is no erasure key, no key to hash with, or no such value.
        GateClosed: what waits could not be curated; the person is kept out already.
        Overtaken, CommitFailed, LakeUnavailable: run again.
    """
    begun = time.monotonic()
    value = value_of(contract, given)
    mine, known = erasure_of(contract, value, keys), screen_of(contract, lake, keys, opened)
    if dry_run:
        screen = dataclasses.replace(known, hashes=known.hashes | {mine.hash})
        pinned = lake.pin_erasure(contract.dataset, screen.recognised)
        return dataclasses.replace(_erased(contract, pinned), dry_run=True, seconds=time.monotonic() - begun)
    _store(contract, lake, value, mine, keys)
    reached(Point.ERASURE_STORED)
    done = Erased(contract.dataset)
    again = functools.partial(_round, contract, lake, value, drain, reached, keys=keys, opened=opened, limits=limits)
    for _ in range(_ROUNDS):
        done = _sum(done, again(nobody_is_active=nobody_is_active))
        if done.proved or done.pending:
            break
    _log.info("erased", dataset=contract.dataset, rows=done.erased, found=len(done.searched.found))
    return dataclasses.replace(done, seconds=time.monotonic() - begun)


def _round(
    contract: Contract,
    lake: Lake,
    value: str,
    drain: Callable[[], object],
    reached: Reached,
    *,
    keys: Keys,
    opened: Open,
    limits: Limits,
    nobody_is_active: bool,
) -> Erased:
    """What stands there now taken out, and all that is left searched, for the value and each of its hashes."""
    _again(lambda: lake.fence(contract.dataset, _account(contract, lake.curated_until(contract.dataset))))
    drain()
    reached(Point.ERASURE_DRAINED)
    done = _take_out(contract, lake, screen_of(contract, lake, keys, opened), reached)
    derive(contract, lake, limits=limits, reached=reached)
    column = next(one for one in contract.columns if one.name == contract.erasure_key)
    hashes = [*(keys.hashed(value, key) for key in keys.by_id), *item_marks(value, contract, keys)]
    searched = lake.prove(contract.dataset, value, column, hashes, opened=opened, nobody_is_active=nobody_is_active)
    return dataclasses.replace(done, searched=searched)


def _store(contract: Contract, lake: Lake, value: str, mine: Erasure, keys: Keys) -> None:
    """Under the current key, unless it stands there under one of the others."""
    there = lake.erasures(contract.dataset)
    if not any(erasure_of(contract, value, keys, key) in there for key in keys.by_id):
        lake.store_erasure(contract.dataset, mine)


def _take_out(contract: Contract, lake: Lake, screen: Screen, reached: Reached) -> Erased:
    first: list[PinnedErasure] = []

    def publish() -> None:
        lake.finish_replay(contract.dataset)  # what a killed erasure or replay left in quarantine
        lake.write_accounts(contract.dataset)
        pinned = lake.pin_erasure(contract.dataset, screen.recognised)
        first.append(pinned)

        def account(
            curated: int, duplicates_by_date: Mapping[str, int], erased_by_date: Mapping[str, int]
        ) -> Mapping[str, Any]:
            return _account(contract, pinned.position, curated, duplicates_by_date, erased_by_date)

        pinned.publish(account, reached)

    _again(publish)
    lake.write_accounts(contract.dataset)
    reached(Point.ERASURE_TAKEN)
    lake.empty_raw(contract.dataset, first[-1].rows)
    reached(Point.ERASURE_EMPTIED)
    return _erased(contract, first[0])


def _again(act: Callable[[], None]) -> None:
    """From the start whenever others changed curated meanwhile."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            act()
        except (Overtaken, CommitFailed):
            if attempt == _ATTEMPTS:
                raise
        else:
            return


def _account(
    contract: Contract,
    position: int,
    curated: int = 0,
    duplicates_by_date: Mapping[str, int] = MappingProxyType({}),
    erased_by_date: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Any]:
    return moved_account(
        "erase",
        contract,
        position=position,
        curated=curated,
        partitions=sorted({*duplicates_by_date, *erased_by_date}),
        duplicates_by_date=duplicates_by_date,
        erased_by_date=erased_by_date,
    )


def _erased(contract: Contract, pinned: PinnedErasure) -> Erased:
    full = pinned.rows.filter(pc.invert(pinned.rows["emptied"])).num_rows
    return Erased(contract.dataset, erased=full, curated=pinned.curated, quarantined=pinned.quarantined)


def _sum(one: Erased, other: Erased) -> Erased:
    return dataclasses.replace(
        one,
        erased=one.erased + other.erased,
        curated=one.curated + other.curated,
        quarantined=one.quarantined + other.quarantined,
        searched=dataclasses.replace(other.searched, removed=one.searched.removed + other.searched.removed),
    )

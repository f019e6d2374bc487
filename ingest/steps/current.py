"""The items of a container as they are now, from their history: of each the last change, unless that is a delete.

What curate has appended since is brought in; whatever else happened to the history, all of it is read again. Both give
the same rows: of an item the change that is last by (`generation`, `lsn`, `index`), and of two such the one that was
curated first. The deleted items are kept beside them, so that a change that comes late does not bring one back.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from ingest.errors import CommitFailed, GateClosed
from ingest.memory import give_back
from ingest.model.batches import gathered
from ingest.model.container import DELETES
from ingest.model.contract import Contract
from ingest.model.points import Point, Reached, passing
from ingest.model.ports import Lake, PinnedItems
from ingest.model.tables import DELETED
from ingest.steps.limits import Limits
from ingest.steps.spill import Slotted, Spill, shares

__all__ = ["derive", "derived", "last"]

_log = structlog.get_logger(__name__)
_ATTEMPTS = 20
_PIECE_ROWS = 16_384


def derive(contract: Contract, lake: Lake, *, limits: Limits, anew: bool = False, reached: Reached = passing) -> None:
    """Bring the items up to date with their history, where the dataset keeps one; `anew` from all of it in any case.

    Raises:
        CommitFailed: others were first on every attempt; run again.
        LakeUnavailable: the storage refused; run again.
    """
    if not contract.keeps_history:
        return
    for attempt in range(1, _ATTEMPTS + 1):
        pinned = lake.pin_items(contract.dataset, anew=anew)
        try:
            _derive(pinned, limits, reached)
        except CommitFailed:
            if attempt == _ATTEMPTS:
                raise
            time.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 7)))  # noqa: S311 - spreads writers, no secret
        else:
            _log.info("items derived", dataset=contract.dataset, anew=pinned.anew)
            return


@contextmanager
def derived(contract: Contract, lake: Lake, *, limits: Limits, reached: Reached) -> Iterator[None]:
    """Derive the items from what was curated inside, also when a gate closed before all of it was."""
    try:
        yield
    except GateClosed:
        derive(contract, lake, limits=limits, reached=reached)
        raise
    derive(contract, lake, limits=limits, reached=reached)


def _derive(pinned: PinnedItems, limits: Limits, reached: Reached) -> None:
    if pinned.is_settled:
        return
    if pinned.anew:
        with tempfile.TemporaryDirectory(prefix="lakepost-") as folder:
            _replace(pinned, limits, Path(folder), reached)
    else:
        for rows in gathered(pinned.history(), rows=limits.rows, size=limits.bytes):
            pinned.merge(last(rows), reached)
        pinned.settle()
        reached(Point.ITEMS_SETTLED)
    give_back(garbage=True)


def _replace(pinned: PinnedItems, limits: Limits, folder: Path, reached: Reached) -> None:
    """Share by share of the items, so that memory holds a share whatever the history's size."""
    store = Slotted(pinned.schema, folder, limits, by="key")
    for rows in gathered(pinned.history(), rows=_PIECE_ROWS):
        store.add(rows)
    deleted = Spill(DELETED, folder, limits)

    def items() -> Iterator[pa.RecordBatch]:
        for slots in shares([store], limits):
            rows = last(store.read(slots))
            gone = pc.is_in(rows["operation"], value_set=pa.array(DELETES))
            deleted.add(rows.filter(gone).select(DELETED.names).cast(DELETED))
            yield from rows.filter(pc.invert(gone)).to_batches()

    pinned.replace(items(), deleted.batches, reached)


def last(changes: pa.Table) -> pa.Table:
    """Of each item its last change (n), from changes (m) in any order."""
    codes = pc.dictionary_encode(changes["key"].combine_chunks()).indices.to_numpy()
    windows = pc.rank(changes["window"], tiebreaker="dense").to_numpy()
    newest = [-pc.fill_null(changes[name], -1).to_numpy() for name in ("index", "lsn", "generation")]
    order = np.lexsort([changes["row"].to_numpy(), windows, changes["batch"].to_numpy(), *newest, codes])
    first = np.diff(codes[order], prepend=-1) != 0
    return changes.take(pa.array(np.sort(order[first])))

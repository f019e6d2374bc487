"""What takes the place of a date's rows: computed from what is pinned, nothing is written to the lake."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.errors import RawTrimmed
from ingest.model.batches import gathered
from ingest.model.contract import Contract
from ingest.model.difference import Difference
from ingest.model.ports import PinnedDate
from ingest.model.tables import KEYS, QUARANTINE, ROW_ORDER, VERDICT, curated_schema, row_names
from ingest.steps.limits import Limits
from ingest.steps.spill import Sieve, Slotted, Spill, shares
from ingest.steps.verdicts import first
from ingest.steps.weighing import Weighing

__all__ = ["Replacement", "replacement"]

_COMPARED_ROWS = 10_000


@dataclass(slots=True)
class Replacement:
    """`old_rejects` leave quarantine once `curated` is committed; until then they stand beside `quarantine`."""

    difference: Difference
    curated: Spill
    quarantine: Spill
    old_rejects: Spill
    has_new_rejects: bool = False
    changes_curated: bool = False


@dataclass(frozen=True, slots=True)
class _Share:
    """The rows of some events of the date: all that decides about them, and small enough for memory."""

    valid: pa.Table
    rejected: pa.Table
    curated: pa.Table
    quarantine: pa.Table
    erased: pa.Table


def replacement(
    date: dt.date, pinned: PinnedDate, weighing: Weighing, contract: Contract, *, limits: Limits, folder: Path
) -> Replacement:
    """Judge the date's rows as curate would have, share by share of its events.

    Of several valid deliveries of one event the one that stands in curated stays, else the first in (`window`,
    `row`) order: two lands may have committed their windows in another order than they began them. A rebuild has no
    gate, so expectations about a batch as a whole are not asked.

    Raises:
        RawTrimmed: a row of curated or quarantine is no longer in raw.
    """
    stores = [weighing.valid, weighing.rejected]
    for batches, schema in ((pinned.curated(), curated_schema(contract)), (pinned.quarantine(), QUARANTINE)):
        stores.append(_put_aside(batches, Slotted(schema, folder, limits), limits))
    stores.append(weighing.erased)
    parts = shares(stores, limits)
    neighbours = None if parts == [None] else _neighbours(pinned, weighing.valid, folder, limits)
    curated, quarantine, old_rejects = (Spill(stores[at].schema, folder, limits) for at in (0, 1, 1))
    new = Replacement(_untold(date, pinned, weighing.erased.rows), curated, quarantine, old_rejects)
    gone = 0
    for slots in parts:
        share = _Share(*(store.read(slots) for store in stores))
        gone += _gone(share)
        there = pinned.neighbours() if neighbours is None else neighbours.read(slots).to_batches()
        _judge(share, there, pinned, contract, new)
    if gone:
        raise RawTrimmed(
            f"raw no longer holds {gone} rows that curated and quarantine have of {date}: rebuilding would lose them",
            remedy="leave this date as it is, or restore its raw rows first",
        )
    new.changes_curated = new.changes_curated or new.difference.duplicates != 0 or new.difference.erased != 0
    return new


def _untold(date: dt.date, pinned: PinnedDate, erased: int) -> Difference:
    """What the accounts tell of the date, taken back; and its rows of erased people, which nothing else comes of."""
    more = erased - pinned.erased
    return Difference(
        date.isoformat(),
        records=erased,
        raw_bytes=pinned.raw_bytes,
        duplicates=-pinned.duplicates,
        erased=more,
        quarantined=pinned.duplicates - more,
    )


def _put_aside(batches: Iterable[pa.RecordBatch], store: Slotted, limits: Limits) -> Slotted:
    for rows in gathered(batches, rows=limits.rows, size=limits.bytes):
        store.add(rows)
    return store


def _neighbours(pinned: PinnedDate, valid: Slotted, folder: Path, limits: Limits) -> Slotted:
    """The keys that curated has around the date, without most of those that none of the valid rows has."""
    sieve = Sieve()
    for batch in valid.batches(["event_id"]):
        sieve.add(batch["event_id"])
    passed = (batch.filter(sieve.passes(batch["event_id"])) for batch in pinned.neighbours())
    store = _put_aside(passed, Slotted(KEYS, folder, limits), limits)
    store.spill()
    return store


def _gone(share: _Share) -> int:
    there = pa.concat_arrays([row_names(rows) for rows in (share.valid, share.rejected, share.erased)])
    return sum(_count(pc.invert(_in(row_names(table), there))) for table in (share.curated, share.quarantine))


def _judge(
    share: _Share, there: Iterable[pa.RecordBatch], pinned: PinnedDate, contract: Contract, new: Replacement
) -> None:
    """Add to `new` what becomes of a share."""
    before, rejects = share.curated.sort_by(ROW_ORDER), share.quarantine
    valid = _standing_first(share.valid.sort_by(ROW_ORDER), before)
    kept = first(valid.select(KEYS.names), lambda keys: pinned.known(keys, there), contract)
    curated = _with_batches(valid.filter(kept).sort_by(ROW_ORDER), before, pinned.position)
    rejected = _set_batch(share.rejected, pa.repeat(pa.scalar(pinned.position, pa.int64()), share.rejected.num_rows))
    fresh = rejected.filter(pc.invert(_in(_reasons(rejected), _reasons(rejects))))
    old = rejects.filter(pc.invert(_in(row_names(rejects), row_names(rejected))))
    new.has_new_rejects = new.has_new_rejects or fresh.num_rows > 0
    new.changes_curated = new.changes_curated or not curated.equals(before)
    new.curated.add(curated)
    new.quarantine.add(rejects.filter(_in(_reasons(rejects), _reasons(rejected))))
    new.quarantine.add(fresh)
    new.old_rejects.add(old)
    duplicates = valid.num_rows - curated.num_rows
    new.difference = _sum(new.difference, _difference(before, curated, rejects, rejected, duplicates))


def _standing_first(valid: pa.Table, curated: pa.Table) -> pa.Table:
    stands = _in(row_names(valid), row_names(curated)).to_numpy(zero_copy_only=False)
    return valid.take(pa.array(np.argsort(~stands, kind="stable")))


def _with_batches(curated: pa.Table, before: pa.Table, position: int) -> pa.Table:
    """A row that stands keeps its batch: rebuilding what did not change changes nothing."""
    stood = before["batch"].take(pc.index_in(row_names(curated), value_set=row_names(before)))
    return _set_batch(curated, pc.fill_null(stood, pa.scalar(position, pa.int64())))


def _set_batch(rows: pa.Table, batches: pa.Array) -> pa.Table:
    place = rows.schema.get_field_index("batch")
    return rows.set_column(place, rows.schema.field(place), batches)


def _difference(
    before: pa.Table, after: pa.Table, rejects: pa.Table, rejected: pa.Table, duplicates: int
) -> Difference:
    """Quarantine's difference follows from the others: a killed rebuild may have left rows there too many."""
    old, new = row_names(before), row_names(after)
    added, removed = _count(pc.invert(_in(new, old))), _count(pc.invert(_in(old, new)))
    moved = len(after) - len(before)
    return Difference(
        event_date="",
        records=len(after) + duplicates + len(rejected),
        before=len(before),
        after=len(after),
        added=added,
        removed=removed,
        changed=_changed(before.filter(_in(old, new)), after.filter(_in(new, old))),
        verdicts=added + removed + _between(rejects, rejected, [old, new]),
        curated=moved,
        quarantined=-moved - duplicates,
        duplicates=duplicates,
    )


def _sum(one: Difference, other: Difference) -> Difference:
    names = [field.name for field in dataclasses.fields(Difference) if field.name != "event_date"]
    return dataclasses.replace(one, **{name: getattr(one, name) + getattr(other, name) for name in names})


def _between(before: pa.Table, after: pa.Table, curated: list[pa.Array]) -> int:
    """Rows that moved between quarantine and the duplicates: in quarantine on one side, in curated on none."""
    old, new = row_names(before), row_names(after)
    moved = [old.filter(pc.invert(_in(old, new))), new.filter(pc.invert(_in(new, old)))]
    return sum(_count(pc.invert(pc.or_(_in(keys, curated[0]), _in(keys, curated[1])))) for keys in moved)


def _changed(before: pa.Table, after: pa.Table) -> int:
    """How many of the same rows, in the same order, have other values."""
    if before.equals(after):
        return 0
    return sum(
        one != other
        for start in range(0, len(after), _COMPARED_ROWS)
        for one, other in zip(
            before.slice(start, _COMPARED_ROWS).to_pylist(), after.slice(start, _COMPARED_ROWS).to_pylist(), strict=True
        )
    )


def _reasons(quarantine: pa.Table) -> pa.Array:
    """A rejected row's identity with all that is said of it."""
    said = [pc.coalesce(quarantine[name], pa.scalar("\x01")) for name in VERDICT]
    return pc.binary_join_element_wise(row_names(quarantine), *said, "\x00").combine_chunks()


def _in(keys: pa.Array, others: pa.Array) -> pa.Array:
    return pc.is_in(keys, value_set=others)


def _count(flags: pa.Array) -> int:
    return pc.sum(flags).as_py() or 0

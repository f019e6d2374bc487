"""What takes the place of a date's rows: computed from what is pinned, nothing is written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ingest.errors import RawTrimmed
from ingest.model.contract import Contract
from ingest.model.difference import Difference
from ingest.model.ports import PinnedDate, Validator
from ingest.model.tables import VERDICT, row_names
from ingest.steps.verdicts import Verdicts, Weighed, settle

__all__ = ["Raw", "Replacement", "replacement"]

_ORDER = [("window", "ascending"), ("row", "ascending")]
_COMPARED_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Raw:
    """A date's raw rows and the verdicts that depend on each alone."""

    rows: pa.Table
    weighed: Weighed


@dataclass(frozen=True, slots=True)
class Replacement:
    """`quarantine_meanwhile` also holds the rows that leave quarantine once `curated` is committed."""

    curated: pa.Table
    quarantine: pa.Table
    quarantine_meanwhile: pa.Table
    has_new_rejects: bool
    has_old_rejects: bool
    changes_curated: bool
    difference: Difference


def replacement(date: dt.date, pinned: PinnedDate, raw: Raw, contract: Contract, validator: Validator) -> Replacement:
    """Judge the date's rows as curate would have.

    Of several valid deliveries of one event the one that stands in curated stays, else the first in (`window`,
    `row`) order: two lands may have committed their windows in another order than they began them.

    Raises:
        RawTrimmed: a row of curated or quarantine is no longer in raw.
    """
    _is_whole(date, pinned, raw.rows)
    weighed = _standing_first(raw, pinned.curated)
    verdicts = settle(weighed, raw.rows, contract, pinned.known, validator, batch=pinned.position)
    curated = _with_batches(verdicts.curated.sort_by(_ORDER), pinned)
    same = _in(_reasons(pinned.quarantine), _reasons(verdicts.quarantine))
    fresh = verdicts.quarantine.filter(pc.invert(_in(_reasons(verdicts.quarantine), _reasons(pinned.quarantine))))
    quarantine = pa.concat_tables([pinned.quarantine.filter(same), fresh])
    old = pinned.quarantine.filter(pc.invert(_in(row_names(pinned.quarantine), row_names(verdicts.quarantine))))
    difference = _difference(date, pinned, raw.rows, curated, verdicts)
    return Replacement(
        curated=curated,
        quarantine=quarantine,
        quarantine_meanwhile=pa.concat_tables([quarantine, old]),
        has_new_rejects=fresh.num_rows > 0,
        has_old_rejects=old.num_rows > 0,
        changes_curated=not curated.equals(pinned.curated) or difference.duplicates != 0,
        difference=difference,
    )


def _is_whole(date: dt.date, pinned: PinnedDate, rows: pa.Table) -> None:
    there = row_names(rows)
    gone = sum(
        pc.sum(pc.invert(_in(row_names(table), there))).as_py() or 0 for table in (pinned.curated, pinned.quarantine)
    )
    if gone:
        raise RawTrimmed(
            f"raw no longer holds {gone} rows that curated and quarantine have of {date}: rebuilding would lose them",
            remedy="leave this date as it is, or restore its raw rows first",
        )


def _standing_first(raw: Raw, curated: pa.Table) -> Weighed:
    weighed = raw.weighed
    stands = _in(row_names(raw.rows.select(["window", "row"]).take(weighed.index)), row_names(curated))
    order = pc.sort_indices(
        pa.table({"new": pc.invert(stands), "index": weighed.index}), [("new", "ascending"), ("index", "ascending")]
    )
    return Weighed(
        weighed.rows.take(order),
        weighed.index.take(order),
        weighed.rejects,
        weighed.failed,
        weighed.report,
        weighed.unknown,
    )


def _with_batches(curated: pa.Table, pinned: PinnedDate) -> pa.Table:
    """A row that stands keeps its batch: rebuilding what did not change changes nothing."""
    stood = pinned.curated["batch"].take(pc.index_in(row_names(curated), value_set=row_names(pinned.curated)))
    place = curated.schema.get_field_index("batch")
    return curated.set_column(place, curated.schema.field(place), pc.coalesce(stood, curated["batch"]))


def _difference(date: dt.date, pinned: PinnedDate, raw: pa.Table, curated: pa.Table, verdicts: Verdicts) -> Difference:
    """Quarantine's difference follows from the others: a killed rebuild may have left rows there too many."""
    before, after = row_names(pinned.curated), row_names(curated)
    added, removed = _count(pc.invert(_in(after, before))), _count(pc.invert(_in(before, after)))
    moved = len(curated) - len(pinned.curated)
    duplicates = verdicts.duplicates - pinned.duplicates
    return Difference(
        event_date=date.isoformat(),
        records=raw.num_rows,
        raw_bytes=pinned.raw_bytes,
        before=len(pinned.curated),
        after=len(curated),
        added=added,
        removed=removed,
        changed=_changed(pinned.curated.filter(_in(before, after)), curated.filter(_in(after, before))),
        verdicts=added + removed + _between(pinned.quarantine, verdicts.quarantine, [before, after]),
        curated=moved,
        quarantined=-moved - duplicates,
        duplicates=duplicates,
    )


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

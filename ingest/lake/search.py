"""Searching curated for events and rows that it holds already: key columns only, of the partitions that can match."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from ingest.lake.commit import scan
from ingest.lake.fingerprints import Fingerprints
from ingest.model.batches import gathered
from ingest.model.tables import KEYS, RAW, row_names

__all__ = ["among", "holds_rows", "known", "near"]

_SEARCHED_ROWS = 500_000
"""Rows searched at once: each search builds a hash of all that is wanted, so it had better be worth it."""

_LISTED_DATES = 500
_ROW = pa.schema([RAW.field("window"), RAW.field("row")])
_SPAN, _REACH = 1 << 24, 1 << 22
"""Days between one key's dates and the next key's, and the most that a search reaches: dates have 22 bits."""


def known(curated: DeltaTable, keys: pa.Table, *, dedupe_days: int) -> pa.Array:
    """For each of `keys`, `KEYS`: is it in curated within `dedupe_days` of its date?

    Reads batch by batch; memory holds `keys`, and a number for each date under which one of them was found.
    """
    return among(keys, near(curated, keys["event_date"].unique().to_pylist(), dedupe_days), dedupe_days)


def near(
    curated: DeltaTable, dates: Iterable[dt.date], days: int, *, but_for: dt.date | None = None
) -> Iterator[pa.RecordBatch]:
    """`KEYS` of curated's rows within `days` of any of `dates`, perhaps of others too; those of `but_for` left out."""
    wanted = np.array(sorted(date.toordinal() for date in dates), np.int64)
    held = pa.table(curated.get_add_actions(flatten=True))["partition.event_date"].unique().to_pylist()
    there = np.array(sorted(date.toordinal() for date in held if date != but_for), np.int64)
    reached = np.searchsorted(wanted, there + days, "right") > np.searchsorted(wanted, there - days, "left")
    chosen = [dt.date.fromordinal(ordinal) for ordinal in there[reached].tolist()]
    if not chosen:
        return iter(())
    where = _listed(chosen)
    return scan(curated, KEYS, where if but_for is None else f"{where} AND event_date != DATE '{but_for}'")


def _listed(dates: list[dt.date]) -> str:
    """A predicate that lets `dates` through; of very many, all between the first and the last: it must be planned."""
    if len(dates) > _LISTED_DATES:
        return f"event_date >= DATE '{dates[0]}' AND event_date <= DATE '{dates[-1]}'"
    listed = ", ".join(f"DATE '{date}'" for date in dates)
    return f"event_date IN ({listed})"


def among(keys: pa.Table, there: Iterable[pa.RecordBatch], days: int) -> pa.Array:
    """For each of `keys`, `KEYS`: is it one of `there`, under a date at most `days` from its own?"""
    days = min(days, _REACH)
    wanted = pc.dictionary_encode(_joined(keys))
    places = _places(wanted.indices, keys["event_date"])
    found = np.empty(0, np.int64)
    ids = Fingerprints(keys["event_id"].combine_chunks())
    passed = (batch.filter(pa.array(ids.passes(batch["event_id"]))) for batch in there)
    for group in gathered(passed, rows=_SEARCHED_ROWS):
        index = pc.index_in(_joined(group), value_set=wanted.dictionary)
        if index.null_count < len(index):
            hit = pc.is_valid(index)
            found = np.union1d(found, _places(index.filter(hit), group["event_date"].filter(hit)))
    near_by = np.searchsorted(found, places + days, "right") > np.searchsorted(found, places - days, "left")
    return pa.array(near_by, pa.bool_())


def holds_rows(curated: DeltaTable, rows: pa.Table) -> pa.Array:
    """For each of `rows` (`window`, `row`, `event_date`): does `curated`, as it was opened, hold that very row?"""
    if rows.num_rows == 0:
        return pa.array([], pa.bool_())
    windows = pc.min_max(rows["window"]).as_py()
    where = f"\"window\" >= '{windows['min']}' AND \"window\" <= '{windows['max']}'"
    dates = _listed(sorted(rows["event_date"].unique().to_pylist()))
    wanted = row_names(rows)
    found = pa.repeat(pa.scalar(value=False), rows.num_rows)
    for there in gathered(scan(curated, _ROW, f"{dates} AND {where}"), rows=_SEARCHED_ROWS):
        found = pc.or_(found, pc.is_in(wanted, value_set=row_names(there)))
    return found


def _places(codes: pa.Array, dates: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """One number for each key and date: a key's dates are close together, another key's far away."""
    days: npt.NDArray[np.int64] = dates.cast(pa.int32()).to_numpy().astype(np.int64)
    numbers: npt.NDArray[np.int64] = codes.to_numpy().astype(np.int64)
    return numbers * _SPAN + days


def _joined(keys: pa.Table) -> pa.Array:
    """One value of source and id; the length in front tells where the first ends, whatever bytes it holds."""
    length = pc.cast(pc.binary_length(keys["source"]), pa.string())
    joined = pc.binary_join_element_wise(length, keys["source"], keys["event_id"], "\x00")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined

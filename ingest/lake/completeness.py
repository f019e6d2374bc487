"""What each event date holds, from the logs of the tables; rows are read only where the log does not tell.

The log says of each file how many rows it has and when the first and the last of them landed. A window lands at one
moment, so a file of land is told by the log alone. Compaction puts windows together: of a date that has a file whose
rows landed in different hours after its end, `event_date` and `landed_at` are read, batch by batch.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from ingest.lake import published, raw, replaying
from ingest.lake.commit import open_table, scan
from ingest.model.completeness import Completeness, DateRows, judged
from ingest.model.contract import UNKNOWN_DATE, Contract
from ingest.model.tables import RAW, occurrences

__all__ = ["tell"]

_DAY = dt.timedelta(days=1)
_HOUR = dt.timedelta(hours=1)
_MICROSECOND = dt.timedelta(microseconds=1)
_LANDED = pa.schema([RAW.field("event_date"), RAW.field("landed_at")])
_DATE = pa.schema([RAW.field("event_date")])
_DATES_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class _File:
    """What the log says of a file: rows, newest event time, first and last landing; null where it does not say."""

    date: dt.date
    rows: int
    newest: dt.datetime | None
    first: dt.datetime | None
    last: dt.datetime | None


@dataclass(slots=True)
class _Landings:
    """When the rows of a date landed."""

    after: Counter[int] = field(default_factory=Counter)
    moments: list[dt.datetime] = field(default_factory=list)


def tell(tables: replaying.Tables, uris: Mapping[str, str], contract: Contract) -> Completeness:
    """All event dates of the dataset, as of one version of curated. `uris` are its tables by stage."""
    curated, quarantine = replaying.settled(tables)
    raw_table = open_table(uris["raw"])
    files = _files(raw_table)
    landings = _landings(raw_table, files)
    counts: dict[str, Mapping[dt.date, int]] = {
        "raw": {date: landed.after.total() for date, landed in landings.items()},
        "curated": _rows(_files(curated)),
        "quarantined": _counted(replaying.standing(tables, curated, quarantine, _DATE)),
        "duplicates": published.by_date(uris["accounts"], curated, "duplicates"),
        "erased": published.by_date(uris["accounts"], curated, "erased"),
        "pending": raw.pending_by_date(uris["raw"], published.position(curated), raw_table.version()),
    }
    dates = sorted({date for counted in counts.values() for date in counted})
    moments = [moment for landed in landings.values() for moment in landed.moments]
    rows = [_date(date, counts, landings.get(date, _Landings())) for date in dates]
    watermark = max(filter(None, map(_reached, files)), default=None)
    return Completeness(watermark, max(moments, default=None), judged(rows, watermark, contract))


def _date(date: dt.date, counts: Mapping[str, Mapping[dt.date, int]], landed: _Landings) -> DateRows:
    return DateRows(
        date,
        **{name: counted.get(date, 0) for name, counted in counts.items()},
        first_landed=min(landed.moments, default=None),
        last_landed=max(landed.moments, default=None),
        landed_after=landed.after,
    )


def _files(table: DeltaTable) -> list[_File]:
    files = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    names = ("max.event_time", "min.landed_at", "max.landed_at")
    return [_File(file["partition.event_date"], file["num_records"], *map(file.get, names)) for file in files]


def _rows(files: Iterable[_File]) -> Counter[dt.date]:
    rows: Counter[dt.date] = Counter()
    for file in files:
        rows[file.date] += file.rows
    return rows


def _counted(tables: Iterator[pa.Table]) -> Counter[dt.date]:
    rows: Counter[dt.date] = Counter()
    for table in tables:
        rows.update(occurrences(table["event_date"]))
    return rows


def _reached(file: _File) -> dt.datetime | None:
    """How far the events of a file bring the watermark: to the newest one within the date, once it has landed.

    A clock that is ahead brings it no further than to the landing; without event times, to the date's beginning.
    """
    if file.date == UNKNOWN_DATE or file.last is None:
        return None
    begin = _begin(file.date)
    return min(max(file.newest or begin, begin), begin + _DAY, file.last)


def _landings(raw_table: DeltaTable, files: Iterable[_File]) -> dict[dt.date, _Landings]:
    found: dict[dt.date, _Landings] = defaultdict(_Landings)
    untold = set()
    for file in files:
        if file.first is None or file.last is None or _hour(file.date, file.first) != _hour(file.date, file.last):
            untold.add(file.date)
        else:
            found[file.date].after[_hour(file.date, file.last)] += file.rows
            found[file.date].moments += (file.first, file.last)
    return dict(found) | _read(raw_table, sorted(untold))


def _hour(date: dt.date, landed: dt.datetime) -> int:
    """In which hour after the date's end, 1 for the first; 0: before it."""
    return max((landed - _begin(date) - _DAY) // _HOUR + 1, 0)


def _read(raw_table: DeltaTable, dates: list[dt.date]) -> dict[dt.date, _Landings]:
    """The same by reading the rows of `dates`."""
    found: dict[dt.date, _Landings] = defaultdict(_Landings)
    for start in range(0, len(dates), _DATES_AT_ONCE):
        listed = ", ".join(f"DATE '{date}'" for date in dates[start : start + _DATES_AT_ONCE])
        for batch in scan(raw_table, _LANDED, f"event_date IN ({listed})"):
            end = pc.add(pc.cast(batch["event_date"], RAW.field("landed_at").type), pa.scalar(_DAY))
            since = pc.cast(pc.cast(pc.subtract(batch["landed_at"], end), pa.int64()), pa.float64())
            hours = pc.max_element_wise(pc.add(pc.floor(pc.divide(since, _HOUR / _MICROSECOND)), 1), 0)
            table = pa.table({"date": batch["event_date"], "hour": hours, "landed": batch["landed_at"]})
            grouped = table.group_by(["date", "hour"], use_threads=False)
            for one in grouped.aggregate([("landed", "min"), ("landed", "max"), ("landed", "count")]).to_pylist():
                found[one["date"]].after[int(one["hour"])] += one["landed_count"]
                found[one["date"]].moments += (one["landed_min"], one["landed_max"])
    return found


def _begin(date: dt.date) -> dt.datetime:
    return dt.datetime.combine(date, dt.time(), dt.UTC)

"""A batch's verdicts: every raw row becomes one curated row, one quarantine row or one counted duplicate."""

from __future__ import annotations

import datetime as dt
import functools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.memory import give_back
from ingest.model.contract import Contract
from ingest.model.keys import NO_KEYS, Keys
from ingest.model.ports import Batch, Decode, Lake, Validator
from ingest.model.reason import Reason
from ingest.model.tables import KEYS, QUARANTINE, RAW, REJECTS, RESCUED, VERDICT, curated_schema, occurrences
from ingest.model.verdict import Decoded, indexed
from ingest.steps.changes import are_deletes, item_keys, told
from ingest.steps.dead_letters import as_origin
from ingest.steps.identity import has_identity
from ingest.steps.learning import learnable
from ingest.steps.protection import protected, veiled
from ingest.steps.screen import screen_of
from ingest.steps.sifting import Sifting

__all__ = ["Known", "Verdicts", "Weighed", "first", "judge", "known_in", "settle", "stamped", "weigh"]

Known = Callable[[pa.Table], pa.ChunkedArray | pa.Array]
"""For each key (`source`, `event_id`, `event_date`): does curated hold it already?"""


@dataclass(frozen=True, slots=True)
class Weighed:
    """The verdicts that depend on a row alone: which of the `rows` (k) are `valid`, `index` says which raw row each is.

    `rejects`: `tables.REJECTS`. `failed` and `report` as in `verdict.Judged`, `unknown` as in `verdict.Decoded`.
    """

    rows: pa.Table
    index: pa.Array
    valid: pa.Array
    rejects: pa.Table
    failed: Mapping[str, int]
    report: Mapping[str, Any]
    unknown: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """`records` = rows of `curated` + rows of `quarantine` + `duplicates` + `erased`.

    `rejected` counts quarantined rows by reason or expectation; `failed` names expectations that failed
    on the whole batch, with the rows that broke each; `report` is the validation report; `unknown` counts rows by
    each field that no column takes.
    """

    records: int
    curated: pa.Table
    quarantine: pa.Table
    duplicate_dates: Mapping[dt.date, int]
    rejected: Mapping[str, int]
    failed: Mapping[str, int]
    report: Mapping[str, Any]
    unknown: Mapping[str, int]
    erased_dates: Mapping[dt.date, int]

    @property
    def duplicates(self) -> int:
        """Rows whose event curated has already, or an earlier row of the batch."""
        return sum(self.duplicate_dates.values())

    @property
    def erased(self) -> int:
        """Rows of people who were erased: they are counted and go nowhere."""
        return sum(self.erased_dates.values())

    @property
    def erased_by_date(self) -> dict[str, int]:
        """How many of those each event date has, by ISO date, ascending."""
        return {date.isoformat(): rows for date, rows in sorted(self.erased_dates.items())}

    @property
    def partitions(self) -> tuple[str, ...]:
        """The event dates touched, ISO, ascending."""
        columns = [table["event_date"] for table in (self.curated, self.quarantine)]
        dates = {date for column in columns for date in column.unique().to_pylist()}
        return tuple(date.isoformat() for date in sorted(dates))

    @property
    def duplicates_by_date(self) -> dict[str, int]:
        """How many duplicates each event date has, by ISO date, ascending."""
        return {date.isoformat(): rows for date, rows in sorted(self.duplicate_dates.items())}


def judge(batch: Batch, contract: Contract, sifting: Sifting, keys: Keys = NO_KEYS) -> Verdicts:
    """Decode, judge each row, deduplicate the valid, judge the whole. Writes nothing but columns that curated learns.

    Of two deliveries of one event the first wins, in the (`window`, `row`) order of raw. Rows of people who were erased
    are only counted.
    """
    lake, validator = sifting.lake, sifting.validator
    screen = screen_of(contract, lake, keys, sifting.decode.opened)
    sifted = sifting.sifted(batch, contract, screen)
    if new := learnable(sifted.read.decoded.kinds, contract):
        contract = lake.learn(contract, new)
        sifted = sifting.sifted(batch, contract, screen)
    sifting.begin_next(sifted)
    read, erased = sifted.read, sifted.erased
    del sifted
    give_back()
    weighed = judged(read.raw, read.decoded, contract, validator)
    read.holds(weighed.rejects)
    raw, places = read.raw, read.places
    del read  # what was decoded and rejected takes no memory any more
    give_back()
    known = known_in(lake, contract)
    return settle(weighed, raw, contract, known, validator, batch=batch.until, keys=keys, erased=erased, places=places)


def known_in(lake: Lake, contract: Contract) -> Known:
    """What curated holds, as it is when it is asked."""
    return functools.partial(lake.known, contract.dataset, dedupe_days=contract.dedupe_days)


def weigh(raw: pa.Table, contract: Contract, decode: Decode, validator: Validator) -> Weighed:
    """Decode and judge each row of `raw` by itself."""
    return judged(raw, decode(raw, contract), contract, validator)


def judged(raw: pa.Table, decoded: Decoded, contract: Contract, validator: Validator) -> Weighed:
    """Judge each decoded row of `raw` by itself; a container's deletes are valid once they are decoded."""
    rows, index = decoded.rows, decoded.index
    named = has_identity(raw["event_id"].take(index), contract)
    refused = [decoded.rejects, _anonymous(index.filter(pc.invert(named)))]
    rows, index = _kept(rows, index, named)
    deletes = are_deletes(raw, contract).take(index)
    if contract.unknown_fields.refuses:
        alone = pc.or_(pc.is_null(rows[RESCUED].combine_chunks()), deletes)
        refused.append(_with_unknown_fields(*_kept(rows, index, pc.invert(alone))))
        rows, index, deletes = *_kept(rows, index, alone), deletes.filter(alone)
    judged, places = _kept(rows, index, pc.invert(deletes))
    found = validator.rows(judged, contract)
    del judged  # a copy where there are deletes
    rejects = veiled(pa.concat_tables([*refused, _at(found.rejects, places)]), contract)
    valid = pc.replace_with_mask(deletes, pc.invert(deletes), found.valid)
    return Weighed(rows, index, valid, rejects, found.failed, found.report, decoded.unknown)


def _kept(rows: pa.Table, index: pa.Array, keep: pa.Array | pa.ChunkedArray) -> tuple[pa.Table, pa.Array]:
    if pc.all(keep).as_py() is not False:
        return rows, index
    keep = keep.combine_chunks() if isinstance(keep, pa.ChunkedArray) else keep
    return rows.filter(keep), index.filter(keep)


def _within(valid: pa.Array, fresh: pa.Array) -> pa.Array:
    """Which rows (k) are valid and, of the valid ones, `fresh`."""
    kept = np.array(valid, np.bool_)
    kept[kept] = fresh
    return pa.array(kept)


def settle(
    weighed: Weighed,
    raw: pa.Table,
    contract: Contract,
    known: Known,
    validator: Validator,
    *,
    batch: int,
    keys: Keys = NO_KEYS,
    erased: Mapping[dt.date, int] = MappingProxyType({}),
    places: pa.Array | None = None,
) -> Verdicts:
    """Deduplicate the valid rows and judge the whole; new rows get `batch`.

    `erased` rows by event date were set aside before and are records all the same. `places` of the rows of `raw`:
    distinct numbers that ascend with the order in which they count as delivered; by default that of `raw`.
    """
    rejects, order = weighed.rejects, weighed.index if places is None else places.take(weighed.index)
    named = _beside(raw, contract).take(weighed.index)
    identities, order = _kept(named.select(KEYS.names), order, weighed.valid)
    fresh = first(identities, known, contract, order=order)
    again = identities["event_date"].filter(pc.invert(fresh))
    kept = _within(weighed.valid, fresh)
    rows, named = weighed.rows.filter(kept), named.filter(kept)
    judged = rows.filter(pc.invert(are_deletes(named, contract))) if contract.keeps_history else rows
    failed = {**weighed.failed, **validator.whole(judged, contract)}
    return Verdicts(
        records=raw.num_rows + sum(erased.values()),
        curated=_curated(rows, named, contract, batch, keys),
        quarantine=_quarantine(rejects, raw, contract, batch),
        duplicate_dates=occurrences(again),
        rejected=_counts(rejects),
        failed=failed,
        report=weighed.report,
        unknown=weighed.unknown,
        erased_dates=erased,
    )


def stamped(
    weighed: Weighed, raw: pa.Table, contract: Contract, *, batch: int, keys: Keys = NO_KEYS
) -> tuple[pa.Table, pa.Table]:
    """The valid rows as curated would have them, duplicates included, and the rejects as quarantine would."""
    rows, index = _kept(weighed.rows, weighed.index, weighed.valid)
    valid = _curated(rows, _beside(raw, contract).take(index), contract, batch, keys)
    return valid, _quarantine(weighed.rejects, raw, contract, batch)


def _anonymous(index: pa.Array) -> pa.Table:
    detail = "The delivery has no id, so a redelivery cannot be told from a second event."
    return _refused(index, Reason.NO_IDENTITY, pa.nulls(len(index), pa.string()), detail)


def _with_unknown_fields(rows: pa.Table, index: pa.Array) -> pa.Table:
    detail = "The body has fields that the contract does not name, and the contract refuses them."
    return _refused(index, Reason.UNKNOWN_FIELDS, pc.utf8_slice_codeunits(rows[RESCUED], 0, 200), detail)


def _refused(index: pa.Array, reason: Reason, value: pa.Array | pa.ChunkedArray, detail: str) -> pa.Table:
    return pa.table(
        {
            "index": index,
            "reason": pa.repeat(str(reason), len(index)),
            "expectation": pa.nulls(len(index), pa.string()),
            "column": pa.nulls(len(index), pa.string()),
            "value": value,
            "detail": pa.repeat(detail, len(index)),
        },
        schema=REJECTS,
    )


def _at(rejects: pa.Table, index: pa.Array) -> pa.Table:
    """`rejects` counts decoded rows; say which rows of the batch they are."""
    return indexed(rejects, index.take(rejects["index"].combine_chunks()))


def first(keys: pa.Table, known: Known, contract: Contract, *, order: pa.Array | None = None) -> pa.Array:
    """True for each of `keys` that neither curated nor an earlier row of the batch holds within `dedupe_days`.

    Earlier is what comes before in `order` (n, distinct numbers), by default as the rows stand.
    """
    fresh = pc.invert(known(keys))
    candidates = pc.and_(fresh, _repeated(keys["event_id"]))
    if not pc.any(candidates).as_py():
        return fresh
    positions = pc.indices_nonzero(candidates)
    if order is not None:
        positions = positions.take(pc.sort_indices(order.take(positions)))
    later = np.zeros(keys.num_rows, np.bool_)
    later[_later(keys, positions, dt.timedelta(days=contract.dedupe_days))] = True
    return pc.and_not(fresh, pa.array(later))


def _repeated(values: pa.ChunkedArray) -> pa.Array:
    """Where a value (n) stands that stands elsewhere too."""
    encoded = values.combine_chunks().dictionary_encode()
    if len(encoded.dictionary) == len(values):
        return pa.repeat(pa.scalar(value=False), len(values))
    codes = encoded.indices.to_numpy()
    return pa.array((np.bincount(codes) > 1)[codes])


def _later(keys: pa.Table, positions: pa.Array, reach: dt.timedelta) -> list[int]:
    """Which of the `positions` hold an event that one before holds under a date within `reach`, and is kept itself."""
    kept: dict[tuple[str, str], list[dt.date]] = {}
    found = []
    for position, row in zip(positions.to_pylist(), keys.take(positions).to_pylist(), strict=True):
        dates = kept.setdefault((row["source"], row["event_id"]), [])
        if all(abs(row["event_date"] - date) > reach for date in dates):
            dates.append(row["event_date"])
        else:
            found.append(position)
    return found


def _beside(raw: pa.Table, contract: Contract) -> pa.Table:
    """What curated has of `raw` (n) itself."""
    origin, schema = as_origin(told(raw, contract)), curated_schema(contract)
    return origin.select([name for name in origin.schema.names if name in schema.names])


def _curated(rows: pa.Table, raw: pa.Table, contract: Contract, batch: int, keys: Keys) -> pa.Table:
    schema, rows = curated_schema(contract), protected(rows, contract, keys)
    columns = {name: rows[name] for name in rows.schema.names}
    if contract.keeps_history:
        columns["key"] = item_keys(raw["key"], contract, keys)
    columns |= {name: raw[name] for name in schema.names if name not in columns and name != "batch"}
    columns["batch"] = pa.repeat(pa.scalar(batch, pa.int64()), raw.num_rows)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _quarantine(rejects: pa.Table, raw: pa.Table, contract: Contract, batch: int) -> pa.Table:
    rejected = raw.take(rejects["index"])
    count = rejects.num_rows
    columns = {name: rejected[name] for name in RAW.names}
    columns |= {name: rejects[name] for name in VERDICT}
    columns["contract_version"] = pa.repeat(contract.version, count)
    columns["contract_digest"] = pa.repeat(contract.digest, count)
    columns["batch"] = pa.repeat(pa.scalar(batch, pa.int64()), count)
    now = pa.scalar(dt.datetime.now(dt.UTC), QUARANTINE.field("quarantined_at").type)
    columns["quarantined_at"] = pa.repeat(now, count)
    return pa.table([columns[name] for name in QUARANTINE.names], schema=QUARANTINE)


def _counts(rejects: pa.Table) -> dict[str, int]:
    """Rejected rows by expectation and column where there is one, else by reason."""
    counted = Counter(
        f"{row['expectation']}({row['column'] or ''})" if row["expectation"] else row["reason"]
        for row in rejects.select(["reason", "expectation", "column"]).to_pylist()
    )
    return dict(counted.most_common())

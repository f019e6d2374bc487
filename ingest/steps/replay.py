"""replay: quarantined rows once more, under the contract of today; what is valid now moves to curated."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from ingest.errors import Overtaken
from ingest.model.contract import Contract
from ingest.model.keys import NO_KEYS, Keys
from ingest.model.points import Point, Reached, passing
from ingest.model.ports import Decode, Lake, PinnedChunk, Validator
from ingest.model.replay import Chunk, Replayed
from ingest.model.tables import RAW, VERDICT, row_names
from ingest.steps.changes import needs_oldest
from ingest.steps.current import derive
from ingest.steps.limits import Limits
from ingest.steps.moved import moved_account
from ingest.steps.screen import Screen, screen_of
from ingest.steps.verdicts import Verdicts, known_in, settle, weigh

__all__ = ["replay"]

_log = structlog.get_logger(__name__)
_ATTEMPTS = 10
_JUDGED = [*VERDICT, "contract_version", "contract_digest"]


def replay(
    contract: Contract,
    lake: Lake,
    *,
    decode: Decode,
    validator: Validator,
    limits: Limits,
    keys: Keys = NO_KEYS,
    dry_run: bool = False,
    reached: Reached = passing,
    progress: Callable[[int, int], None] | None = None,
) -> Replayed:
    """Judge what stands in quarantine again, oldest first, in chunks within `limits`.

    Rows whose id curated has already leave quarantine as duplicates. No gate: what is rejected stays where it is.
    A dry run judges each chunk by itself: of copies in two chunks it tells both as curated.

    Raises:
        Overtaken: others changed curated during every attempt; run again.
    """
    begun = time.monotonic()
    contract = lake.learned(contract)
    lake.fits(contract)
    needs_oldest(contract, lake, keys)
    done = Replayed(contract.dataset, contract_version=contract.version, dry_run=dry_run)
    if not dry_run:
        done = dataclasses.replace(done, finished=lake.finish_replay(contract.dataset))
        lake.write_accounts(contract.dataset)
    chunks = lake.replay_chunks(contract.dataset, max_rows=limits.rows, max_bytes=limits.bytes)
    total = sum(chunk.rows for chunk in chunks)
    for chunk in chunks:
        done = _sum(done, _chunk(contract, lake, chunk, decode, validator, keys, dry_run=dry_run, reached=reached))
        if progress is not None:
            progress(done.replayed, total)
    if not dry_run:
        derive(contract, lake, limits=limits, reached=reached)
    return dataclasses.replace(
        done, curated_version=lake.curated_version(contract.dataset), seconds=time.monotonic() - begun
    )


def _chunk(
    contract: Contract,
    lake: Lake,
    chunk: Chunk,
    decode: Decode,
    validator: Validator,
    keys: Keys,
    *,
    dry_run: bool,
    reached: Reached,
) -> Replayed:
    """One chunk, from the start again whenever curated changed under it."""
    for attempt in range(1, _ATTEMPTS + 1):
        pinned = lake.pin_chunk(chunk)
        _leave_erased(pinned, screen_of(contract, lake, keys, decode.opened))
        verdicts = _judge(pinned, contract, lake, decode, validator, keys)
        try:
            if not dry_run:
                _publish(contract, lake, pinned, verdicts, reached)
        except Overtaken as overtaken:
            if attempt == _ATTEMPTS:
                raise
            _log.info("chunk read again", dataset=contract.dataset, why=overtaken.message)
            lake.finish_replay(contract.dataset)  # it may be another replay that is not through
            continue
        return Replayed(
            contract.dataset,
            replayed=verdicts.records,
            curated=verdicts.curated.num_rows,
            duplicates=verdicts.duplicates,
            quarantined=verdicts.quarantine.num_rows,
            finished=pc.sum(pinned.there).as_py() or 0,
            rejected=verdicts.rejected,
            partitions=_partitions(verdicts),
        )
    raise AssertionError("unreachable: the last attempt returns or raises")


def _leave_erased(pinned: PinnedChunk, screen: Screen) -> None:
    """Rows of somebody whose erasure is under way wait for it where they are."""
    if found := screen.matches(pinned.rows):
        rows = pa.array(range(pinned.rows.num_rows), pa.int64())
        pinned.narrow(pc.invert(pc.is_in(rows, value_set=pa.array(sorted(found), pa.int64()))))


def _judge(
    pinned: PinnedChunk, contract: Contract, lake: Lake, decode: Decode, validator: Validator, keys: Keys
) -> Verdicts:
    """The verdicts of today; rows keep the batch that they came in."""
    rows = pinned.rows.filter(pc.invert(pinned.there))
    raw = rows.select(RAW.names)
    weighed = weigh(raw, contract, decode, validator)
    verdicts = settle(weighed, raw, contract, known_in(lake, contract), validator, batch=0, keys=keys)
    moved = verdicts.curated
    batches = rows["batch"].take(pc.index_in(row_names(moved), value_set=row_names(rows)))
    place = moved.schema.get_field_index("batch")
    return dataclasses.replace(verdicts, curated=moved.set_column(place, moved.schema.field(place), batches))


def _publish(contract: Contract, lake: Lake, pinned: PinnedChunk, verdicts: Verdicts, reached: Reached) -> None:
    kept = verdicts.quarantine
    leaving = pc.invert(pc.is_in(row_names(pinned.rows), value_set=row_names(kept)))
    gone = pinned.rows.filter(leaving)
    if verdicts.curated.num_rows + verdicts.duplicates:
        account = _account_row(pinned, contract, verdicts)
        number, _ = pinned.move(verdicts.curated, gone, account, lambda: reached(Point.REPLAY_RECORDED))
        reached(Point.REPLAY_MOVED)
        pinned.remove(number, kept)
        reached(Point.REPLAY_REMOVED)
        lake.write_accounts(contract.dataset)
    elif gone.num_rows or _changed(kept, pinned.rows):
        pinned.rewrite(gone, kept)
        reached(Point.REPLAY_REMOVED)


def _changed(kept: pa.Table, rows: pa.Table) -> bool:
    before = rows.take(pc.index_in(row_names(kept), value_set=row_names(rows)))
    return bool(before.select(_JUDGED).to_pylist() != kept.select(_JUDGED).to_pylist())


def _account_row(pinned: PinnedChunk, contract: Contract, verdicts: Verdicts) -> dict[str, Any]:
    return moved_account(
        "replay",
        contract,
        position=pinned.position,
        curated=verdicts.curated.num_rows,
        partitions=_partitions(verdicts),
        duplicates_by_date=verdicts.duplicates_by_date,
    )


def _partitions(verdicts: Verdicts) -> tuple[str, ...]:
    """The event dates of what left quarantine."""
    dates = {*verdicts.curated["event_date"].unique().to_pylist(), *verdicts.duplicate_dates}
    return tuple(date.isoformat() for date in sorted(dates))


def _sum(one: Replayed, other: Replayed) -> Replayed:
    return dataclasses.replace(
        one,
        replayed=one.replayed + other.replayed,
        curated=one.curated + other.curated,
        duplicates=one.duplicates + other.duplicates,
        quarantined=one.quarantined + other.quarantined,
        finished=one.finished + other.finished,
        rejected=dict((Counter(one.rejected) + Counter(other.rejected)).most_common()),
        partitions=tuple(sorted({*one.partitions, *other.partitions})),
    )

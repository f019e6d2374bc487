"""curate: what is new in raw, into curated and quarantine, batch by batch, each with its account."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from collections.abc import Callable
from typing import Any

import pyarrow.compute as pc
import structlog

from ingest.errors import AccountBroken, GateClosed, Overtaken
from ingest.memory import give_back
from ingest.model.account import Account
from ingest.model.contract import Contract, UnknownFields
from ingest.model.keys import NO_KEYS, Keys
from ingest.model.points import Point, Reached, passing
from ingest.model.ports import Batch, Decode, Lake, Validator
from ingest.model.reason import Reason
from ingest.steps.changes import are_deletes, needs_oldest
from ingest.steps.current import derived
from ingest.steps.dead_letters import PuttingAside
from ingest.steps.limits import Limits
from ingest.steps.sifting import Sifting
from ingest.steps.verdicts import Verdicts, judge

__all__ = ["Limits", "curate"]

_log = structlog.get_logger(__name__)


def curate(
    contract: Contract,
    lake: Lake,
    *,
    decode: Decode,
    validator: Validator,
    contract_at: Callable[[str], Contract],
    limits: Limits,
    keys: Keys = NO_KEYS,
    accept: bool = False,
    reached: Reached = passing,
    progress: Callable[[int, int], None] | None = None,
) -> Account:
    """Curate every batch that is new, oldest first, and return the account of all of them.

    A batch that another run recorded and did not finish is finished first, under the contract it was
    recorded with, which `contract_at` reads by digest. `accept` sends the rejects of a batch whose
    gate is closed to quarantine and goes on.

    Raises:
        GateClosed: too much of a batch was rejected; it stays pending, earlier batches stay done.
        ConfigurationError: a key is missing that the contract, or somebody's erasure, needs.
        LakeUnavailable, CommitFailed: run again, the same batch is finished.
    """
    begun = time.monotonic()
    needs_oldest(contract, lake, keys)
    account = Account(contract.dataset)
    lake.write_accounts(contract.dataset)  # a killed run may have left its last one in curated's log only
    with (
        derived(contract, lake, limits=limits, reached=reached),
        Sifting(lake, PuttingAside(decode), validator, limits) as sifting,
    ):
        while batch := sifting.foreseen(lake.next_batch(contract, max_rows=limits.rows, max_bytes=limits.bytes)):
            older = batch.digest != contract.digest
            used = lake.learned(contract_at(batch.digest) if older else contract)
            # Before anything is recorded: a batch that cannot be published must not stand in the way.
            lake.fits(used, older=older)
            seen = lake.curated_version(batch.dataset)
            verdicts = judge(batch, used, sifting, keys)
            give_back()
            _conserves(verdicts, batch)
            if lake.curated_until(batch.dataset) >= batch.until:
                continue  # another worker finished it meanwhile: its rows look like duplicates to us
            page = lake.write_report(batch, verdicts.report, validator.page(verdicts.report, used, batch))
            _log.info("batch judged", dataset=contract.dataset, batch=batch.until, report=page)
            if not batch.recorded:
                if not accept:
                    _gate(verdicts, used, lake, page)
                recorded = lake.record_batch(dataclasses.replace(batch, accepted=accept))
                if (recorded.until, recorded.digest) != (batch.until, batch.digest):
                    continue  # another worker was first with another batch: finish that one
            reached(Point.BATCH_RECORDED)
            try:
                version = _publish(batch, used, lake, verdicts, reached, accepted=accept, seen=seen)
            except Overtaken as overtaken:
                _log.info("batch read again", dataset=contract.dataset, batch=batch.until, why=overtaken.message)
                continue  # what was replayed or rebuilt meanwhile may stand in this batch too: as duplicates now
            account = _sum(account, verdicts, batch, version)
            _log.info("batch curated", dataset=contract.dataset, batch=batch.until, records=verdicts.records)
            del verdicts  # before the next ones are made
            give_back(garbage=True)
            if progress is not None:
                progress(account.landed, account.landed + lake.totals(contract.dataset).pending)
    return _closed(account, lake, time.monotonic() - begun)


def _publish(
    batch: Batch, contract: Contract, lake: Lake, verdicts: Verdicts, reached: Reached, *, accepted: bool, seen: int
) -> int:
    lake.write_quarantine(batch, verdicts.quarantine)
    reached(Point.QUARANTINE_COMMITTED)
    account = _account_row(batch, contract, verdicts, accepted=accepted)
    version = lake.write_curated(batch, verdicts.curated, account, seen=seen)
    reached(Point.CURATED_COMMITTED)
    lake.write_accounts(batch.dataset)
    reached(Point.ACCOUNT_COMMITTED)
    return version


def _account_row(batch: Batch, contract: Contract, verdicts: Verdicts, *, accepted: bool) -> dict[str, Any]:
    """A row of `tables.ACCOUNTS`, as JSON values, but for the version that its commit will have."""
    return {
        "kind": "curate",
        "batch": batch.until,
        "after": batch.after,
        "records": verdicts.records,
        "curated": verdicts.curated.num_rows,
        "quarantined": verdicts.quarantine.num_rows,
        "duplicates": verdicts.duplicates,
        "accepted": accepted or batch.accepted,
        "contract_version": contract.version,
        "contract_digest": contract.digest,
        "partitions": json.dumps(verdicts.partitions),
        "duplicates_by_date": json.dumps(verdicts.duplicates_by_date),
        "erased": verdicts.erased,
        "erased_by_date": json.dumps(verdicts.erased_by_date),
        "rejected": json.dumps(verdicts.rejected),
        "unknown_fields": json.dumps(verdicts.unknown) if verdicts.unknown else None,
        "committed_at": dt.datetime.now(dt.UTC).isoformat(),
    }


def _conserves(verdicts: Verdicts, batch: Batch) -> None:
    accounted = verdicts.curated.num_rows + verdicts.quarantine.num_rows + verdicts.duplicates + verdicts.erased
    if accounted != verdicts.records:
        raise AccountBroken(
            f"batch {batch.until} of {batch.dataset} has {verdicts.records} records but {accounted} verdicts",
            remedy="nothing was published; this is a defect of Lakepost: keep the lake and report it",
        )


def _gate(verdicts: Verdicts, contract: Contract, lake: Lake, page: str) -> None:
    """Dead letters do not count: it was the broker that gave them up, neither contract nor producer is to be mended.

    Deletes neither: nothing is asked of them, and many of them would hide that all else was rejected.
    """
    gate, dead = contract.gate, verdicts.rejected.get(Reason.DEAD_LETTERED, 0)
    deletes = pc.sum(are_deletes(verdicts.curated, contract)).as_py() or 0
    rejected, records = verdicts.quarantine.num_rows - dead, verdicts.records - dead - deletes
    share = rejected / max(records, 1)
    judged = records >= gate.min_rows
    frozen = contract.unknown_fields is UnknownFields.FREEZE and Reason.UNKNOWN_FIELDS in verdicts.rejected
    if not frozen and not (judged and (share > gate.max_rejected_share or verdicts.failed)):
        return
    counted = {name: rows for name, rows in verdicts.rejected.items() if name != Reason.DEAD_LETTERED}
    expectations = {**counted, **verdicts.failed}
    broken = ", ".join(f"{name} ({rows} rows)" for name, rows in expectations.items())
    allowed = "no unknown field" if frozen else f"{gate.max_rejected_share:.1%}"
    pending = lake.totals(contract.dataset).pending
    raise GateClosed(
        f"the gate of {contract.dataset} is closed: {rejected} of {records} rows rejected"
        f" ({share:.1%}, allowed: {allowed}); {pending} rows are pending; broken: {broken}; the report: {page}",
        pending=pending,
        expectations=expectations,
        remedy=f"mend the producer or the contract and run again, or publish what is valid and quarantine the rest:"
        f" `lakepost curate {contract.dataset} --accept` (in Airflow: trigger with accept = true)",
    )


def _sum(account: Account, verdicts: Verdicts, batch: Batch, version: int) -> Account:
    return dataclasses.replace(
        account,
        landed=account.landed + verdicts.records,
        curated=account.curated + verdicts.curated.num_rows,
        quarantined=account.quarantined + verdicts.quarantine.num_rows,
        duplicates=account.duplicates + verdicts.duplicates,
        raw_version=batch.until,
        curated_version=version,
        partitions=tuple(sorted({*account.partitions, *verdicts.partitions})),
    )


def _closed(account: Account, lake: Lake, seconds: float) -> Account:
    totals = lake.totals(account.dataset)
    return dataclasses.replace(
        account,
        pending=totals.pending,
        raw_version=totals.raw_version if account.raw_version is None else account.raw_version,
        curated_version=totals.curated_version if account.curated_version is None else account.curated_version,
        seconds=seconds,
    )

"""The composition root: the one place that builds adapters and hands them to the steps.

Every function takes `Settings` and a dataset's name and is what the command and the DAGs call.
Great Expectations takes seconds to import: `land` must not pay for it, so adapters are imported where
they are built.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

from ingest import catalog
from ingest.adopting import adopt
from ingest.compose import contract_of, keys_of, lake_of, limits_of, standing
from ingest.contracts import check as check_contracts
from ingest.doctor import datasets, doctor
from ingest.errors import ConfigurationError
from ingest.lake import open_storage
from ingest.lake.query import query
from ingest.landing import feed_ranges, land
from ingest.model.account import Account
from ingest.model.completeness import Completeness
from ingest.model.contract import Contract
from ingest.model.erasure import Erased
from ingest.model.points import Reached, passing
from ingest.model.replay import Filter, Replayed
from ingest.model.status import Items, Status
from ingest.model.upkeep import SPARED_HOURS, Compacted, Vacuumed
from ingest.settings import Settings
from ingest.steps.land import Progress

if TYPE_CHECKING:
    from ingest.steps import Rebuilt

__all__ = [
    "adopt",
    "begun",
    "check_contracts",
    "compact",
    "completeness",
    "curate",
    "datasets",
    "doctor",
    "erase",
    "feed_ranges",
    "ingest",
    "init",
    "land",
    "partitions_since",
    "quarantine_groups",
    "quarantine_rows",
    "rebuild",
    "rebuild_items",
    "replay",
    "sql",
    "status",
    "vacuum",
]


def init(settings: Settings) -> list[str]:
    """Create the tables of every dataset where absent; returns the datasets' names."""
    lake = lake_of(settings)
    names = catalog.names(settings.schemas_dir)
    for name in names:
        lake.prepare(catalog.load(settings.schemas_dir, name))
    return names


def begun(settings: Settings, dataset: str) -> bool:
    """Whether the lake has tables of the dataset: `init` makes them, and the first `land`."""
    return lake_of(settings).exists(dataset)


def curate(
    settings: Settings,
    dataset: str,
    *,
    accept: bool = False,
    reached: Reached = passing,
    progress: Progress | None = None,
) -> Account:
    """Raw → curated and quarantine, what is new.

    Raises:
        GateClosed: too much of a batch was rejected; `accept` quarantines it and goes on.
        LakepostError: any other of the tree.
    """
    from ingest import steps
    from ingest.decoding import decode
    from ingest.validate import Suite

    contract = contract_of(settings, dataset)
    lake = lake_of(settings)
    lake.prepare(contract)

    def contract_at(digest: str) -> Contract:
        document, suite = lake.contract_text(dataset, digest)
        return catalog.parse(document, suite, dataset=dataset, where=f"contract {digest} kept in the lake")

    return steps.curate(
        contract,
        lake,
        decode=decode,
        validator=Suite(),
        contract_at=contract_at,
        limits=limits_of(settings),
        keys=keys_of(settings),
        accept=accept,
        reached=reached,
        progress=progress,
    )


def ingest(
    settings: Settings,
    dataset: str,
    *,
    accept: bool = False,
    stop_on_signals: bool = False,
    progress: Progress | None = None,
) -> Account:
    """`land`, then `curate`; the account of both."""
    landed = land(settings, dataset, stop_on_signals=stop_on_signals, progress=progress)
    curated = curate(settings, dataset, accept=accept, progress=progress)
    seconds = landed.seconds + curated.seconds
    return dataclasses.replace(
        curated,
        landed=landed.landed,
        lost=landed.lost,
        seconds=seconds,
        request_units=landed.request_units,
        request_units_used_up=landed.request_units_used_up,
    )


def rebuild(
    settings: Settings,
    dataset: str,
    *,
    dates: tuple[dt.date, dt.date] | None,
    dry_run: bool = False,
    reached: Reached = passing,
    progress: Progress | None = None,
) -> Rebuilt:
    """Curated and quarantine of the event dates from `dates[0]` to `dates[1]` anew from raw; null: all raw holds.

    Raises:
        RawTrimmed: a date can no longer be rebuilt.
        LakepostError: any other of the tree.
    """
    from ingest import steps
    from ingest.decoding import decode
    from ingest.validate import Suite

    contract, lake = standing(settings, dataset)
    if not dry_run:
        lake.prepare(contract)
    held = lake.dates(dataset)
    chosen = held["raw"] if dates is None else {d for d in set().union(*held.values()) if dates[0] <= d <= dates[1]}
    return steps.rebuild(
        contract,
        lake,
        dates=sorted(chosen),
        decode=decode,
        validator=Suite(),
        keys=keys_of(settings),
        every=dates is None,
        limits=limits_of(settings),
        dry_run=dry_run,
        reached=reached,
        progress=progress,
    )


def rebuild_items(settings: Settings, dataset: str) -> Items:
    """The items of a container as they are now anew from their history, which stays as it is.

    Raises:
        ConfigurationError: the dataset comes from queues.
        LakepostError: any other of the tree.
    """
    from ingest import steps

    contract, lake = standing(settings, dataset)
    if not contract.keeps_history:
        raise ConfigurationError(
            f"{dataset} comes from queues: its curated table holds events, and no items as they are now",
            remedy="leave --current out",
        )
    lake.prepare(contract)
    steps.derive(contract, lake, limits=limits_of(settings), anew=True)
    return lake.items(dataset) or Items(0, 0)


def replay(
    settings: Settings,
    dataset: str,
    *,
    dry_run: bool = False,
    reached: Reached = passing,
    progress: Progress | None = None,
) -> Replayed:
    """Quarantined rows once more, under the contract of today; what is valid now moves to curated.

    Raises:
        LakepostError: any of the tree; after an interruption or a transient one, run it again.
    """
    from ingest import steps
    from ingest.decoding import decode
    from ingest.validate import Suite

    contract, lake = standing(settings, dataset)
    if not dry_run:
        lake.prepare(contract)
    return steps.replay(
        contract,
        lake,
        decode=decode,
        validator=Suite(),
        limits=limits_of(settings),
        keys=keys_of(settings),
        dry_run=dry_run,
        reached=reached,
        progress=progress,
    )


def erase(
    settings: Settings,
    dataset: str,
    key: str,
    *,
    nobody_is_active: bool = False,
    dry_run: bool = False,
    reached: Reached = passing,
) -> Erased:
    """Whose erasure key is `key` out of the dataset, and kept out from then on; proved by a search of every byte.

    Raises:
        GateClosed: what waits to be curated could not be; the person is kept out already.
        LakepostError: any other of the tree; after an interruption or a transient one, run it again.
    """
    from ingest import envelope, steps

    contract, lake = standing(settings, dataset)
    if not dry_run:
        lake.prepare(contract)
    return steps.erase(
        contract,
        lake,
        key,
        keys=keys_of(settings),
        opened=envelope.opened,
        drain=lambda: curate(settings, dataset, reached=reached),
        limits=limits_of(settings),
        nobody_is_active=nobody_is_active,
        dry_run=dry_run,
        reached=reached,
    )


def quarantine_groups(settings: Settings, dataset: str) -> list[dict[str, Any]]:
    """Quarantine by reason, expectation, column and contract version, most rows first."""
    _, lake = standing(settings, dataset)
    return lake.quarantine_groups(dataset)


def quarantine_rows(settings: Settings, dataset: str, wanted: Filter, limit: int) -> tuple[list[dict[str, Any]], bool]:
    """The first `limit` quarantined rows that `wanted` lets through, and whether there are more."""
    _, lake = standing(settings, dataset)
    rows, more = lake.quarantine_rows(dataset, wanted, limit)
    return rows.to_pylist(), more


def status(settings: Settings, dataset: str) -> Status:
    """Rows per table, the newest batch, what producers send beside the contract, and what sources have lost."""
    _, lake = standing(settings, dataset)
    last = lake.last_account(dataset)
    page = None if last is None or last.raw_version is None else lake.page(dataset, last.raw_version)
    return Status(
        lake.totals(dataset),
        last,
        page,
        tuple(lake.unknown_fields(dataset)),
        tuple(lake.losses(dataset)),
        tuple(lake.gaps(dataset)),
        lake.items(dataset),
    )


def completeness(settings: Settings, dataset: str) -> Completeness:
    """Each event date's rows, and whether more of it are expected."""
    contract, lake = standing(settings, dataset)
    return lake.completeness(contract)


def compact(
    settings: Settings, dataset: str, *, dry_run: bool = False, progress: Progress | None = None
) -> list[Compacted]:
    """Small files of each of the dataset's tables become few."""
    from ingest.steps import maintain

    _, lake = standing(settings, dataset)
    return maintain.compact(dataset, lake, dry_run=dry_run, progress=progress)


def vacuum(
    settings: Settings,
    dataset: str,
    *,
    older_than: int = SPARED_HOURS,
    nobody_is_active: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> list[Vacuumed]:
    """Remove the files of each of the dataset's tables that nobody needs any more."""
    from ingest.steps import maintain

    _, lake = standing(settings, dataset)
    return maintain.vacuum(
        dataset,
        lake,
        older_than=older_than,
        nobody_is_active=nobody_is_active,
        dry_run=dry_run,
        progress=progress,
    )


def partitions_since(settings: Settings, dataset: str, version: int) -> tuple[list[str], int]:
    """The event dates (ISO, ascending) touched after curated's `version`, and the newest accounted version."""
    return lake_of(settings).partitions_since(dataset, version)


def sql(
    settings: Settings, statement: str, *, max_rows: int | None = None
) -> tuple[list[str], list[tuple[Any, ...]], bool]:
    """Column names, rows and whether there were more than `max_rows`, of SQL over the lake's views."""
    return query(open_storage(settings.lake_url), statement, max_rows=max_rows)

"""land, put together: the sources of a dataset, the lake, and the bounds of the settings."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import math
import time
from collections.abc import Sequence

from ingest.compose import contract_of, keys_of, lake_of, ranges_of, sources_of
from ingest.errors import ConfigurationError
from ingest.lake import DeltaLake
from ingest.model.account import Account
from ingest.model.container import RequestUnits
from ingest.model.contract import Contract
from ingest.model.delivery import Bounds, Start
from ingest.model.points import Reached, passing
from ingest.model.ports import Source
from ingest.settings import Settings
from ingest.signals import stopping
from ingest.steps.land import Landed, Progress

__all__ = ["feed_ranges", "land"]


def feed_ranges(settings: Settings, dataset: str) -> list[str]:
    """The names of the feed ranges that the dataset's container is read by; the first to ask chooses them.

    Raises:
        ConfigurationError: the dataset comes from queues.
        LakepostError: any other of the tree.
    """
    contract, lake = contract_of(settings, dataset), lake_of(settings)
    if contract.container is None:
        raise ConfigurationError(
            f"{dataset} comes from queues, which have no feed ranges", remedy="land them without a feed range"
        )
    lake.prepare(contract)
    return [one.name for one in ranges_of(settings, dataset, contract.container, lake)]


def land(
    settings: Settings,
    dataset: str,
    *,
    max_messages: int | None = None,
    max_seconds: float | None = None,
    start: Start | None = None,
    from_beginning: bool | dt.datetime = False,
    feed_range: str | None = None,
    stop_on_signals: bool = False,
    reached: Reached = passing,
    progress: Progress | None = None,
) -> Account:
    """Source → raw. By default what is ready at the start; see `Bounds` for what the limits mean.

    `start` is for streams: one that was landed before is read again from there up to its stored position, which stays
    where it is; one that was not is landed from there. `from_beginning` takes a new snapshot of a container, whatever
    was landed of it before; a time: unless one was begun since then, perhaps by an earlier try. `feed_range` lands only
    that one of its `feed_ranges`, with its part of the request units of a run.

    With `stop_on_signals`, SIGTERM or SIGINT commits and acknowledges the window under way and ends; a
    second one abandons it, and the broker gives it again.

    Raises:
        LakepostError: any of the tree; a transient one is worth another try.
    """
    contract = contract_of(settings, dataset)
    lake = lake_of(settings)
    lake.prepare(contract)
    bounds = Bounds(
        rows=settings.window_rows,
        bytes=settings.window_bytes,
        seconds=settings.window_seconds,
        max_messages=max_messages,
        max_seconds=max_seconds,
    )
    most = settings.cosmos_request_units
    if most is not None and feed_range is not None and contract.container is not None:
        most /= len(ranges_of(settings, dataset, contract.container, lake))
    begun, units = time.monotonic(), RequestUnits(math.inf if most is None else most)
    sources = sources_of(settings, contract, lake, start=start, anew=from_beginning, feed_range=feed_range, units=units)
    landed = asyncio.run(
        _land(settings, contract, lake, sources, bounds, signals=stop_on_signals, reached=reached, progress=progress)
    )
    totals = lake.totals(dataset)
    return Account(
        dataset,
        landed=landed.rows,
        pending=totals.pending,
        raw_version=totals.raw_version if landed.raw_version is None else landed.raw_version,
        curated_version=totals.curated_version,
        seconds=time.monotonic() - begun,
        lost=sum(map(len, landed.lost)),
        request_units=units.used,
        request_units_used_up=units.have_ended_a_run,
    )


async def _land(
    settings: Settings,
    contract: Contract,
    lake: DeltaLake,
    sources: Sequence[Source],
    bounds: Bounds,
    *,
    signals: bool,
    reached: Reached,
    progress: Progress | None,
) -> Landed:
    from ingest import envelope, steps

    keys = keys_of(settings)
    steps.screen_of(contract, lake, keys, envelope.opened)  # whoever cannot keep an erased person out takes nothing
    stop = asyncio.Event()
    with stopping(stop) if signals else contextlib.nullcontext():
        return await steps.land(
            contract,
            sources,
            lake,
            events=envelope.events,
            bounds=bounds,
            stop=stop,
            reached=reached,
            progress=progress,
            screened=lambda rows: steps.screen_of(contract, lake, keys, envelope.opened).emptied(rows),
        )

"""Whether a stream is still the one that was landed: its message at the stored position against raw's row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pyarrow as pa
import structlog

from ingest.errors import SourceReplaced
from ingest.model.delivery import REPLACED, Window
from ingest.model.erasure import ERASED
from ingest.model.ports import Lake, Source

__all__ = ["is_replaced", "unreplaced"]

_COMPARED = ("source", "routing_key", "content_type", "content_encoding", "body")
"""As received. Ids, types and times are read by envelopes, and those may be read better one day."""

_log = structlog.get_logger(__name__)


async def unreplaced(
    dataset: str, source: Source, lake: Lake, after: int | None, rows_of: Callable[[Window], pa.Table]
) -> None:
    """Pass when the message at the stored position is the one that was landed, or when there is nothing to compare.

    Raises:
        SourceReplaced: it is another one, or the source ends before it.
    """
    delivery = await source.read_back(after)
    if delivery is None or delivery.position is None:
        return
    landed = await asyncio.to_thread(lake.landed_at, dataset, delivery.position)
    now = await asyncio.to_thread(rows_of, Window([delivery], _kept))
    if _content(landed) & _content(now):
        return
    if any(row["operation"] == ERASED and row["source"] == delivery.source for row in landed.to_pylist()):
        _log.warning("the last message landed was erased: whether the stream is the same one cannot be told")
        return
    there = "another message than the one that was landed" if landed.num_rows else "a message that raw does not have"
    raise SourceReplaced(
        f"{delivery.source} has {there} at offset {delivery.position}: the stream was deleted and made again",
        remedy=REPLACED,
    )


async def _kept() -> None:
    """Nothing is acknowledged by looking."""


def _content(rows: pa.Table) -> set[tuple[object, ...]]:
    return {tuple(row.values()) for row in rows.select(_COMPARED).to_pylist()}


async def is_replaced(dataset: str, source: Source, lake: Lake, rows_of: Callable[[Window], pa.Table]) -> bool:
    """Whether `land` would raise `SourceReplaced` of this source."""
    async with source:
        after = await asyncio.to_thread(lake.position, dataset, source.application)
        try:
            await unreplaced(dataset, source, lake, after, rows_of)
        except SourceReplaced:
            return True
    return False

"""What the lake pins: rows as of one version of curated, and the writes that go on top of that version or nowhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol

import pyarrow as pa

from ingest.model.points import Reached

__all__ = ["AccountOf", "PinnedChunk", "PinnedDate", "PinnedErasure", "PinnedItems"]

AccountOf = Callable[[int, Mapping[str, int], Mapping[str, int]], Mapping[str, Any]]
"""The account of rows that are erased: signed rows of curated; duplicates and erased by event date (ISO)."""


class PinnedChunk(Protocol):
    """A chunk of quarantine, read as of one version of curated.

    `rows`: `tables.QUARANTINE` in (`window`, `row`) order; `there`: which of them curated holds by `window` and
    `row` already; `position`: the raw version that curated has been read to.
    """

    rows: pa.Table
    there: pa.Array
    position: int

    def narrow(self, kept: pa.Array) -> None:
        """Go on with these of the rows (boolean): the others stay as they are, whatever follows."""
        ...

    def move(
        self, rows: pa.Table, gone: pa.Table, account: Mapping[str, Any], recorded: Callable[[], None]
    ) -> tuple[int, int]:
        """Append `rows` to curated, after recording which rows leave quarantine; (number, curated's version).

        Raises `Overtaken` when curated has changed since it was read: nothing was moved then.
        """
        ...

    def remove(self, number: int, kept: pa.Table) -> None:
        """Take the rows that move `number` recorded out of quarantine; `kept` get their new verdicts."""
        ...

    def rewrite(self, gone: pa.Table, kept: pa.Table) -> None:
        """Without a move: take `gone` out of quarantine, which curated holds; `kept` get their new verdicts."""
        ...


class PinnedErasure(Protocol):
    """Rows of erased people that curate has read, as of one version of curated.

    `rows`: `tables.RECOGNISED`, of raw; `curated` and `quarantined` of them stand there. `position` as in `PinnedDate`.
    """

    rows: pa.Table
    curated: int
    quarantined: int
    position: int

    def publish(self, account: AccountOf, reached: Reached) -> None:
        """Take them out of curated and quarantine, with the account in each commit.

        Raises `Overtaken` when curated has changed since: what was committed till then is accounted for.
        """
        ...


class PinnedDate(Protocol):
    """One event date, read as of one version of curated; its writes go on top of that version or nowhere.

    `position` is the raw version that curated has been read to, `raw_bytes` the size of raw's files of the date;
    `duplicates` and `erased` count those that the accounts tell of it. What is read comes batch by batch, in no order.
    Writes raise `CommitFailed` when another commit came first.
    """

    position: int
    raw_bytes: int
    duplicates: int
    erased: int

    def windows(self) -> Mapping[str, int]:
        """The windows of which raw holds rows of the date up to the position, and how many."""
        ...

    def read_raw(self, but_for: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Raw's rows of the date up to the position, `tables.RAW`, without those of the windows `but_for`."""
        ...

    def curated(self) -> Iterator[pa.RecordBatch]:
        """Curated's rows of the date."""
        ...

    def quarantine(self) -> Iterator[pa.RecordBatch]:
        """Quarantine's rows of the date, those of batches under way left out."""
        ...

    def neighbours(self) -> Iterator[pa.RecordBatch]:
        """`tables.KEYS` of what curated holds within `dedupe_days` of the date, under other dates."""
        ...

    def known(self, keys: pa.Table, among: Iterable[pa.RecordBatch]) -> pa.Array:
        """For each of `keys`: is it one of `among`, which are all its neighbours, within `dedupe_days`?"""
        ...

    def write_quarantine(self, rows: pa.RecordBatchReader) -> None:
        """Replace the date's quarantine rows of batches up to the position."""
        ...

    def write_curated(self, rows: pa.RecordBatchReader, account: Mapping[str, Any]) -> int:
        """Replace the date's curated rows, with the account in the same commit; returns curated's version."""
        ...


class PinnedItems(Protocol):
    """The items of a container and the deleted ones, with their history as of one version.

    `schema` is the history's. `is_settled`: they have all of it. `anew`: more than appends happened to it, so that
    both have to be made anew. Writes raise `CommitFailed` when another commit came first.
    """

    schema: pa.Schema
    is_settled: bool
    anew: bool

    def history(self) -> Iterator[pa.RecordBatch]:
        """The changes that the items lack, all of them when `anew`, in no order."""
        ...

    def merge(self, rows: pa.Table, reached: Reached) -> None:
        """Bring in the changes `rows`, one of an item, where they are newer than what stands there."""
        ...

    def settle(self) -> None:
        """Keep how much of the history the items have."""
        ...

    def replace(
        self, items: Iterable[pa.RecordBatch], deleted: Callable[[], Iterable[pa.RecordBatch]], reached: Reached
    ) -> None:
        """Put `items` and then `deleted`, `tables.DELETED`, which is asked for after the last item, in their place."""
        ...

"""The ports: what the steps ask of the world. Adapters in `sources`, `decode`, `validate`, `lake` answer."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

import pyarrow as pa

from ingest.model.account import Account
from ingest.model.arrived import Arrived
from ingest.model.contract import Column, Contract
from ingest.model.delivery import Bounds, Delivery, Lost, Window
from ingest.model.erasure import Erasure, Searched
from ingest.model.loss import Loss
from ingest.model.pinned import AccountOf, PinnedChunk, PinnedDate, PinnedErasure, PinnedItems
from ingest.model.replay import Chunk
from ingest.model.token_lake import TokenLake
from ingest.model.upkeep import Compacted, Vacuumed
from ingest.model.verdict import Decoded, Judged

__all__ = [
    "AccountOf",
    "Batch",
    "Decode",
    "Events",
    "Lake",
    "Open",
    "Opened",
    "PinnedChunk",
    "PinnedDate",
    "PinnedErasure",
    "PinnedItems",
    "Source",
    "TokenSource",
    "Totals",
    "Validator",
]


class Source(Protocol):
    """Deliveries in windows. Entering connects, leaving gives back whatever was not acknowledged.

    `application` names the position in raw's log (`land:<queue>`). Raises `SourceUnavailable` when the
    broker cannot be reached or vanishes, `TopologyError` when the queue is not what the contract says.
    """

    application: str

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def ready(self, after: int | None = None) -> int | None:
        """How many messages wait right now; of a stream, how many it has beyond the position `after`.

        Null: it cannot be told, and the source ends by itself when there is nothing new.
        """
        ...

    async def read_back(self, after: int | None) -> Delivery | None:
        """What stands at the stored position, to be compared with what raw has of it.

        Null where there is nothing to compare: no position, or it is gone from the source, or the source is a queue.
        Raises `SourceReplaced` when the source ends before it.
        """
        ...

    def windows(self, bounds: Bounds, after: int | None, stop: asyncio.Event) -> AsyncIterator[Window]:
        """Windows until `bounds` end the run or `stop` is set; a window under way is then yielded as it is.

        `after` is the stored position to go on from; it means nothing to a queue, which remembers by itself.
        """
        ...


@runtime_checkable
class TokenSource(Source, Protocol):
    """A source whose position is no number but bytes of its own, which each of its windows carries.

    The lake keeps them; the application transaction is the number of the token that raw was committed with. The first
    window of all has no deliveries: a large one is committed in parts, all but the last with the token before it.
    """

    def resume(self, token: bytes | None) -> None:
        """Go on after this token, from the start where there is none; said before anything is read.

        Raises `SourceReplaced` or `LakeUnavailable` for a token that is none of this source.
        """
        ...


Events = Callable[[Arrived, Contract], Iterator[pa.Table]]
"""Deliveries → the events in them, `tables.EVENTS`, piece by piece in their order. Pure; never raises on content.

Pieces end where deliveries end, and are bounded: a compressed batch of events is larger than what arrived.
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """Rows of raw (n) with their payloads as `body`, `content_type` and `content_encoding`.

    `reason` and `detail` (n, text) say why a row's payload could not be taken out, null where it was: then the body is
    as far as it could be read.
    """

    rows: pa.Table
    reason: pa.Array
    detail: pa.Array


Open = Callable[[pa.Table], Iterator[Opened]]
"""Raw rows → the same rows opened, piece by piece in their order. Pure; never raises on content."""


class Decode(Protocol):
    """Raw rows (`tables.RAW`) → typed rows and rejects. Pure; never raises on content."""

    def __call__(self, raw: pa.Table, contract: Contract, /) -> Decoded:
        """The payload of each row as the contract's columns, or why it is none."""
        ...

    @property
    def opened(self) -> Open:
        """How the payloads are taken out."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """A fixed range (`after`, `until`] of raw versions under one contract: the unit of curate.

    `recorded` is true once it stands in the lake under `after`: from then on every worker and every
    restart finishes this very batch.
    """

    dataset: str
    after: int
    until: int
    digest: str
    accepted: bool = False
    recorded: bool = False


class Validator(Protocol):
    """The suite's judgement."""

    def prepare(self) -> None:
        """Load what `rows` and `page` need, which takes seconds; may be called beside the others, from any thread."""
        ...

    def doubtful(self, rows: pa.Table, contract: Contract) -> pa.Array:
        """For each decoded row: may `rows` reject it? True for all that it will reject. Cheap, and without a report."""
        ...

    def rows(self, rows: pa.Table, contract: Contract) -> Judged:
        """A verdict for each decoded row, and GX's report over all of them."""
        ...

    def page(self, report: Mapping[str, Any], contract: Contract, batch: Batch) -> str:
        """The report of a batch as HTML."""
        ...

    def whole(self, rows: pa.Table, contract: Contract) -> Mapping[str, int]:
        """Table-level expectations that the valid, unique rows of a batch break: name → 0."""
        ...


@dataclass(frozen=True, slots=True)
class Totals:
    """Rows per table, as of one look: the account `holds` when raw is all that is `accounted` for."""

    raw: int
    curated: int
    quarantined: int
    duplicates: int
    pending: int
    raw_version: int
    curated_version: int
    unknown_date: int
    erased: int = 0

    @property
    def accounted(self) -> int:
        """Rows that are curated, quarantined, counted as duplicates or as erased, or pending."""
        return self.curated + self.quarantined + self.duplicates + self.pending + self.erased

    @property
    def holds(self) -> bool:
        """Invariant 2: no row is missing and none is doubled."""
        return self.raw == self.accounted


class Lake(TokenLake, Protocol):
    """The lake as the steps see it. Every write is idempotent under the commit protocol.

    Raises `LakeUnavailable` and `CommitFailed` (transient), `SchemaMismatch` (terminal).
    """

    def prepare(self, contract: Contract) -> None:
        """Create the dataset's tables where absent and keep the contract under its digest.

        The curated table gains the nullable columns that the contract has more, in place.
        """
        ...

    def position(self, dataset: str, application: str) -> int | None:
        """The application transaction's last number in raw, or null."""
        ...

    def append_raw(
        self,
        dataset: str,
        rows: pa.Table,
        *,
        window: str,
        application: str,
        position: int | None,
        tried: bool = False,
    ) -> int:
        """Commit one window to raw; returns raw's version. `tried`: an earlier call may have committed it.

        Raises `Overtaken` when another land of the same stream has committed a part of it.
        """
        ...

    def landed_at(self, dataset: str, position: int) -> pa.Table:
        """The rows that raw has of a position, `tables.RAW`, whichever stream or container it is one of."""
        ...

    def record_loss(self, dataset: str, application: str, lost: Lost) -> None:
        """Remember that a range was gone from the source. It may be recorded again, and grow."""
        ...

    def losses(self, dataset: str) -> list[Loss]:
        """Every range that was gone when land came to it, oldest first."""
        ...

    def next_batch(
        self, contract: Contract, *, max_rows: int, max_bytes: int, after: int | None = None
    ) -> Batch | None:
        """The batch that stands recorded after curated's position, else a new one; null when all is read.

        With `after` the one that follows when curated has been read to there.
        """
        ...

    def fits(self, contract: Contract, *, older: bool = False, widened: bool = False) -> None:
        """Raise `SchemaMismatch` unless the curated table has the contract's columns, or gains them in place.

        `older`: the contract is one that the table may have outgrown since. `widened`: the table may still need
        `widen`.
        """
        ...

    def widen(self, contract: Contract, account: Mapping[str, Any]) -> None:
        """Rewrite the curated table to wider types where the contract has them, in one commit that tells `account`.

        Raises `SchemaMismatch` when a value does not fit its new type; nothing was changed then.
        """
        ...

    def learned(self, contract: Contract) -> Contract:
        """The contract with the columns that curated has learned beyond it."""
        ...

    def learn(self, contract: Contract, columns: Sequence[Column]) -> Contract:
        """Give curated these columns; returns the contract with all that curated has learned then."""
        ...

    def curated_until(self, dataset: str) -> int:
        """The raw version that curated has been read to."""
        ...

    def contract_text(self, dataset: str, digest: str) -> tuple[str, str]:
        """Contract and suite documents that were kept under `digest`."""
        ...

    def erasures(self, dataset: str) -> list[Erasure]:
        """Everybody who was erased from the dataset."""
        ...

    def store_erasure(self, dataset: str, erasure: Erasure) -> None:
        """Remember somebody, before anything of them is removed."""
        ...

    def fence(self, dataset: str, account: Mapping[str, Any]) -> None:
        """Commit an account of no rows to curated: what was judged before it is judged again."""
        ...

    def pin_erasure(self, dataset: str, recognise: Callable[[pa.Table], pa.Table]) -> PinnedErasure:
        """Read raw up to curated's position and find the rows that `recognise` gives as `tables.RECOGNISED`."""
        ...

    def empty_raw(self, dataset: str, rows: pa.Table) -> None:
        """Take the content of these rows away."""
        ...

    def prove(
        self, dataset: str, value: str, column: Column, others: Sequence[str], *, opened: Open, nobody_is_active: bool
    ) -> Searched:
        """Search every byte, payloads too, for the value and what stands for it; remove what is needed no more."""
        ...

    def read_raw(self, batch: Batch) -> Iterator[pa.Table]:
        """The batch's inserts, `tables.RAW`, piece by piece, in no order."""
        ...

    def known(self, dataset: str, keys: pa.Table, *, dedupe_days: int) -> pa.ChunkedArray | pa.Array:
        """For each of `keys` (`source`, `event_id`, `event_date`): is it in curated within `dedupe_days`?"""
        ...

    def record_batch(self, batch: Batch) -> Batch:
        """Put the batch under its `after` if nothing stands there; returns what stands there now."""
        ...

    def write_quarantine(self, batch: Batch, rows: pa.Table) -> None:
        """Replace the batch's quarantine rows."""
        ...

    def curated_version(self, dataset: str) -> int:
        """Curated's newest version."""
        ...

    def write_curated(
        self, batch: Batch, rows: pa.Table, account: Mapping[str, Any], *, seen: int | None = None
    ) -> int:
        """Append the batch's rows, the point of truth; returns curated's version.

        Raises `Overtaken` when another verb has published since the version `seen`.
        """
        ...

    def replay_chunks(self, dataset: str, *, max_rows: int, max_bytes: int) -> list[Chunk]:
        """What stands in quarantine, in chunks of whole windows within both limits, oldest first."""
        ...

    def pin_chunk(self, chunk: Chunk) -> PinnedChunk:
        """Read a chunk as of one version of curated."""
        ...

    def finish_replay(self, dataset: str) -> int:
        """Take out of quarantine what a killed replay has moved; returns how many rows."""
        ...

    def write_accounts(self, dataset: str) -> None:
        """Write the account rows that curated's log holds and `accounts` does not yet."""
        ...

    def pin(self, contract: Contract, date: dt.date) -> PinnedDate:
        """Pin one event date for a rebuild."""
        ...

    def pin_items(self, dataset: str, *, anew: bool = False) -> PinnedItems:
        """Pin the items of a container, the deleted ones and their history; `anew`: to make both from all of it."""
        ...

    def item_key(self, dataset: str) -> str | None:
        """The `key` of some item of the container; null while it has none, and had none that was deleted."""
        ...

    def write_report(self, batch: Batch, report: Mapping[str, Any], page: str) -> str:
        """Keep the validation report of a batch as JSON and as HTML; returns where the page is."""
        ...

    def totals(self, dataset: str) -> Totals:
        """Rows per table."""
        ...

    def last_account(self, dataset: str) -> Account | None:
        """The account of the newest batch, or null."""
        ...

    def stages(self, dataset: str) -> tuple[str, ...]:
        """The names of the dataset's tables, as `compact` and `vacuum` take them."""
        ...

    def compact(self, dataset: str, table: str, *, dry_run: bool) -> Compacted:
        """Rewrite the table's partitions that have several small files."""
        ...

    def vacuum(self, dataset: str, table: str, *, hours: int, dry_run: bool) -> Vacuumed:
        """Remove the table's files older than `hours` that no version and no reader by version needs."""
        ...

"""Batches of raw without the rows of erased people, decoded: the next one while this one is judged and published.

What was read ahead counts only if nothing has changed since: the same range, contract and screen. Else it is read
again, so that it saves time and decides nothing. It writes nothing, and an error of it is met again by who reads then.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from ingest.errors import LakepostError
from ingest.model.contract import Contract
from ingest.model.ports import Batch, Decode, Lake, Validator
from ingest.steps.reading import Read, read_batch
from ingest.steps.screen import Screen, by_date

if TYPE_CHECKING:
    from ingest.steps.limits import Limits

__all__ = ["Sifted", "Sifting"]


@dataclass(frozen=True, slots=True)
class Sifted:
    """What was read of `batch` under `contract`; `erased` counts the rows that `screen` took out, by event date."""

    batch: Batch
    contract: Contract
    screen: Screen
    read: Read
    erased: Mapping[dt.date, int]


class _Stopped(Exception):
    """Nobody wants any more what is read ahead."""


class Sifting:
    """Reads batches for one run of curate; with `limits` also ahead. A context: leaving it ends what is under way."""

    def __init__(self, lake: Lake, decode: Decode, validator: Validator, limits: Limits | None = None) -> None:
        self.lake, self.decode, self.validator = lake, decode, validator
        self._limits = limits
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="ahead")
        self._ahead: Future[Sifted | None] | None = None
        self._left = threading.Event()
        self._prepared = False

    def __enter__(self) -> Self:
        """Nothing is begun yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what is under way."""
        self._left.set()
        self._threads.shutdown()

    def foreseen(self, batch: Batch | None) -> Batch | None:
        """The batch to do: where `batch` is new, the one that was read ahead, which may end before newer windows."""
        ahead = self._known()
        if batch is None or ahead is None or batch.recorded:
            return batch
        same = (ahead.batch.after, ahead.batch.digest) == (batch.after, batch.digest)
        return ahead.batch if same else batch

    def sifted(self, batch: Batch, contract: Contract, screen: Screen) -> Sifted:
        """The batch, read ahead or now; the suite is made ready meanwhile."""
        if not self._prepared:
            self._threads.submit(self.validator.prepare)
            self._prepared = True
        ahead, self._ahead = self._known(), None
        new = dataclasses.replace(batch, accepted=False, recorded=False)
        if ahead is not None and (ahead.batch, ahead.contract, ahead.screen) == (new, contract, screen):
            return ahead
        del ahead  # before this one takes memory
        return self._read(batch, contract, screen)

    def begin_next(self, sifted: Sifted) -> None:
        """Read ahead what follows."""
        if self._limits is not None:
            self._ahead = self._threads.submit(self._next, sifted.batch, sifted.contract, sifted.screen, self._limits)

    def _known(self) -> Sifted | None:
        if self._ahead is None:
            return None
        try:
            return self._ahead.result()
        except LakepostError:
            return None

    def _next(self, batch: Batch, contract: Contract, screen: Screen, limits: Limits) -> Sifted | None:
        following = self.lake.next_batch(contract, max_rows=limits.rows, max_bytes=limits.bytes, after=batch.until)
        if following is None or following.digest != contract.digest:
            return None
        return self._read(dataclasses.replace(following, accepted=False, recorded=False), contract, screen)

    def _read(self, batch: Batch, contract: Contract, screen: Screen) -> Sifted:
        erased: Counter[dt.date] = Counter()

        def others() -> Iterator[pa.Table]:
            for piece in self.lake.read_raw(batch):
                if self._left.is_set():
                    raise _Stopped
                rows, gone = screen.parted(piece)
                erased.update(by_date(gone))
                if rows.num_rows:
                    yield rows

        return Sifted(batch, contract, screen, read_batch(others(), contract, self.decode, self.validator), erased)

"""A date's rows of raw, each judged by itself: the costly part of a rebuild, kept from one attempt to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from ingest.model.batches import gathered
from ingest.model.contract import Contract
from ingest.model.keys import Keys
from ingest.model.ports import Decode, PinnedDate, Validator
from ingest.model.tables import QUARANTINE, RAW, ROW_ORDER, curated_schema, occurrences
from ingest.steps.dead_letters import PuttingAside, Waiting, waiting_in
from ingest.steps.limits import Limits
from ingest.steps.screen import Screen
from ingest.steps.spill import Slotted
from ingest.steps.verdicts import stamped, weigh

__all__ = ["Weighing"]

_NAMED = pa.schema([RAW.field(name) for name in ("window", "row", "event_id")])


class Weighing:
    """`valid` rows as curated would have them, duplicates included, and `rejected` ones as quarantine would.

    `erased` are rows of people who were erased, set aside.
    """

    def __init__(
        self, contract: Contract, decode: Decode, validator: Validator, keys: Keys, *, limits: Limits, folder: Path
    ) -> None:
        self.keys, self.opened = keys, decode.opened
        self._contract, self._validator = contract, validator
        self._decode = PuttingAside(decode, self._waits)
        self._pinned: PinnedDate | None = None
        self._screen: Screen | None = None
        self._waiting: Waiting | None = None  # null until a dead letter was seen
        self._limits, self._folder = limits, folder
        self._windows: Mapping[str, int] = {}
        self._empty()

    def _empty(self) -> None:
        self.valid = Slotted(curated_schema(self._contract), self._folder, self._limits)
        self.rejected = Slotted(QUARANTINE, self._folder, self._limits)
        self.erased = Slotted(_NAMED, self._folder, self._limits)

    def read(self, pinned: PinnedDate, screen: Screen) -> None:
        """Weigh the windows that `pinned` has and that were not weighed before.

        All of them, where rows were taken away, `screen` knows somebody more, or dead letters were replayed meanwhile.
        """
        self._pinned = pinned
        moved = self._waiting is not None and self._waiting != waiting_in(pinned.quarantine())
        if self._screen != screen or moved:
            self._screen, self._waiting, self._windows = screen, None, {}
            self._empty()
        windows = pinned.windows() if self._windows else None
        if windows is not None and any(windows.get(name) != rows for name, rows in self._windows.items()):
            windows, self._windows = None, {}
            self._empty()
        if windows == self._windows:
            return
        read: Counter[str] = Counter(self._windows)
        for raw in gathered(pinned.read_raw(self._windows), rows=self._limits.rows, size=self._limits.bytes):
            read.update(occurrences(raw["window"]))
            rows, erased = screen.parted(raw.combine_chunks().sort_by(ROW_ORDER))
            self.erased.add(erased.select(_NAMED.names))
            self._weigh(rows)
        self._windows = read

    def _waits(self) -> Waiting:
        """The dead letters of the date that nobody has replayed."""
        if self._waiting is None:
            self._waiting = waiting_in(self._pinned.quarantine()) if self._pinned is not None else frozenset()
        return self._waiting

    def _weigh(self, raw: pa.Table) -> None:
        weighed = weigh(raw, self._contract, self._decode, self._validator)
        valid, rejected = stamped(weighed, raw, self._contract, batch=0, keys=self.keys)
        self.valid.add(valid)
        self.rejected.add(rejected)

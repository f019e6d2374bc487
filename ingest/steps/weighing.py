"""A date's rows of raw, each judged by itself: the costly part of a rebuild, kept from one attempt to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ingest.model.contract import Contract
from ingest.model.ports import Decode, PinnedDate, Validator
from ingest.model.tables import QUARANTINE, curated_schema
from ingest.steps.curate import Limits
from ingest.steps.spill import Slotted, groups
from ingest.steps.verdicts import stamped, weigh

__all__ = ["Weighing"]

_ORDER = [("window", "ascending"), ("row", "ascending")]


class Weighing:
    """`valid` rows as curated would have them, duplicates included, and `rejected` ones as quarantine would."""

    def __init__(
        self, contract: Contract, decode: Decode, validator: Validator, *, limits: Limits, folder: Path
    ) -> None:
        self._contract, self._decode, self._validator = contract, decode, validator
        self._limits, self._folder = limits, folder
        self._windows: Mapping[str, int] = {}
        self._empty()

    def _empty(self) -> None:
        self.valid = Slotted(curated_schema(self._contract), self._folder, self._limits)
        self.rejected = Slotted(QUARANTINE, self._folder, self._limits)

    def read(self, pinned: PinnedDate) -> None:
        """Weigh the windows that `pinned` has and that were not weighed before; all, where rows were taken away."""
        windows = pinned.windows() if self._windows else None
        if windows is not None and any(windows.get(name) != rows for name, rows in self._windows.items()):
            windows, self._windows = None, {}
            self._empty()
        if windows == self._windows:
            return
        read: Counter[str] = Counter(self._windows)
        for raw in groups(pinned.read_raw(self._windows), self._limits):
            read.update({one["values"]: one["counts"] for one in pc.value_counts(raw["window"]).to_pylist()})
            self._weigh(raw.combine_chunks().sort_by(_ORDER))
        self._windows = read

    def _weigh(self, raw: pa.Table) -> None:
        weighed = weigh(raw, self._contract, self._decode, self._validator)
        valid, rejected = stamped(weighed, raw, self._contract, batch=0)
        self.valid.add(valid)
        self.rejected.add(rejected)

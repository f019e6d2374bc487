"""Rows put aside, in memory while they are few and in files of a folder beyond that.

Rows may be put aside in slots, by a hash of their event's id, or their item's key: all rows of one event share a
slot, so that a few slots at a time can be deduplicated and compared by themselves.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingest.errors import TransientError
from ingest.steps.limits import Limits

__all__ = ["SLOTS", "Sieve", "Slotted", "Spill", "shares"]

SLOTS = 256
"""A table of more than this many times the limit is no longer held within it."""

_SIEVE_BITS = 29
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


class Spill:
    """Rows of one schema in the order in which they came; files of `folder` hold what is beyond `limits`."""

    def __init__(self, schema: pa.Schema, folder: Path, limits: Limits) -> None:
        self.schema = schema
        self._folder, self._limits = folder, limits
        self._waiting: list[pa.Table] = []
        self._files: list[Path] = []
        self.rows = self.bytes = 0
        self._waiting_rows = self._waiting_bytes = 0

    @property
    def is_in_memory(self) -> bool:
        """Whether no file was written."""
        return not self._files

    def add(self, rows: pa.Table) -> None:
        """Put `rows` aside."""
        if rows.num_rows == 0:
            return
        count, size = rows.num_rows, rows.nbytes
        if self._waiting and (
            self._waiting_rows + count > self._limits.rows or self._waiting_bytes + size > self._limits.bytes
        ):
            self.spill()
        self._waiting.append(rows)
        self._waiting_rows, self._waiting_bytes = self._waiting_rows + count, self._waiting_bytes + size
        self.rows, self.bytes = self.rows + count, self.bytes + size

    def spill(self) -> None:
        """Write what is in memory to a file.

        Raises:
            TransientError: the folder is full, or gone.
        """
        if not self._waiting:
            return
        path = self._folder / f"{uuid.uuid4().hex}.arrow"
        try:
            with pa.ipc.new_file(path, self.schema, options=_COMPRESSED) as file:
                for batch in self._laid_out(pa.concat_tables(self._waiting)):
                    file.write_batch(batch)
        except OSError as error:
            raise TransientError(
                f"rows that exceed memory could not be put aside in {self._folder}: {error}",
                remedy="make room there, or let TMPDIR name a folder that has it, and run again",
            ) from error
        self._files.append(path)
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0

    def _laid_out(self, rows: pa.Table) -> Iterable[pa.RecordBatch]:
        yield from rows.to_batches()

    def batches(self, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows, or the columns `names` of them."""
        chosen = None if names is None else [self.schema.get_field_index(name) for name in names]
        options = pa.ipc.IpcReadOptions(included_fields=chosen)
        for path in self._files:
            with pa.memory_map(str(path)) as source:
                file = pa.ipc.open_file(source, options=options)
                for number in range(file.num_record_batches):
                    yield file.get_batch(number)
        for rows in self._waiting:
            yield from (rows if names is None else rows.select(names)).to_batches()


class Slotted(Spill):
    """Rows with the column `by`, none of it null, put aside so that a range of slots can be read alone."""

    def __init__(self, schema: pa.Schema, folder: Path, limits: Limits, *, by: str = "event_id") -> None:
        super().__init__(schema, folder, limits)
        self._by = by
        self.rows_by_slot = np.zeros(SLOTS, np.int64)

    def _laid_out(self, rows: pa.Table) -> Iterable[pa.RecordBatch]:
        """One batch for each slot, in their order."""
        slots = hashes(rows[self._by]) % SLOTS
        counts = np.bincount(slots, minlength=SLOTS)
        self.rows_by_slot += counts
        laid = rows.take(pa.array(np.argsort(slots, kind="stable")))
        for start, end in pairwise([0, *np.cumsum(counts).tolist()]):
            found = laid.slice(start, end - start).combine_chunks().to_batches()
            yield found[0] if found else pa.RecordBatch.from_pylist([], schema=self.schema)

    def read(self, slots: range | None) -> pa.Table:
        """The rows of `slots`, or all; of some slots only where nothing waits in memory."""
        if slots is None:
            return pa.Table.from_batches(self.batches(), schema=self.schema)
        found = []
        for path in self._files:
            with pa.memory_map(str(path)) as source:
                file = pa.ipc.open_file(source)
                found += [file.get_batch(number) for number in slots]
        return pa.Table.from_batches(found, schema=self.schema)


class Sieve:
    """Lets through every event id that was added, and of others about one in twenty at 30 million: 64 MB."""

    def __init__(self) -> None:
        self._bits = np.zeros(1 << (_SIEVE_BITS - 3), np.uint8)

    def add(self, event_ids: pa.Array) -> None:
        """Let these through from now on."""
        place, bit = self._places(event_ids)
        np.bitwise_or.at(self._bits, place, bit)

    def passes(self, event_ids: pa.Array) -> pa.Array:
        """For each of `event_ids`: false means that it was never added."""
        place, bit = self._places(event_ids)
        return pa.array((self._bits[place] & bit) != 0)

    @staticmethod
    def _places(event_ids: pa.Array) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
        number = hashes(event_ids) >> np.uint32(32 - _SIEVE_BITS)
        return number >> np.uint32(3), (np.uint32(1) << (number & np.uint32(7))).astype(np.uint8)


def hashes(ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.uint32]:
    """CRC-32 of each id's bytes."""
    return np.fromiter(map(zlib.crc32, ids.cast(pa.binary()).to_pylist()), np.uint32, len(ids))


def shares(stores: Sequence[Slotted], limits: Limits) -> list[range | None]:
    """Ranges of slots whose rows in all `stores` are within the limits together; null alone: all is in memory."""
    if all(store.is_in_memory for store in stores):
        return [None]
    for store in stores:
        store.spill()
    rows = sum(store.rows_by_slot for store in stores)
    size = sum(store.rows_by_slot * (store.bytes / max(store.rows, 1)) for store in stores)
    filled = np.maximum(np.cumsum(rows) / limits.rows, np.cumsum(size) / limits.bytes)
    bounds = [0, *(np.flatnonzero(np.diff(np.floor(filled))) + 1).tolist(), SLOTS]
    return [range(low, high) for low, high in pairwise(bounds) if low < high]

"""What raw knows of a source with positions: the rows at one, and what was gone when land came to it."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pyarrow as pa

from ingest.lake import paths
from ingest.lake.commit import open_table, scan
from ingest.lake.places import Places, as_json, storage_errors
from ingest.model.delivery import Lost
from ingest.model.loss import Loss
from ingest.model.tables import RAW

__all__ = ["Offsets"]


class Offsets(Places):
    """Implements what `ports.Lake` says of positions and losses."""

    def landed_at(self, dataset: str, position: int) -> pa.Table:
        """The rows that raw has of a position, `tables.RAW`, whichever stream or container it is one of."""
        with storage_errors():
            found = scan(open_table(self.uri("raw", dataset)), RAW, f"position = {position}")
            return pa.Table.from_batches(found, RAW)

    def record_loss(self, dataset: str, application: str, lost: Lost) -> None:
        """Remember that a range was gone from the source. It may be recorded again, and grow."""
        stream = application.removeprefix("land:")
        loss = Loss(stream, lost.first, lost.last, dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))
        self.storage.put(paths.loss(dataset, stream, lost.first), as_json(dataclasses.asdict(loss)))

    def losses(self, dataset: str) -> list[Loss]:
        """Every range that was gone when land came to it, oldest first."""
        files = self.storage.files(paths.lost(dataset))
        found = [Loss(**entry) for path in files if (entry := self.read(path)) is not None]
        return sorted(found, key=lambda loss: (loss.found_at, loss.stream, loss.first))

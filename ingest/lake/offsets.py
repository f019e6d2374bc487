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

    def name_of(self, dataset: str, queue: str) -> str:
        """The name of a stream in raw: its own, and with `@1` and so on for those that were made again under it."""
        number = len(self.storage.files(paths.adopted(dataset, queue)))
        return f"{queue}@{number}" if number else queue

    def adopt(self, dataset: str, queue: str) -> None:
        """The stream of that name is another one from now on: it has no position, and its messages are new events."""
        number = len(self.storage.files(paths.adopted(dataset, queue))) + 1
        told = {"adopted_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")}
        self.storage.put_if_absent(f"{paths.adopted(dataset, queue)}/{number:020d}.json", as_json(told))

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

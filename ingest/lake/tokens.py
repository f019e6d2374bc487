"""The tokens of sources whose position is no number: files beside the tables, each inert until raw's log names it.

Beside them what such a source has missed, and which items raw knows of it.

A token is put, if absent, under the next free number before the commit of raw whose application transaction is that
number. A run that is killed between the two leaves a token that nobody names: the next run takes the number after it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from ingest.errors import LakeUnavailable
from ingest.lake import known, paths, raw
from ingest.lake.commit import open_table
from ingest.lake.places import Places, as_json, storage_errors
from ingest.model.container import FeedRange
from ingest.model.gap import Gap

__all__ = ["Tokens"]


class Tokens(Places):
    """Implements what `ports.Lake` says of tokens."""

    def feed_ranges(self, dataset: str, container: str, choose: Callable[[], Sequence[FeedRange]]) -> list[FeedRange]:
        """The ranges that a container is read by: as somebody chose them before, else as `choose` does now.

        They stay: who read by others would have no token of them, and begin anew.
        """
        path = paths.feed_ranges(dataset, container)
        if (known := self.read(path)) is None:
            content = {"ranges": [dataclasses.asdict(one) for one in choose()]}
            self.storage.put_if_absent(path, as_json(content))
            known = self.read(path) or content
        return [FeedRange(**one) for one in known["ranges"]]

    def token(self, dataset: str, application: str, number: int) -> bytes:
        """The token that raw was committed with.

        Raises:
            LakeUnavailable: it is gone.
        """
        path = paths.token(dataset, application, number)
        found = self.storage.get(path)
        if found is None:
            raise LakeUnavailable(f"{path} is gone from the lake, and raw goes on from it", remedy="restore that file")
        return found

    def keep_token(self, dataset: str, application: str, token: bytes, *, after: int | None) -> int:
        """Keep a token under the next free number beyond `after`, which is returned."""
        for number in itertools.count(0 if after is None else after + 1):
            if self.storage.put_if_absent(paths.token(dataset, application, number), token):
                return number
        raise AssertionError("unreachable: numbers do not end")

    def sweep_tokens(self, dataset: str, application: str, before: int) -> None:
        """Remove the tokens below that number. A run that still has one of them in hand is told `Overtaken`."""
        named = paths.token(dataset, application, before)
        for path in self.storage.files(paths.tokens(dataset, application)):
            if path < named:
                self.storage.delete(path)

    def append_from(
        self, dataset: str, rows: pa.Table, *, window: str, application: str, number: int, after: int | None
    ) -> int:
        """Commit a window with the token kept under `number` to raw that stands at the token `after`; raw's version."""
        with storage_errors():
            return raw.append_from(
                self.uri("raw", dataset), rows, window=window, application=application, number=number, after=after
            )

    def items_before(self, dataset: str, source: str, feed_range: str, generation: int) -> Iterator[pa.Table]:
        """The items (`key`) that raw knows of a feed range, and whose newest row is older than that generation.

        Those that were deleted are not among them, nor anybody who was erased. Memory: see `lake.known`.
        """
        with storage_errors():
            yield from known.items_before(open_table(self.uri("raw", dataset)), source, feed_range, generation)

    def record_gap(self, dataset: str, gap: Gap) -> None:
        """Remember what was missed before a generation. It may be recorded again, and grow, until that is committed."""
        self.storage.put(paths.gap(dataset, gap.feed_range, gap.generation), as_json(dataclasses.asdict(gap)))

    def gaps(self, dataset: str) -> list[Gap]:
        """Every gap of the dataset's container, oldest first."""
        files = self.storage.files(paths.gaps(dataset))
        found = [Gap(**entry) for path in files if (entry := self.read(path)) is not None]
        return sorted(found, key=lambda gap: (gap.until, gap.feed_range))

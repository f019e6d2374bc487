"""The part of the lake that erases: who was erased, their rows, and the proof."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ingest.lake import erasing, paths, proving
from ingest.lake.needle import Needle
from ingest.lake.places import Places, as_json, storage_errors
from ingest.model.contract import Column
from ingest.model.erasure import Erasure, Searched
from ingest.model.ports import Open

__all__ = ["Erasures"]


class Erasures(Places):
    """Implements what `ports.Lake` says of erasures."""

    def erasures(self, dataset: str) -> list[Erasure]:
        """Everybody who was erased from the dataset."""
        found = (self.read(path) for path in self.storage.files(paths.erased(dataset)))
        return [Erasure(**entry) for entry in found if entry is not None]

    def store_erasure(self, dataset: str, erasure: Erasure) -> None:
        """Remember somebody, before anything of them is removed."""
        self.storage.put_if_absent(paths.erasure(dataset, erasure.hash), as_json(dataclasses.asdict(erasure)))

    def fence(self, dataset: str, account: Mapping[str, Any]) -> None:
        """Commit an account of no rows to curated: what was judged before it is judged again."""
        with storage_errors():
            erasing.fence(self.tables(dataset), account)

    def pin_erasure(self, dataset: str, recognise: erasing.Recognise) -> erasing.Pinned:
        """Read raw up to curated's position and find the rows that `recognise` gives as `tables.RECOGNISED`."""
        with storage_errors():
            return erasing.Pinned(self.tables(dataset), self.uris(dataset), recognise)

    def empty_raw(self, dataset: str, rows: pa.Table) -> None:
        """Take the content of these rows away."""
        with storage_errors():
            erasing.empty(self.uri("raw", dataset), rows)

    def prove(
        self, dataset: str, value: str, column: Column, others: Sequence[str], *, opened: Open, nobody_is_active: bool
    ) -> Searched:
        """Search every byte for the value and what stands for it; remove what holds it and nothing needs."""
        with storage_errors():
            read = {stage: self.read_until(dataset, stage) for stage in self.stages(dataset)}
            needle = Needle.of(value, column, others)
            return proving.prove(
                self.storage,
                dataset,
                self.uris(dataset),
                needle,
                opened=opened,
                read_until=read,
                nobody_is_active=nobody_is_active,
            )

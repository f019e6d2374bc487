"""Where a dataset's tables and small files are, and how far whoever reads them by version has read."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from deltalake.exceptions import DeltaError

from ingest.errors import LakeUnavailable
from ingest.lake import paths, published
from ingest.lake.commit import open_table
from ingest.lake.replaying import Tables
from ingest.lake.storage import Storage
from ingest.model.tables import OF_ITEMS, STAGES

__all__ = ["Places", "as_json", "storage_errors"]


@contextmanager
def storage_errors() -> Iterator[None]:
    """No Delta or file-system exception leaves the lake."""
    try:
        yield
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise LakeUnavailable(f"the lake could not be read: {error}", remedy="run `lakepost doctor`") from error


class Places:
    """A lake's tables and small files."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._histories: dict[str, bool] = {}

    def keeps_history(self, dataset: str) -> bool:
        """Whether the dataset's curated table is the history of items: the lake was told when the tables were made."""
        if dataset not in self._histories:
            known = self.read(paths.tables(dataset))
            if known is None:
                return False
            self._histories[dataset] = OF_ITEMS[0] in known
        return self._histories[dataset]

    def stages(self, dataset: str) -> tuple[str, ...]:
        """The dataset's tables."""
        return STAGES + (OF_ITEMS if self.keeps_history(dataset) else ())

    def uri(self, stage: str, dataset: str) -> str:
        """What delta-rs opens for a table."""
        return self.storage.table_uri(paths.table(stage, dataset, history=self.keeps_history(dataset)))

    def uris(self, dataset: str) -> dict[str, str]:
        """What delta-rs opens for each of a dataset's tables."""
        return {stage: self.uri(stage, dataset) for stage in self.stages(dataset)}

    def tables(self, dataset: str) -> Tables:
        """Where curated, quarantine and the intents of replays are."""
        return Tables(self.storage, dataset, history=self.keeps_history(dataset))

    def read(self, path: str) -> dict[str, Any] | None:
        """A small file that is a JSON object; null where there is none."""
        content = self.storage.get(path)
        try:
            return None if content is None else json.loads(content)
        except ValueError as error:
            raise LakeUnavailable(f"{path} in the lake is not JSON: {error}", remedy="restore that file") from error

    def read_until(self, dataset: str, table: str) -> int:
        """The version up to which whoever reads the table by version has read it."""
        if table == "raw":
            return published.position(open_table(self.uri("curated", dataset)))
        uri = self.uri(table, dataset)
        newest = open_table(uri).version()
        if table == "curated":
            return published.accounted(open_table(self.uri("accounts", dataset)), uri, newest)
        return newest


def as_json(value: Any) -> bytes:
    """A small file's content; dates as ISO."""
    return json.dumps(value, indent=1, sort_keys=True, default=_text).encode()


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date) else str(value)

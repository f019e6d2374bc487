"""Histories of items written through the lake, and what they come to by a plain fold."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable

from ingest.lake import DeltaLake
from ingest.lake.commit import decided
from ingest.lake.published import ACCOUNT
from ingest.model.container import DELETES, ContainerBinding
from ingest.model.contract import Contract
from ingest.model.points import Reached, passing
from ingest.model.ports import Batch
from ingest.model.tables import DELETED, curated_schema
from ingest.steps import Limits, derive
from ingest.steps.moved import moved_account
from tests.contracts import column, contract
from tests.reading import rows_of

__all__ = ["ITEMS", "Change", "History", "by_key", "folded"]

ITEMS: Contract = dataclasses.replace(
    contract(
        (
            column("id", "string"),
            column("name", "string"),
            column("address", "object", children=(column("city", "string"),)),
        )
    ),
    queues=(),
    container=ContainerBinding("shop", "customers"),
)
_NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Change:
    """Of the item `item`, in the order of `generation`, `lsn`, `index`."""

    item: str
    operation: str = "replace"
    lsn: int = 1
    index: int = 0
    generation: int = 0
    name: str | None = None


class History:
    """A history as curate writes it, but for what was judged before."""

    def __init__(self, lake: DeltaLake, contract: Contract = ITEMS, limits: Limits = Limits()) -> None:  # noqa: B008
        self.lake, self.contract, self.limits = lake, contract, limits
        self.rows: list[dict[str, Any]] = []
        self.position = 0
        lake.prepare(contract)

    def append(self, *changes: Change) -> None:
        """One batch."""
        batch = Batch(self.contract.dataset, self.position, self.position + 1, self.contract.digest)
        self.position += 1
        rows = [self._row(number, change) for number, change in enumerate(changes)]
        self.rows += rows
        table = pa.Table.from_pylist(rows, schema=curated_schema(self.contract))
        account = {**self.account("curate", len(rows)), "after": batch.after, "records": len(rows)}
        self.lake.write_curated(batch, table, account)

    def erase(self, item: str) -> None:
        """Take an item's changes out of the history, as erase does: once more when another commit came first."""
        gone = [row for row in self.rows if row["id"] == item]
        self.rows = [row for row in self.rows if row["id"] != item]
        account = {ACCOUNT: json.dumps(self.account("erase", -len(gone)))}
        named = ", ".join(f"'{row['event_id']}'" for row in gone) or "''"

        def delete(table: DeltaTable) -> None:
            table.delete(f"event_id IN ({named})", commit_properties=CommitProperties(custom_metadata=account))

        decided(self.lake.uri("curated", self.contract.dataset), lambda *_: False, delete)

    def account(self, kind: str, curated: int) -> dict[str, Any]:
        return moved_account(kind, self.contract, position=self.position, curated=curated, partitions=[])

    def _row(self, number: int, change: Change) -> dict[str, Any]:
        gone = change.operation in DELETES
        return {
            **dict.fromkeys(curated_schema(self.contract).names),
            "id": change.item,
            "name": None if gone else change.name or f"{change.item} {change.generation}.{change.lsn}.{change.index}",
            "address": None if gone else {"city": "Köln"},
            "operation": change.operation,
            "key": f'["{change.item}"]',
            "lsn": change.lsn,
            "index": change.index,
            "generation": change.generation,
            "container_rid": "rid",
            "event_id": f"{self.position}-{number}",
            "event_time": _NOON + dt.timedelta(days=change.lsn % 3, seconds=change.lsn),
            "source": "shop/customers",
            "window": f"w{self.position:04}",
            "row": number,
            "landed_at": _NOON,
            "batch": self.position,
            "event_date": (_NOON + dt.timedelta(days=change.lsn % 3)).date(),
        }

    def derive(self, *, anew: bool = False, reached: Reached = passing) -> None:
        derive(self.contract, self.lake, limits=self.limits, anew=anew, reached=reached)

    def table(self, stage: str) -> list[dict[str, Any]]:
        """Rows of `current` or `deleted`, by key."""
        return by_key(rows_of(self.lake.uri(stage, self.contract.dataset)).to_pylist())

    @property
    def holds(self) -> bool:
        """Whether both tables are what the fold of the history is."""
        return (self.table("current"), self.table("deleted")) == folded(self.rows)


def folded(rows: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The items that there are, and the deleted ones, from rows in the order in which they were curated."""
    last: dict[str, dict[str, Any]] = {}
    for row in rows:
        old = last.get(row["key"])
        if old is None or _order(row) > _order(old):
            last[row["key"]] = row
    gone = [row for row in last.values() if row["operation"] in DELETES]
    there = [row for row in last.values() if row["operation"] not in DELETES]
    return by_key(there), by_key({name: row[name] for name in DELETED.names} for row in gone)


def _order(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row[name] for name in ("generation", "lsn", "index"))


def by_key(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: str(row["key"]))

"""A small shop for tests: orders by memory source into a lake, curated with the real decoder and suite."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from ingest import envelope, steps
from ingest.decoding import decode
from ingest.lake import DeltaLake
from ingest.model.account import Account
from ingest.model.contract import Contract
from ingest.model.delivery import Bounds, Delivery, Window
from ingest.model.keys import NO_KEYS, Keys
from ingest.model.points import Point, Reached, passing
from ingest.model.ports import Source
from ingest.sources.memory import MemoryBroker, MemorySource
from ingest.steps import Landed, Limits, Rebuilt
from ingest.steps.land import raw_rows
from ingest.validate import Suite
from tests.reading import rows_of

__all__ = ["Shop", "body", "order"]


def body(**fields: Any) -> dict[str, Any]:
    """A valid order's payload, with `fields` over it."""
    return {
        "order_id": "o-00000001",
        "customer_id": "c-000001",
        "status": "placed",
        "occurred_at": "2026-11-20T10:11:12.1234567Z",
        "currency": "EUR",
        "total": 23.4,
        "item_count": 2,
        "items": [{"sku": "w-1", "name": "Wässerchen", "quantity": 2, "unit_price": 11.7}],
        "address": {"street": "Hauptstraße 1", "city": "Köln", "postcode": "50667", "country": "DE"},
        "promised_on": "2026-11-21",
        **fields,
    }


def order(event_id: str | None, *, day: int = 20, raw: bytes | None = None, **fields: Any) -> Delivery:
    """A delivery of an order; `raw` replaces the whole body."""
    return Delivery(
        body=json.dumps(body(**fields)).encode() if raw is None else raw,
        source="shop.events/lakepost.orders",
        routing_key="order.placed",
        content_type="application/json",
        message_id=event_id,
        type="order.placed",
        timestamp=dt.datetime(2026, 11, day, 10, 11, 12, tzinfo=dt.UTC),
    )


class _OneBatch(Exception):
    """Stops a curate after its first batch."""


class Shop:
    """Land and curate through the steps, as `ingest.api` does, with a memory broker in place of RabbitMQ."""

    def __init__(self, lake: DeltaLake, contract: Contract, keys: Keys = NO_KEYS) -> None:
        self.lake = lake
        self.contract = contract
        self.keys = keys
        self.broker = MemoryBroker()
        lake.prepare(contract)

    def land(
        self,
        *deliveries: Delivery,
        reached: Reached = passing,
        rows: int = 50_000,
        source: Source | None = None,
        patience: Sequence[float] = (),
    ) -> Landed:
        """Publish `deliveries` and land what waits."""
        for delivery in deliveries:
            self.broker.publish(delivery)
        return asyncio.run(
            steps.land(
                self.contract,
                [source or MemorySource(self.broker)],
                self.lake,
                events=envelope.events,
                bounds=Bounds(rows=rows),
                stop=asyncio.Event(),
                reached=reached,
                patience=patience,
                screened=lambda rows: steps.screen_of(self.contract, self.lake, self.keys, envelope.opened).emptied(
                    rows
                ),
            )
        )

    def land_at(self, moment: dt.datetime, *deliveries: Delivery) -> None:
        """Land one window as if it were `moment`: made and committed as land does it, but for its clock."""

        async def kept() -> None: ...

        window = Window(deliveries, kept)
        rows = raw_rows(
            window,
            self.contract,
            events=envelope.events,
        )
        place = rows.schema.get_field_index("landed_at")
        moments = pa.repeat(pa.scalar(moment, rows.schema.field(place).type), rows.num_rows)
        rows = rows.set_column(place, rows.schema.field(place), moments)
        name = rows["window"][0].as_py()
        self.lake.append_raw(self.contract.dataset, rows, window=name, application="land:shop", position=None)

    def curate(
        self,
        *,
        accept: bool = False,
        reached: Reached = passing,
        rows: int = 500_000,
        batches: int | None = None,
        contract_at: Callable[[str], Contract] | None = None,
    ) -> Account:
        """Curate what is new; `batches=1` stops after the first batch."""

        def counted(point: Point) -> None:
            reached(point)
            if batches == 1 and point is Point.ACCOUNT_COMMITTED:
                raise _OneBatch

        try:
            return steps.curate(
                self.contract,
                self.lake,
                decode=decode,
                validator=Suite(),
                contract_at=contract_at or (lambda _digest: self.contract),
                limits=Limits(rows=rows),
                keys=self.keys,
                accept=accept,
                reached=counted,
            )
        except _OneBatch:
            return Account(self.contract.dataset)

    def rebuild(self, *days: int, reached: Reached = passing, dry_run: bool = False, rows: int = 500_000) -> Rebuilt:
        """Rebuild the days of November 2026; without any, all that raw holds. `rows` are held in memory at a time."""
        dates = [dt.date(2026, 11, day) for day in days] or sorted(self.lake.dates(self.contract.dataset)["raw"])
        return steps.rebuild(
            self.contract,
            self.lake,
            dates=dates,
            decode=decode,
            validator=Suite(),
            every=not days,
            limits=Limits(rows=rows),
            keys=self.keys,
            dry_run=dry_run,
            reached=reached,
        )

    def curated(self) -> list[str]:
        """Event ids in curated, sorted."""
        table = rows_of(self.lake.uri("curated", self.contract.dataset))
        return sorted(table["event_id"].to_pylist())

    def accounts(self) -> list[dict[str, Any]]:
        """The rows of the accounts table."""
        rows = rows_of(self.lake.uri("accounts", self.contract.dataset)).to_pylist()
        return sorted(rows, key=lambda row: int(row["batch"]))

    def versions(self) -> dict[str, int]:
        """Each table's version."""
        return {
            stage: DeltaTable(self.lake.uri(stage, self.contract.dataset)).version()
            for stage in ("raw", "curated", "quarantine", "accounts")
        }

"""A container of one's own, read as a source: what the tests of the Cosmos source share."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey

from cosmos import Local
from ingest.model.container import ContainerBinding, FeedMode, FeedRange, RequestUnits
from ingest.model.delivery import Bounds, Delivery, Window
from ingest.model.gap import Gap
from ingest.sources.cosmos import CosmosRange
from ingest.sources.cosmos_feed import Account
from ingest.sources.cosmos_inferred import Known
from ingest.sources.cosmos_token import Token
from tests.infra.cosmos_client import names

__all__ = ["WHOLE", "Reader", "add", "again", "drop", "event_ids", "ids", "rows", "split"]

ALL = Bounds()
WHOLE = FeedRange()


@dataclasses.dataclass
class Reader:
    """Reads a feed range run by run, as land does: each goes on from the token of the last window."""

    account: Local
    container: ContainerProxy
    mode: FeedMode = FeedMode.ALL_VERSIONS
    keyed_by: tuple[str, ...] = ("/country",)
    within: FeedRange = WHOLE
    token: bytes | None = None
    units: RequestUnits = dataclasses.field(default_factory=RequestUnits)
    key: str | None = None
    anew: bool = False
    known: Known = lambda _: iter(())
    gaps: list[Gap] = dataclasses.field(default_factory=list)

    @property
    def source(self) -> CosmosRange:
        database, name = names(self.container)
        account = Account(self.account.endpoint, self.key or self.account.key)
        return CosmosRange(
            account,
            ContainerBinding(database, name, self.mode, partition_key=self.keyed_by),
            self.within,
            self.units,
            anew=self.anew,
            known=self.known,
        )

    def windows(self, bounds: Bounds = ALL, *, after_each: Callable[[Window], object] = lambda _: None) -> list[Window]:
        """One run."""

        async def run() -> list[Window]:
            found = []
            async with asyncio.timeout(60), self.source as source:
                source.resume(self.token)
                async for window in source.windows(bounds, None, asyncio.Event()):
                    found.append(window)
                    self.token = window.token
                    self.gaps += [window.gap] if window.gap is not None else []
                    await window.acknowledge()
                    await asyncio.to_thread(after_each, window)
            return found

        return asyncio.run(run())

    def read(self, bounds: Bounds = ALL) -> list[Delivery]:
        """One run's deliveries."""
        return [one for window in self.windows(bounds) for one in window.deliveries]

    @property
    def stored(self) -> Token:
        assert self.token is not None
        return Token.decode(self.token)


def ids(deliveries: list[Delivery]) -> list[str]:
    """The items' ids."""
    return [str(msgspec.json.decode(one.key or "")[0]) for one in deliveries]


def rows(deliveries: list[Delivery]) -> list[tuple[Any, ...]]:
    return [(one.operation, *msgspec.json.decode(one.key or "")) for one in deliveries]


def add(container: ContainerProxy, *numbers: int) -> None:
    for number in numbers:
        container.upsert_item({"id": f"c{number}", "country": f"k{number % 7}", "n": number})


def drop(container: ContainerProxy, *numbers: int) -> None:
    for number in numbers:
        container.delete_item(f"c{number}", f"k{number % 7}")


def again(reader: Reader) -> ContainerProxy:
    """The container deleted and made again, by somebody else."""
    database, name = names(reader.container)
    inside = CosmosClient(reader.account.endpoint, reader.account.key).get_database_client(database)
    inside.delete_container(name)
    return inside.create_container(name, partition_key=PartitionKey("/country"))


def split(container: ContainerProxy, account: Local) -> None:
    database, name = names(container)
    account.split(database, name, account.ranges(database, name)[0]["id"])


def event_ids(windows: list[Window]) -> list[str]:
    return [str(one.message_id) for window in windows for one in window.deliveries]

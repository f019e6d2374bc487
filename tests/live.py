"""The command's own way, for tests: a dataset folder of one's own, a lake, and a queue on a real broker."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from broker import Broker
from ingest import catalog
from ingest.model.contract import Contract, QueueBinding
from ingest.model.delivery import Delivery
from ingest.settings import Settings, load_settings
from ingest.sources.rabbitmq import RabbitQueue
from tests.sources.publisher import RawPublisher

__all__ = ["Live"]

_SHIPPED = Path(__file__).resolve().parents[1] / "schemas" / "orders"


class Live:
    """`orders` on an exchange and a queue of its own, its lake in `folder`."""

    dataset = "orders"

    def __init__(
        self, folder: Path, broker: Broker, publish: Callable[[QueueBinding, Iterable[Delivery]], None]
    ) -> None:
        self.lake = folder / "lake"
        self.broker = broker
        self._publish = publish
        self._schemas = folder / "schemas"
        shutil.copytree(_SHIPPED, self._schemas / "orders")
        self.rewrite("shop.events", f"shop.events.{folder.name}")
        self.rewrite("queue: lakepost.orders", f"queue: lakepost.{folder.name}")

    def rewrite(self, old: str, new: str) -> None:
        """Replace text in the contract."""
        contract = self._schemas / "orders" / "contract.odcs.yaml"
        text = contract.read_text()
        assert old in text, old
        contract.write_text(text.replace(old, new))

    @property
    def contract(self) -> Contract:
        """The contract as it stands now."""
        return catalog.load(self._schemas, "orders")

    @property
    def environment(self) -> dict[str, str]:
        """The settings, as environment variables."""
        return {
            "LAKEPOST_LAKE_URL": self.lake.as_uri(),
            "LAKEPOST_RABBITMQ_URL": self.broker.url,
            "LAKEPOST_SCHEMAS_DIR": str(self._schemas),
        }

    @property
    def settings(self) -> Settings:
        """The settings."""
        return load_settings(
            lake_url=self.lake.as_uri(), rabbitmq_url=self.broker.url, schemas_dir=self._schemas, _env_file=None
        )

    def publish(self, deliveries: Iterable[Delivery]) -> None:
        """Publish through the exchange and wait for the broker's confirms."""
        self._publish(self.contract.queues[0], deliveries)

    def waiting(self) -> int:
        """Messages that wait in the queue, none of them delivered."""

        async def ready() -> int:
            async with RabbitQueue(self.broker.url, self.contract.queues[0]) as queue:
                return await queue.ready()

        return asyncio.run(ready())

    def publish_nameless(self, deliveries: Iterable[Delivery]) -> None:
        """Publish bodies alone, after the queue was declared: the client library would give each message an id."""
        binding = self.contract.queues[0]
        publisher = RawPublisher(self.broker.url)
        for one in deliveries:
            publisher.publish(binding.exchange.encode(), one.routing_key.encode(), 0, b"", one.body)
        publisher.close()

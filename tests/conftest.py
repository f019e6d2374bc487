"""What many tests ask for: a private broker, a queue of one's own on it, a way to publish, a lake folder."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import aio_pika
import pytest
from hypothesis import HealthCheck, settings

from broker import Broker
from cosmos import Local
from ingest import catalog
from ingest.model.contract import Contract, QueueBinding
from ingest.model.delivery import Delivery
from ingest.sources.rabbitmq import RabbitQueue
from tests.live import Live

# How long an example takes says more about what else the machine does.
settings.register_profile("lakepost", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lakepost")

Publish = Callable[[QueueBinding, Iterable[Delivery]], None]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One private node for the whole run, started when the first test asks; dies with pytest. Do not stop it."""
    with Broker(tmp_path_factory.mktemp("broker"), tied=True) as node:
        yield node


@pytest.fixture(scope="session")
def cosmos_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """One local Cosmos account for the whole run; dies with pytest. Do not stop it; take a database of your own."""
    with Local(tmp_path_factory.mktemp("cosmos")) as account:
        yield account


@pytest.fixture
def queue_binding() -> QueueBinding:
    """A quorum queue and a topic exchange of this test's own. Nothing is declared yet."""
    name = uuid.uuid4().hex[:12]
    return QueueBinding(exchange=f"shop.events.{name}", queue=f"lakepost.orders.{name}", routing_keys=("order.#",))


@pytest.fixture
def publish(broker: Broker) -> Publish:
    """`publish(binding, deliveries)` declares the queue and returns when the broker has confirmed all. Blocking."""
    return publishing(broker.url)


@pytest.fixture
def lake_url(tmp_path: Path) -> str:
    """An empty lake's URL; the folder does not exist yet."""
    return (tmp_path / "lake").as_uri()


def publishing(url: str) -> Publish:
    """The `publish` of the broker at `url`."""
    return lambda binding, deliveries: asyncio.run(_publish(url, binding, list(deliveries)))


async def _publish(url: str, binding: QueueBinding, deliveries: list[Delivery]) -> None:
    async with RabbitQueue(url, binding):
        pass  # the queue exists and is bound, as the contract says
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(binding.exchange)
        for start in range(0, len(deliveries), 1_000):  # waits for a thousand confirms at a time
            some = deliveries[start : start + 1_000]
            await asyncio.gather(*[exchange.publish(_message(one), one.routing_key) for one in some])


def _message(delivery: Delivery) -> aio_pika.Message:
    return aio_pika.Message(
        delivery.body,
        headers=dict(delivery.headers),
        content_type=delivery.content_type,
        content_encoding=delivery.content_encoding,
        message_id=delivery.message_id,
        type=delivery.type,
        timestamp=delivery.timestamp,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


@pytest.fixture(scope="session")
def orders() -> Contract:
    """The contract that ships."""
    return catalog.load(Path(__file__).resolve().parents[1] / "schemas", "orders")


@pytest.fixture
def live(tmp_path: Path, broker: Broker, publish: Publish) -> Live:
    """`orders` on a queue of this test's own, by the settings that the command reads."""
    return Live(tmp_path, broker, publish)

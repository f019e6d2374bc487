"""What a queue would throw away is told by doctor, with the remedy, and by land in its log."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from broker import Broker
from ingest import api
from ingest.errors import SourceUnavailable
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Bounds
from ingest.settings import Settings
from ingest.sources.hazards import hazards
from ingest.sources.rabbitmq import RabbitQueue
from ingest.sources.topology import examine
from ingest.steps.land import PATIENCE
from tests.live import Live
from tests.sources.test_dead_letters import with_dead_letters
from tests.steps.shop import order

QUORUM = QueueBinding("shop", "q", ("#",))
CLASSIC = dataclasses.replace(QUORUM, queue_type="classic")
DLX = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
DEAD = QueueBinding("", "dead", ("dead",), queue_type="quorum", holds_dead_letters=True)


def with_arguments(binding: QueueBinding, arguments: dict[str, Any]) -> QueueBinding:
    return dataclasses.replace(binding, arguments=tuple(arguments.items()))


LOSING: list[tuple[QueueBinding, dict[str, Any], tuple[int, ...], str, str]] = [
    (QUORUM, {"x-delivery-limit": 5}, (3, 10, 8), "delivery limit (5)", "`deadLetter`"),
    (QUORUM, {}, (4, 0, 0), "20, RabbitMQ 4's default", "`deadLetter`"),
    (DEAD, {}, (4, 1), "20, RabbitMQ 4's default", "`queueType: classic`"),
    (CLASSIC, {"x-message-ttl": 9}, (3, 10), "waits for 9 ms", "`deadLetter`"),
    (CLASSIC, {"x-expires": 9}, (3, 10), "is deleted", "x-expires"),
    (CLASSIC, {"x-expires": 9, **DLX}, (3, 10), "is deleted", "x-expires"),
    (CLASSIC, {"x-max-length": 9}, (3, 10), "oldest messages", "reject-publish"),
    (QUORUM, {"x-max-length-bytes": 9, "x-delivery-limit": -1}, (4, 0), "oldest messages", "reject-publish"),
]


@pytest.mark.parametrize(("binding", "arguments", "version", "says", "remedy"), LOSING)
def test_what_loses_messages(
    binding: QueueBinding, arguments: dict[str, Any], version: tuple[int, ...], says: str, remedy: str
) -> None:
    (finding,) = hazards(with_arguments(binding, arguments), version)
    assert not finding.ok
    assert says in finding.says
    assert repr(binding.queue) in finding.says
    assert remedy in finding.remedy


SAFE: list[tuple[QueueBinding, dict[str, Any], tuple[int, ...]]] = [
    (QUORUM, {**DLX, "x-delivery-limit": 5, "x-message-ttl": 9, "x-max-length": 9}, (4, 0)),
    (dataclasses.replace(QUORUM, dead_letters_by_policy=True), {}, (4, 0)),
    (QUORUM, {"x-delivery-limit": -1}, (4, 0)),
    (CLASSIC, {}, (4, 0)),
    (CLASSIC, {"x-max-length": 9, "x-overflow": "reject-publish"}, (3, 10)),
]


@pytest.mark.parametrize(("binding", "arguments", "version"), SAFE)
def test_what_does_not(binding: QueueBinding, arguments: dict[str, Any], version: tuple[int, ...]) -> None:
    assert hazards(with_arguments(binding, arguments), version) == []


def test_what_a_newer_broker_will_do_is_said_and_no_fault(broker: Broker, queue_binding: QueueBinding) -> None:
    asyncio.run(declared(broker, queue_binding))
    findings = asyncio.run(examine(broker.url, queue_binding))
    assert all(finding.ok for finding in findings)
    assert "RabbitMQ 3.10" in findings[0].says
    assert "RabbitMQ 4 has one of 20" in findings[-1].says


async def declared(broker: Broker, binding: QueueBinding) -> None:
    async with RabbitQueue(broker.url, binding):
        pass


def test_land_says_it_and_goes_on(broker: Broker, queue_binding: QueueBinding) -> None:
    limited = with_arguments(queue_binding, {"x-delivery-limit": 5})
    with structlog.testing.capture_logs() as logs:
        asyncio.run(declared(broker, limited))
    assert [log["event"] for log in logs] == ["messages may be lost"]


def test_doctor_looks_at_every_queue(live: Live) -> None:
    with_dead_letters(live)
    api.land(live.settings, live.dataset)
    said = [finding.says for finding in api.doctor(live.settings) if finding.name == "queue"]
    assert [repr(source.queue) in says for source, says in zip(live.contract.queues, said, strict=True)] == [True] * 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"x-message-ttl": 9_000},
        {"x-delivery-limit": 9},
        {"x-max-length": 9},
        {"x-overflow": "reject-publish"},
        {"x-dead-letter-exchange": "elsewhere"},
        {"x-expires": 900_000},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_every_argument_is_compared_with_the_contract(
    broker: Broker, queue_binding: QueueBinding, arguments: dict[str, Any]
) -> None:
    (name,) = arguments
    asyncio.run(declared(broker, with_arguments(queue_binding, arguments)))
    (finding,) = [one for one in asyncio.run(examine(broker.url, queue_binding)) if not one.ok]
    assert f"exists with {name} = " in finding.says
    assert "the contract says nothing of it" in finding.says
    assert finding.remedy


@pytest.fixture
def impatient(broker: Broker) -> Iterator[Broker]:
    """The broker, with a consumer timeout of a second on the channels that are opened meanwhile."""
    change = (
        "application:set_env(rabbit, consumer_timeout, {}), application:set_env(rabbit, channel_tick_interval, {})."
    )
    broker.ctl("eval", change.format(1_000, 500))
    yield broker
    broker.ctl("eval", change.format(1_800_000, 60_000))


def test_a_window_that_took_too_long_is_told_with_what_to_do(impatient: Broker, live: Live) -> None:
    live.publish([order("e1")])

    async def held_too_long() -> None:
        async with RabbitQueue(impatient.url, live.contract.queues[0]) as source:
            async for _ in source.windows(Bounds(rows=1, max_seconds=60), None, asyncio.Event()):
                await asyncio.wait({source._channel.closing}, timeout=30)  # type: ignore[union-attr]

    with pytest.raises(SourceUnavailable, match="timed out") as told:
        asyncio.run(held_too_long())
    assert "LAKEPOST_WINDOW_SECONDS" in told.value.remedy


def test_a_window_and_the_one_before_it_are_committed_within_the_consumer_timeout() -> None:
    """Of the broker's 30 minutes: a message waits while a window before its own is being committed."""
    metadata = Settings.model_fields["window_seconds"].metadata
    longest = next(one.le for one in metadata if hasattr(one, "le"))
    assert longest + 2 * sum(PATIENCE) < 1_800 - 300, "what the tries themselves take"

"""The sources of the suite: the memory fake and RabbitMQ, as queue and as stream."""

from __future__ import annotations

import dataclasses

import pytest

from ingest.model.contract import QueueBinding
from ingest.model.delivery import Delivery
from ingest.sources import stream
from ingest.sources.memory import MemoryBroker, MemorySource
from ingest.sources.rabbitmq import RabbitQueue
from ingest.sources.stream import RabbitStream
from tests.conformance.kinds import Kind, Resumed, Stored

QUEUES = ("memory", "quorum", "classic")
STREAMS = ("memory stream", "stream")


@pytest.fixture(params=[*QUEUES, *STREAMS])
def kind(request: pytest.FixtureRequest, queue_binding: QueueBinding) -> Kind:
    """Any source."""
    return made(request, queue_binding)


@pytest.fixture(params=QUEUES)
def queue(request: pytest.FixtureRequest, queue_binding: QueueBinding) -> Kind:
    """A source that takes out what is acknowledged."""
    return made(request, queue_binding)


def made(request: pytest.FixtureRequest, queue_binding: QueueBinding) -> Kind:
    stored = Stored()
    if request.param.startswith("memory"):
        memory = MemoryBroker()

        def publish_all(some: list[Delivery]) -> None:
            for one in some:
                memory.publish(one)

        if request.param in STREAMS:
            return Kind(lambda: Resumed(MemorySource(memory, stream=True), stored), publish_all)
        return Kind(lambda: MemorySource(memory), publish_all)
    binding = dataclasses.replace(queue_binding, queue_type=request.param)
    url = request.getfixturevalue("broker").url
    publish = request.getfixturevalue("publish")
    if request.param in STREAMS:
        # Nothing is slow here: an empty stream need not be listened to for long.
        request.getfixturevalue("monkeypatch").setattr(stream, "_QUIET_SECONDS", 0.3)
        return Kind(lambda: Resumed(RabbitStream(url, binding), stored), lambda some: publish(binding, some))
    return Kind(lambda: RabbitQueue(url, binding), lambda some: publish(binding, some))

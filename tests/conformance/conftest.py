"""The sources of the suite: the memory fake and RabbitMQ's two kinds of queue."""

from __future__ import annotations

import dataclasses

import pytest

from ingest.model.contract import QueueBinding
from ingest.model.delivery import Delivery
from ingest.sources.memory import MemoryBroker, MemorySource
from ingest.sources.rabbitmq import RabbitQueue
from tests.conformance.kinds import Kind


@pytest.fixture(params=["memory", "quorum", "classic"])
def kind(request: pytest.FixtureRequest, queue_binding: QueueBinding) -> Kind:
    if request.param == "memory":
        memory = MemoryBroker()

        def publish_all(some: list[Delivery]) -> None:
            for one in some:
                memory.publish(one)

        return Kind(lambda: MemorySource(memory), publish_all)
    binding = dataclasses.replace(queue_binding, queue_type=request.param)
    url = request.getfixturevalue("broker").url
    publish = request.getfixturevalue("publish")
    return Kind(lambda: RabbitQueue(url, binding), lambda some: publish(binding, some))

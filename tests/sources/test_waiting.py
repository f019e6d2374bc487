"""Counting what waits: nothing is taken by it, and it rings once, then ever less often."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from broker import Broker
from ingest.errors import TopologyError
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Bounds, Delivery, Window
from ingest.sources.rabbitmq import RabbitQueue
from ingest.sources.waiting import Bell, waiting
from tests.conftest import Publish


def _some(count: int) -> list[Delivery]:
    return [Delivery(b"x", "", "order.placed", message_id=str(number)) for number in range(count)]


async def _drained(url: str, binding: QueueBinding) -> list[Window]:
    async with RabbitQueue(url, binding) as source:
        return [window async for window in source.windows(Bounds(), None, asyncio.Event())]


def test_looking_takes_nothing_and_leaves_no_mark(
    broker: Broker, queue_binding: QueueBinding, publish: Publish
) -> None:
    other = dataclasses.replace(queue_binding, queue=f"{queue_binding.queue}.2", queue_type="classic")
    publish(queue_binding, _some(3))
    publish(other, _some(2))  # to both: they hang on one exchange

    async def look() -> list[int]:
        looks = waiting(broker.url, "test", [queue_binding.queue, other.queue])
        found = [await anext(looks) for _ in range(3)]
        await looks.aclose()  # type: ignore[attr-defined]  # a generator
        return found

    assert asyncio.run(look()) == [7, 7, 7]
    for binding, count in ((queue_binding, 5), (other, 2)):
        windows = asyncio.run(_drained(broker.url, binding))
        deliveries = [one for window in windows for one in window.deliveries]
        assert len(deliveries) == count
        assert not any(one.redelivered for one in deliveries)


def test_messages_that_somebody_takes_do_not_count(
    broker: Broker, queue_binding: QueueBinding, publish: Publish
) -> None:
    publish(queue_binding, _some(10))

    async def look() -> tuple[int, int]:
        looks = waiting(broker.url, "test", [queue_binding.queue])
        before = await anext(looks)
        async with RabbitQueue(broker.url, queue_binding) as source:
            windows = source.windows(Bounds(rows=1, max_seconds=60), None, asyncio.Event())
            await anext(windows)  # it holds some, and takes no more
            during = await anext(looks)
        await looks.aclose()  # type: ignore[attr-defined]  # a generator
        return before, during

    assert asyncio.run(look()) == (10, 0)


def test_a_queue_that_is_not_there_is_an_error_with_the_remedy(broker: Broker, queue_binding: QueueBinding) -> None:
    with pytest.raises(TopologyError, match="there is no queue") as caught:
        asyncio.run(anext(waiting(broker.url, "test", [queue_binding.queue])))  # type: ignore[arg-type]  # a coroutine
    assert caught.value.remedy


def test_the_bell_rings_at_a_rise_and_then_ever_less_often() -> None:
    bell = Bell()
    rang = [second for second in range(0, 20_000, 10) if bell.rings(0 if second < 30 else 5, second)]
    assert rang == [30, 90, 210, 450, 930, 1890, 3810, 7410, 11010, 14610, 18210]


def test_the_bell_rings_anew_when_the_messages_were_taken() -> None:
    for depths, rang in [
        ([5, 5, 0, 5, 0, 0, 5], [True, False, False, True, False, False, True]),
        ([5, 6, 2, 2, 7], [True, False, True, False, False]),  # 4 or more were taken, and some came
    ]:
        bell = Bell()
        assert [bell.rings(depth, second) for second, depth in enumerate(depths)] == rang

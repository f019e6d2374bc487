"""RabbitMQ as a source: faults become our errors at once, memory is bounded, topology is compared in words."""

from __future__ import annotations

import asyncio
import dataclasses
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path

import aiormq
import pytest

from broker import Broker, free_port
from ingest.errors import ConfigurationError, LakepostError, SourceUnavailable, TopologyError
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Bounds, Delivery, Window
from ingest.sources.rabbitmq import RabbitQueue
from ingest.sources.topology import examine
from tests.conftest import publishing

Publish = Callable[[QueueBinding, Iterable[Delivery]], None]
Fault = Callable[[], Awaitable[None]]

MEGABYTE = 1024 * 1024
WAITING = Bounds(rows=10, max_seconds=3600, seconds=3600)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Broker]:
    """A node of the test's own, to be killed."""
    with Broker(tmp_path / "mortal", tied=True) as node:
        yield node


@pytest.fixture
def publish_to(mortal: Broker) -> Publish:
    """`publish`, at the mortal node."""
    return publishing(mortal.url)


def some(count: int, size: int = 10) -> list[Delivery]:
    return [Delivery(bytes(size), "published", "order.placed", message_id=f"m{number}") for number in range(count)]


async def fails(url: str, binding: QueueBinding, fault: Fault) -> tuple[SourceUnavailable, float]:
    """Take a window and wait for the next while `fault` happens; the error, and seconds from fault to error."""
    async with RabbitQueue(url, binding) as source:
        windows = source.windows(WAITING, None, asyncio.Event())
        held = await anext(windows)
        waiting = asyncio.ensure_future(anext(windows))
        begun = time.monotonic()
        await fault()
        with pytest.raises(SourceUnavailable) as caught:
            await asyncio.wait_for(waiting, 30)
        seconds = time.monotonic() - begun
        with pytest.raises(SourceUnavailable):
            await held.acknowledge()
        with pytest.raises(SourceUnavailable):
            await source.ready()
    return caught.value, seconds


def test_a_killed_broker_is_an_error_at_once(mortal: Broker, queue_binding: QueueBinding, publish_to: Publish) -> None:
    # A classic queue: a single node that is killed within minutes of declaring a quorum queue forgets its messages.
    queue_binding = dataclasses.replace(queue_binding, queue_type="classic")
    publish_to(queue_binding, some(10))
    error, seconds = asyncio.run(fails(mortal.url, queue_binding, lambda: asyncio.to_thread(mortal.kill)))
    assert seconds < 10
    assert mortal.url.split(":")[2].split("@")[0] not in str(error)  # the password

    mortal.start()  # and on the same data nothing that was not acknowledged is lost

    async def again() -> int:
        async with RabbitQueue(mortal.url, queue_binding) as source:
            return await source.ready()

    assert asyncio.run(again()) == 10


def test_a_stopped_broker_is_an_error(mortal: Broker, queue_binding: QueueBinding, publish_to: Publish) -> None:
    publish_to(queue_binding, some(10))
    asyncio.run(fails(mortal.url, queue_binding, lambda: asyncio.to_thread(mortal.stop)))


def test_a_queue_deleted_while_consuming_is_an_error(
    broker: Broker, queue_binding: QueueBinding, publish: Publish
) -> None:
    publish(queue_binding, some(10))

    async def delete() -> None:
        connection = await aiormq.connect(broker.url)
        await (await connection.channel()).queue_delete(queue_binding.queue)
        await connection.close()

    async def deleted() -> None:
        async with RabbitQueue(broker.url, queue_binding) as source:
            windows = source.windows(WAITING, None, asyncio.Event())
            await anext(windows)
            waiting = asyncio.ensure_future(anext(windows))
            await delete()
            with pytest.raises(SourceUnavailable, match="deleted"):
                await asyncio.wait_for(waiting, 30)

    asyncio.run(deleted())


def test_a_channel_closed_by_the_broker_is_an_error(
    broker: Broker, queue_binding: QueueBinding, publish: Publish
) -> None:
    publish(queue_binding, some(10))

    async def closed() -> None:
        async with RabbitQueue(broker.url, queue_binding) as source:
            windows = source.windows(WAITING, None, asyncio.Event())
            await anext(windows)
            waiting = asyncio.ensure_future(anext(windows))
            assert source._channel is not None
            await source._channel.basic_ack(9999)  # an unknown tag: 406, as a consumer timeout gives
            with pytest.raises(SourceUnavailable, match="PRECONDITION_FAILED"):
                await asyncio.wait_for(waiting, 30)

    asyncio.run(closed())


def test_large_messages_do_not_fill_the_memory(broker: Broker, queue_binding: QueueBinding, publish: Publish) -> None:
    """200 messages of 1 MB in windows of 8 MB, slowly committed: held here and taken from the broker stay bounded."""
    for _ in range(10):
        publish(queue_binding, some(20, MEGABYTE))

    async def slow() -> tuple[int, int]:
        async with RabbitQueue(broker.url, queue_binding) as source, RabbitQueue(broker.url, queue_binding) as watch:
            count = most = 0
            async for window in source.windows(Bounds(bytes=8 * MEGABYTE), None, asyncio.Event()):
                assert sum(len(delivery.body) for delivery in window.deliveries) <= 8 * MEGABYTE
                count += len(window.deliveries)
                await asyncio.to_thread(time.sleep, 0.05)  # the commit
                most = max(most, 200 - count - await watch.ready())  # taken, and not in this window
                await window.acknowledge()
                del window
            return count, most

    tracemalloc.start()
    try:
        count, most = asyncio.run(slow())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 200
    assert peak < 32 * MEGABYTE
    assert most <= 24


def test_a_window_is_larger_than_a_consumers_prefetch_and_one_ack_covers_it(
    broker: Broker, queue_binding: QueueBinding, publish: Publish
) -> None:
    publish(queue_binding, some(5000))

    async def one() -> tuple[int, int]:
        async with RabbitQueue(broker.url, queue_binding) as source:
            (window,) = await _all(source, Bounds())
            await window.acknowledge()
            size = len(window.deliveries)
        async with RabbitQueue(broker.url, queue_binding) as source:
            return size, await source.ready()

    assert asyncio.run(one()) == (5000, 0)


async def _all(source: RabbitQueue, bounds: Bounds) -> list[Window]:
    return [window async for window in source.windows(bounds, None, asyncio.Event())]


def test_the_source_names_exchange_and_queue(broker: Broker, queue_binding: QueueBinding, publish: Publish) -> None:
    publish(queue_binding, some(1))

    async def one() -> str:
        async with RabbitQueue(broker.url, queue_binding) as source:
            assert source.application == f"land:{queue_binding.queue}"
            assert broker.url.split(":")[2].split("@")[0] not in repr(source)
            return (await _all(source, Bounds()))[0].deliveries[0].source

    assert asyncio.run(one()) == f"{queue_binding.exchange}/{queue_binding.queue}"


def _enter(url: str, binding: QueueBinding) -> None:
    async def enter() -> None:
        async with RabbitQueue(url, binding):
            pass

    asyncio.run(enter())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"exchange_type": "fanout"}, r"exchange .* with type = 'topic', but the contract says 'fanout'"),
        ({"queue_type": "classic"}, r"queue .* with x-queue-type = 'quorum', but the contract says 'classic'"),
        ({"arguments": (("x-max-length", 5),)}, r"queue .* without x-max-length, but the contract says '5'"),
        ({"queue_type": "stream"}, r"queue .* with x-queue-type = 'quorum', but the contract says 'stream'"),
        ({"arguments": (("x-single-active-consumer", True),)}, "one active consumer"),
        ({"queue": "q" * 300}, "length"),
        ({"exchange": "amq.nowhere"}, "may not make it"),
    ],
)
def test_a_different_topology_is_told_in_words(
    change: dict[str, object], says: str, broker: Broker, queue_binding: QueueBinding
) -> None:
    _enter(broker.url, queue_binding)
    _enter(broker.url, queue_binding)  # declaring is idempotent
    with pytest.raises(TopologyError, match=says) as caught:
        _enter(broker.url, dataclasses.replace(queue_binding, **change))  # type: ignore[arg-type]  # one field
    assert caught.value.remedy


def test_wrong_urls_are_told_apart_and_never_show_the_password(broker: Broker, queue_binding: QueueBinding) -> None:
    where = f"127.0.0.1:{broker.port}"
    cases: list[tuple[str, type[LakepostError], str]] = [
        (f"amqp://lakepost:secret@{where}/", ConfigurationError, "wrong password"),
        (broker.url + "nowhere", ConfigurationError, "vhost nowhere not found"),
        (f"amqp://lakepost:secret@127.0.0.1:{free_port()}/", SourceUnavailable, "127.0.0.1"),
        ("http://lakepost:secret@127.0.0.1/", ConfigurationError, "amqp://"),
        ("amqp://lakepost:secret@127.0.0.1:99999/", ConfigurationError, "amqp://"),
        ("", ConfigurationError, "amqp://"),
    ]
    for url, kind, says in cases:
        with pytest.raises(kind, match=says) as caught:
            _enter(url, queue_binding)
        assert "secret" not in f"{caught.value!r} {caught.value}"
        assert broker.url.split(":")[2].split("@")[0] not in f"{caught.value!r}"


def test_examining_makes_nothing_and_tells_what_is_wrong(
    broker: Broker, queue_binding: QueueBinding, publish: Publish
) -> None:
    def look(binding: QueueBinding, url: str = broker.url) -> dict[str, tuple[bool, str]]:
        return {finding.name: (finding.ok, finding.says) for finding in asyncio.run(examine(url, binding))}

    for _ in range(2):  # the first look made nothing
        found = look(queue_binding)
        assert found["broker"][0]
        assert not found["exchange"][0]
        assert not found["queue"][0]
    publish(queue_binding, some(3))
    found = look(queue_binding)
    assert all(ok for ok, _ in found.values())
    assert "3 waiting" in found["messages"][1]
    other = look(dataclasses.replace(queue_binding, queue_type="classic", exchange_type="direct"))
    assert other["exchange"] == (
        False,
        f"the exchange {queue_binding.exchange!r} exists with type = 'topic', but the contract says 'direct'",
    )
    assert not other["queue"][0]
    assert list(look(queue_binding, f"amqp://a:b@127.0.0.1:{free_port()}/")) == ["broker"]


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_a_window_that_is_committed_for_long_does_not_end_the_run(
    broker: Broker, queue_binding: QueueBinding, publish: Publish, kind: str
) -> None:
    """It holds its credit until it is acknowledged, so nothing comes meanwhile; that is no empty queue."""
    binding = dataclasses.replace(queue_binding, queue_type=kind)
    publish(binding, some(50))

    async def slow() -> int:
        async with RabbitQueue(broker.url, binding) as source:
            windows = source.windows(Bounds(rows=10, idle_seconds=0.1), None, asyncio.Event())
            held, seen = await anext(windows), 10
            while seen < 50:
                following = asyncio.ensure_future(anext(windows))
                await asyncio.wait({following}, timeout=0.5)  # the commit
                await held.acknowledge()
                held = await following
                seen += len(held.deliveries)
            await held.acknowledge()
            return seen

    assert asyncio.run(slow()) == 50

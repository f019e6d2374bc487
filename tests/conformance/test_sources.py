"""What every source does, whichever it is: one suite over the memory fake and RabbitMQ's queues and streams."""

from __future__ import annotations

import asyncio
import time

import pytest

from ingest.model.delivery import Bounds, Window
from tests.conformance.kinds import Kind, drained, given_back, ids, order, orders, run


def test_what_was_published_comes_once_in_order_in_windows_of_the_right_size(kind: Kind) -> None:
    kind.publish(orders(2500))
    windows = run(kind, Bounds(rows=1000))
    assert [len(window.deliveries) for window in windows] == [1000, 1000, 500]
    assert ids(windows) == [f"m{number}" for number in range(2500)]
    assert not any(delivery.redelivered for window in windows for delivery in window.deliveries)
    assert run(kind, Bounds()) == []


def test_what_was_not_acknowledged_comes_again_and_only_that(queue: Kind) -> None:
    queue.publish(orders(30))

    async def leaves_the_second_window() -> None:
        async with queue.make() as source:
            windows = source.windows(Bounds(rows=10), None, asyncio.Event())
            await (await anext(windows)).acknowledge()
            await anext(windows)

    asyncio.run(leaves_the_second_window())
    given_back(queue, 20)
    windows = run(queue, Bounds(rows=100))
    assert ids(windows) == [f"m{number}" for number in range(10, 30)]
    again = {delivery.message_id for delivery in windows[0].deliveries if delivery.redelivered}
    assert {f"m{number}" for number in range(10, 20)} <= again


def test_acknowledging_a_later_window_does_not_acknowledge_an_earlier_one(queue: Kind) -> None:
    queue.publish(orders(30))

    async def acknowledges_the_second_only() -> None:
        async with queue.make() as source:
            windows = await drained(source, Bounds(rows=10), acknowledge=False)
            await windows[1].acknowledge()
            await windows[1].acknowledge()  # twice is once

    asyncio.run(acknowledges_the_second_only())
    given_back(queue, 20)
    expected = [f"m{number}" for number in (*range(10), *range(20, 30))]
    assert sorted(str(one) for one in ids(run(queue, Bounds()))) == sorted(expected)


def test_at_most_max_messages_are_taken_and_the_rest_is_untouched(kind: Kind) -> None:
    kind.publish(orders(100))
    assert ids(run(kind, Bounds(rows=10, max_messages=25))) == [f"m{number}" for number in range(25)]
    rest = run(kind, Bounds())
    assert ids(rest) == [f"m{number}" for number in range(25, 100)]
    assert not any(delivery.redelivered for delivery in rest[0].deliveries)


def test_by_default_a_run_takes_what_was_ready_at_its_start(kind: Kind) -> None:
    kind.publish(orders(10))

    async def publishes_meanwhile() -> list[str | None]:
        async with kind.make() as source:
            windows: list[Window] = []
            async for window in source.windows(Bounds(rows=5), None, asyncio.Event()):
                windows.append(window)
                await asyncio.to_thread(kind.publish, orders(5, first=100 * len(windows)))
                await window.acknowledge()
            return ids(windows)

    assert asyncio.run(publishes_meanwhile()) == [f"m{number}" for number in range(10)]
    assert len(ids(run(kind, Bounds()))) == 10


def test_with_max_seconds_a_run_goes_on_with_what_arrives_until_then(kind: Kind) -> None:
    kind.publish(orders(5))

    async def publishes_meanwhile() -> tuple[list[str | None], float]:
        async with kind.make() as source:
            begun = time.monotonic()
            windows: list[Window] = []
            async for window in source.windows(Bounds(rows=5, max_seconds=1.5), None, asyncio.Event()):
                if not windows:
                    await asyncio.to_thread(kind.publish, orders(8, first=5))
                windows.append(window)
                await window.acknowledge()
            return ids(windows), time.monotonic() - begun

    seen, seconds = asyncio.run(publishes_meanwhile())
    assert seen == [f"m{number}" for number in range(13)]
    assert seconds >= 1.4


def test_an_empty_queue_ends_at_once(kind: Kind) -> None:
    kind.publish([])

    async def timed() -> float:
        async with kind.make() as source:
            assert await source.ready() == 0
            begun = time.monotonic()
            assert await drained(source, Bounds(idle_seconds=30)) == []
            return time.monotonic() - begun

    assert asyncio.run(timed()) < 5


def test_ready_counts_what_waits(kind: Kind) -> None:
    kind.publish(orders(7))

    async def counts() -> int | None:
        async with kind.make() as source:
            return await source.ready()

    assert asyncio.run(counts()) == 7


def test_stop_gives_the_window_under_way_as_it_is(kind: Kind) -> None:
    kind.publish(orders(3))

    async def stopped() -> list[int]:
        async with kind.make() as source:
            stop, sizes = asyncio.Event(), []
            asyncio.get_running_loop().call_later(1.0, stop.set)
            async with asyncio.timeout(30):
                async for window in source.windows(Bounds(max_seconds=3600, seconds=3600), None, stop):
                    sizes.append(len(window.deliveries))
                    await window.acknowledge()
            return sizes

    assert asyncio.run(stopped()) == [3]


def test_stop_ends_a_run_between_windows(kind: Kind) -> None:
    kind.publish(orders(30))

    async def stopped() -> int:
        async with kind.make() as source:
            stop, count = asyncio.Event(), 0
            async for window in source.windows(Bounds(rows=10), None, stop):
                count += 1
                stop.set()
                await window.acknowledge()
            return count

    assert asyncio.run(stopped()) == 1
    assert ids(run(kind, Bounds())) == [f"m{number}" for number in range(10, 30)]


def test_a_window_is_given_when_it_is_old_enough(kind: Kind) -> None:
    kind.publish(orders(3))
    windows = run(kind, Bounds(max_seconds=1.5, seconds=0.3))
    assert [len(window.deliveries) for window in windows] == [3]

    async def timed() -> float:
        kind_again = kind.make()
        await asyncio.to_thread(kind.publish, orders(3))
        async with kind_again as source:
            begun = time.monotonic()
            await anext(source.windows(Bounds(max_seconds=60, seconds=0.3), None, asyncio.Event()))
            return time.monotonic() - begun

    assert 0.25 < asyncio.run(timed()) < 20


def test_a_window_is_bounded_by_bytes_and_holds_one_message_whatever_its_size(kind: Kind) -> None:
    kind.publish([order(number, bytes(1000)) for number in range(30)] + [order(99, bytes(50_000))])
    windows = run(kind, Bounds(bytes=10_500))
    sizes = [sum(len(delivery.body) for delivery in window.deliveries) for window in windows]
    assert max(sizes[:-1]) <= 10_500
    assert len(sizes) <= 6
    assert sizes[-1] == 50_000
    assert len(ids(windows)) == 31


def test_a_run_ends_when_somebody_else_took_what_was_ready(queue: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.publish(orders(6))

    async def ten(_after: int | None = None) -> int:
        return 10  # as if it had looked before somebody took four

    async def late() -> list[str | None]:
        async with queue.make() as source:
            monkeypatch.setattr(source, "ready", ten)
            return ids(await drained(source, Bounds(idle_seconds=0.5)))

    assert asyncio.run(late()) == [f"m{number}" for number in range(6)]


def test_two_sources_share_a_queue_without_overlap(queue: Kind) -> None:
    queue.publish(orders(2000))

    async def both() -> list[str | None]:
        async with queue.make() as one, queue.make() as other:
            bounds = Bounds(rows=300, idle_seconds=1)
            first, second = await asyncio.gather(drained(one, bounds), drained(other, bounds))
            return ids(first) + ids(second)

    seen = asyncio.run(both())
    assert len(seen) == 2000
    assert set(seen) == {f"m{number}" for number in range(2000)}


def test_a_source_can_be_entered_again(kind: Kind) -> None:
    kind.publish(orders(20))
    source = kind.make()

    async def twice() -> list[str | None]:
        seen: list[str | None] = []
        for _ in range(2):
            async with source:
                seen += ids(await drained(source, Bounds(rows=4, max_messages=10)))
        return seen

    assert asyncio.run(twice()) == [f"m{number}" for number in range(20)]

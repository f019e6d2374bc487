"""A RabbitMQ stream as a source: where it begins and ends, what is gone, and whether it is the same one."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import aiormq
import pytest

from broker import Broker
from ingest.errors import SourceReplaced, SourceUnavailable, TopologyError
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Bounds, Delivery, Lost, Start, Window
from ingest.sources import stream as module
from ingest.sources.peek import examine_stream, newest, oldest
from ingest.sources.stream import RabbitStream
from tests.conftest import publishing
from tests.sources.publisher import RawPublisher, long, short

Publish = Callable[[QueueBinding, Iterable[Delivery]], None]

SEGMENT = 100_000
SHORT = (("x-max-length-bytes", 3 * SEGMENT), ("x-stream-max-segment-size-bytes", SEGMENT))


@pytest.fixture
def binding(queue_binding: QueueBinding) -> QueueBinding:
    return dataclasses.replace(queue_binding, queue_type="stream")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is slow here: what does not come within a second will not."""
    monkeypatch.setattr(module, "_PATIENT_SECONDS", 1.0)
    monkeypatch.setattr(module, "_QUIET_SECONDS", 0.3)


def some(count: int, first: int = 0, size: int = 10) -> list[Delivery]:
    return [Delivery(bytes(size), "published", "order.placed", message_id=f"m{n}") for n in range(first, first + count)]


def windows(
    broker: Broker,
    binding: QueueBinding,
    after: int | None = None,
    bounds: Bounds = Bounds(),  # noqa: B008 - frozen
    *,
    start: Start | None = None,
    again_until: int | None = None,
) -> list[Window]:
    async def run() -> list[Window]:
        async with RabbitStream(broker.url, binding, start=start, again_until=again_until) as source:
            return [window async for window in source.windows(bounds, after, asyncio.Event())]

    return asyncio.run(run())


def positions(found: list[Window]) -> list[int]:
    read = [delivery.position for window in found for delivery in window.deliveries]
    return [position for position in read if position is not None]


def numbers(found: list[Window]) -> list[int]:
    """The numbers that `some` gave: offsets have gaps where a segment begins."""
    return [int(str(delivery.message_id)[1:]) for window in found for delivery in window.deliveries]


def delete(broker: Broker, binding: QueueBinding) -> None:
    async def gone() -> None:
        connection = await aiormq.connect(broker.url)
        await (await connection.channel()).queue_delete(binding.queue)
        await connection.close()

    asyncio.run(gone())


def read_back(broker: Broker, binding: QueueBinding, after: int) -> Delivery | None:
    async def back() -> Delivery | None:
        async with RabbitStream(broker.url, binding) as source:
            return await source.read_back(after)

    return asyncio.run(back())


def test_a_window_ends_at_an_offset_and_the_next_run_goes_on_from_any(
    broker: Broker, binding: QueueBinding, publish: Publish
) -> None:
    """Chunks hold many messages each: a run may begin and end in the middle of one."""
    publish(binding, some(3000))
    found = windows(broker, binding, bounds=Bounds(rows=1000, max_messages=2500))
    assert [window.position for window in found] == [999, 1999, 2499]
    assert positions(found) == list(range(2500))
    for after in (2499, 0, 1234, 2998):
        assert positions(windows(broker, binding, after)) == list(range(after + 1, 3000))
    assert windows(broker, binding, 2999) == []
    assert windows(broker, binding, 9999) == []


def test_the_offset_is_the_position_and_no_header(broker: Broker, binding: QueueBinding, publish: Publish) -> None:
    publish(binding, [some(1)[0]._replace(headers={"tenant": "a", "x-stream-offset": "a producer's own"})])
    ((delivery,),) = [window.deliveries for window in windows(broker, binding)]
    assert (dict(delivery.headers), delivery.position) == ({"tenant": "a"}, 0)


def test_a_producers_own_headers_of_that_name_do_not_stand_for_the_offset(
    broker: Broker, binding: QueueBinding, publish: Publish
) -> None:
    """The broker replaces the first one only."""
    publish(binding, some(1))
    publisher = RawPublisher(broker.url)
    for own in (b"S" + long(b"mine"), b"l" + struct.pack(">q", 4711)):
        headers = short(b"tenant") + b"S" + long(b"a") + (short(b"x-stream-offset") + own) * 2
        publisher.publish(binding.exchange.encode(), b"order.x", 0x8000 | 0x2000, short(b"a/b") + long(headers), b"{}")
    publisher.close()
    found = windows(broker, binding)
    assert positions(found) == [0, 1, 2]
    assert [dict(delivery.headers) for window in found for delivery in window.deliveries][1:] == [{"tenant": "a"}] * 2
    assert positions(windows(broker, binding, 0)) == [1, 2]


def test_a_run_ends_although_the_stream_grows_all_the_time(
    broker: Broker, binding: QueueBinding, publish: Publish
) -> None:
    publish(binding, some(500))

    async def chased() -> list[int]:
        async with RabbitStream(broker.url, binding) as source:
            found = []
            async for window in source.windows(Bounds(rows=100), None, asyncio.Event()):
                await asyncio.to_thread(publish, binding, some(100))
                found.append(window)
            return positions(found)

    assert asyncio.run(chased()) == list(range(500))


def test_what_was_just_confirmed_is_read(broker: Broker, binding: QueueBinding, publish: Publish) -> None:
    """The number of messages that the broker tells is seconds old."""
    for last in range(5):
        publish(binding, some(1))
        assert positions(windows(broker, binding, last - 1 if last else None)) == [last]


def test_what_is_ready_is_what_stands_behind_the_position(
    broker: Broker, binding: QueueBinding, publish: Publish
) -> None:
    publish(binding, some(20))

    async def ready() -> list[int]:
        async with RabbitStream(broker.url, binding) as source:
            return [await source.ready(after) for after in (None, 0, 18, 19, 99)]

    assert asyncio.run(ready()) == [20, 19, 1, 0, 0]


def test_messages_that_weigh_much_come_a_few_at_a_time(broker: Broker, binding: QueueBinding, publish: Publish) -> None:
    publish(binding, some(60, size=300_000))
    found = windows(broker, binding, bounds=Bounds(bytes=2_000_000))
    assert positions(found) == list(range(60))
    assert max(sum(len(delivery.body) for delivery in window.deliveries) for window in found) <= 2_000_000


class TestRetention:
    """A stream throws its oldest segments away, whether they were read or not."""

    @pytest.fixture
    def first(self, broker: Broker, binding: QueueBinding, publish: Publish) -> int:
        """A stream of which the beginning is gone; the first offset that is left."""
        publish(dataclasses.replace(binding, arguments=SHORT), some(1000, size=1000))
        first = asyncio.run(oldest(broker.url, binding, 5))
        assert first is not None
        assert 0 < first < 1000
        return first

    def test_what_is_gone_is_told_once_and_the_rest_is_read(
        self, broker: Broker, binding: QueueBinding, first: int
    ) -> None:
        binding = dataclasses.replace(binding, arguments=SHORT)
        found = windows(broker, binding, 4, Bounds(rows=200))
        assert found[0].lost == (Lost(5, first - 1),)
        assert not any(window.lost for window in found[1:])
        assert positions(found)[0] == first
        assert numbers(found) == list(range(1000 - len(numbers(found)), 1000))
        assert read_back(broker, binding, 4) is None

    def test_nothing_is_lost_where_nothing_was_landed(self, broker: Broker, binding: QueueBinding, first: int) -> None:
        binding = dataclasses.replace(binding, arguments=SHORT)
        for start in (None, 3):
            found = windows(broker, binding, start=start)
            assert positions(found)[0] == first
            assert not any(window.lost for window in found)
        assert not windows(broker, binding, first - 1)[0].lost

    def test_what_goes_while_it_is_read_is_told(
        self, broker: Broker, binding: QueueBinding, publish: Publish, monkeypatch: pytest.MonkeyPatch, first: int
    ) -> None:
        monkeypatch.setattr(module, "_MOST_UNDER_WAY", 16)  # or the broker has sent all before it is gone
        binding = dataclasses.replace(binding, arguments=SHORT)

        async def overtaken() -> list[Window]:
            async with RabbitStream(broker.url, binding) as source:
                found: list[Window] = []
                async for window in source.windows(Bounds(rows=10, max_seconds=5), first - 1, asyncio.Event()):
                    if not found:
                        await asyncio.to_thread(publish, binding, some(1000, 1000, size=1000))
                    found.append(window)
                    if window.deliveries[-1].message_id == "m1999":
                        break
                return found

        found = asyncio.run(overtaken())
        gone = [offset for window in found for one in window.lost for offset in range(one.first, one.last + 1)]
        lost = [offset for offset in gone if offset > positions(found)[0]]  # below: gone before the first was read
        missing = set(range(numbers(found)[0], 2000)) - set(numbers(found))
        assert missing
        assert len(missing) <= len(lost) <= len(missing) + 20  # the broker has an offset in each segment, too
        assert not set(lost) & set(positions(found))


class TestReplaced:
    """A stream that was deleted and made again begins at offset 0."""

    def test_a_shorter_one_is_told(self, broker: Broker, binding: QueueBinding, publish: Publish) -> None:
        publish(binding, some(10))
        delete(broker, binding)
        publish(binding, some(3))
        with pytest.raises(SourceReplaced, match="ends at offset 2") as caught:
            read_back(broker, binding, 9)
        assert "--adopt-replaced" in caught.value.remedy

    def test_an_empty_one_is_told(self, broker: Broker, binding: QueueBinding, publish: Publish) -> None:
        publish(binding, [])
        with pytest.raises(SourceReplaced, match="is empty"):
            read_back(broker, binding, 9)

    def test_a_longer_one_gives_what_stands_there_now(
        self, broker: Broker, binding: QueueBinding, publish: Publish
    ) -> None:
        publish(binding, some(10))
        delete(broker, binding)
        publish(binding, some(20, first=100))
        found = read_back(broker, binding, 9)
        assert found is not None
        assert (found.position, found.message_id) == (9, "m109")


class TestAgain:
    """A deliberate second reading: from an offset or a time to the stored position, which does not move."""

    def test_from_an_offset(self, broker: Broker, binding: QueueBinding, publish: Publish) -> None:
        publish(binding, some(30))
        found = windows(broker, binding, 777, Bounds(rows=8), start=5, again_until=19)
        assert positions(found) == list(range(5, 20))
        assert {window.position for window in found} == {None}

    def test_from_a_time(self, broker: Broker, binding: QueueBinding, publish: Publish) -> None:
        publish(binding, some(30))
        now = dt.datetime.now(dt.UTC)
        hour = dt.timedelta(hours=1)
        assert positions(windows(broker, binding, start=now - hour, again_until=19)) == list(range(20))
        assert windows(broker, binding, bounds=Bounds(idle_seconds=0.3), start=now + hour, again_until=19) == []

    def test_a_first_landing_begins_there(self, broker: Broker, binding: QueueBinding, publish: Publish) -> None:
        publish(binding, some(30))
        found = windows(broker, binding, start=7)
        assert positions(found) == list(range(7, 30))
        assert found[-1].position == 29


@pytest.mark.soak
def test_a_broker_that_was_restarted_has_the_same_stream_afterwards(tmp_path: Path, binding: QueueBinding) -> None:
    """Not killed: a single node that is killed within minutes of declaring a stream forgets it."""
    with Broker(tmp_path / "mortal", tied=True) as mortal:
        publish = publishing(mortal.url)
        publish(binding, some(25))

        async def restarted() -> None:
            async with RabbitStream(mortal.url, binding) as source:
                found = source.windows(Bounds(rows=10, max_seconds=3600, seconds=3600), None, asyncio.Event())
                assert (await anext(found)).position == 9
                assert (await anext(found)).position == 19
                waiting = asyncio.ensure_future(anext(found))
                await asyncio.to_thread(mortal.stop)
                with pytest.raises(SourceUnavailable):
                    await asyncio.wait_for(waiting, 30)

        asyncio.run(restarted())
        mortal.start()
        found, deadline = None, time.monotonic() + 60
        while found is None:
            assert time.monotonic() < deadline
            with contextlib.suppress(SourceUnavailable):  # the stream is there a moment later than its broker
                found = read_back(mortal, binding, 19)
        assert found.message_id == "m19"
        publish(binding, some(5, first=25))
        assert numbers(windows(mortal, binding, 19)) == list(range(20, 30))


def test_a_stream_deleted_while_it_is_read_gives_what_was_received_and_is_an_error_then(
    broker: Broker, binding: QueueBinding, publish: Publish
) -> None:
    publish(binding, some(15))

    async def deleted() -> None:
        async with RabbitStream(broker.url, binding) as source:
            found = source.windows(Bounds(rows=10, max_seconds=3600, seconds=3600), None, asyncio.Event())
            assert (await anext(found)).position == 9
            waiting = asyncio.ensure_future(anext(found))
            await asyncio.to_thread(delete, broker, binding)
            assert (await asyncio.wait_for(waiting, 30)).position == 14
            with pytest.raises(SourceUnavailable, match="deleted"):
                await asyncio.wait_for(anext(found), 30)

    asyncio.run(deleted())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((("x-max-age", "7D"),), "without x-max-age, but the contract says '7D'"),
        ((("x-max-length-bytes", 1000),), "without x-max-length-bytes, but the contract says '1000'"),
        ((("x-max-age", "7 days"),), "x-max-age"),
    ],
)
def test_a_stream_that_is_not_as_the_contract_says_is_told(
    arguments: tuple[tuple[str, str | int | bool], ...], says: str, broker: Broker, binding: QueueBinding
) -> None:
    windows(broker, binding)
    with pytest.raises(TopologyError, match=says) as caught:
        windows(broker, dataclasses.replace(binding, arguments=arguments))
    assert caught.value.remedy


def test_doctor_tells_which_offsets_there_are(broker: Broker, binding: QueueBinding, publish: Publish) -> None:
    publish(binding, [])
    assert asyncio.run(newest(broker.url, binding, 0.3)) is None
    publish(binding, some(3))
    found = asyncio.run(examine_stream(broker.url, binding))
    assert (found.ok, found.says) == (True, f"0 to 2 in the stream {binding.queue!r}")

"""What a real broker gives up, for each of its reasons, is landed, waits in quarantine and is replayed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aio_pika
import pytest

from ingest import api
from ingest.errors import TopologyError
from ingest.model.replay import Filter
from ingest.sources.rabbitmq import RabbitQueue
from tests.live import Live
from tests.steps.shop import order


def with_dead_letters(live: Live, *, kind: str = "quorum", arguments: str = "{}", more: str = "") -> None:
    """Give the contract a dead-letter queue."""
    queue = live.contract.queues[0].queue
    live.rewrite(
        "queueType: quorum",
        f"queueType: {kind}\n          arguments: {arguments}"
        f"\n          deadLetter: {{exchange: {queue}.dlx, queue: {queue}.dead{more}}}",
    )


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def waiting(live: Live, place: int) -> int:
    """Messages that wait in a queue of the contract."""

    async def ready() -> int:
        async with RabbitQueue(live.broker.url, live.contract.queues[place]) as queue:
            return await queue.ready()

    return asyncio.run(ready())


async def taken(url: str, queue: str, *, reject: bool) -> None:
    """Take one message: reject it, or go away with it."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        got = await (await channel.get_queue(queue)).get(timeout=20)
        if reject:
            await got.reject(requeue=False)


def rejected(live: Live) -> None:
    asyncio.run(taken(live.broker.url, live.contract.queues[0].queue, reject=True))


def given_back_twice(live: Live) -> None:
    for _ in range(2):
        asyncio.run(taken(live.broker.url, live.contract.queues[0].queue, reject=False))


def nothing(_: Live) -> None:
    pass


CAUSES: list[tuple[str, str, str, Callable[[Live], None]]] = [
    ("rejected", "quorum", "{}", rejected),
    ("delivery_limit", "quorum", "{x-delivery-limit: 1}", given_back_twice),
    ("expired", "classic", "{x-message-ttl: 1}", nothing),
    ("maxlen", "classic", "{x-max-length: 0}", nothing),
]


@pytest.mark.parametrize(("reason", "kind", "arguments", "cause"), CAUSES, ids=[cause[0] for cause in CAUSES])
def test_it_is_landed_with_the_reason_and_replayed(
    live: Live, reason: str, kind: str, arguments: str, cause: Callable[[Live], None]
) -> None:
    with_dead_letters(live, kind=kind, arguments=arguments)
    for source in reversed(live.contract.queues):
        asyncio.run(declared(live, source))
    live.publish([order("e1")])
    cause(live)
    until(lambda: waiting(live, 1) == 1)
    assert api.land(live.settings, live.dataset).landed == 1
    assert api.curate(live.settings, live.dataset).quarantined == 1
    (row,), _ = api.quarantine_rows(live.settings, live.dataset, Filter(), 10)
    main, dead = live.contract.queues
    assert (row["reason"], row["event_id"]) == ("dead-lettered", "e1")
    assert reason in row["detail"]
    assert main.queue in row["detail"]
    assert (row["source"], row["routing_key"]) == (f"{main.exchange}/{dead.queue}", "order.placed")
    assert api.replay(live.settings, live.dataset).curated == 1
    live.publish([order("e1")])
    if reason in {"rejected", "delivery_limit"}:
        assert api.ingest(live.settings, live.dataset).duplicates == 1, "the event that the dead letter was"


async def declared(live: Live, source: Any) -> None:
    async with RabbitQueue(live.broker.url, source):
        pass


def test_a_queue_that_was_made_without_it_is_told(live: Live) -> None:
    asyncio.run(declared(live, live.contract.queues[0]))
    with_dead_letters(live)
    with pytest.raises(TopologyError, match="without x-dead-letter-exchange") as refused:
        api.land(live.settings, live.dataset)
    assert "policy" in refused.value.remedy


def test_a_policy_may_say_it_instead(live: Live) -> None:
    """The queue exists and cannot be changed: its arguments stay as they are."""
    asyncio.run(declared(live, live.contract.queues[0]))
    with_dead_letters(live, more=", byPolicy: true")
    main, dead = live.contract.queues
    asyncio.run(declared(live, dead))
    definition = f'{{"dead-letter-exchange": "{dead.exchange}", "dead-letter-routing-key": "{dead.queue}"}}'
    live.broker.ctl("set_policy", main.queue, f"^{main.queue}$", definition, "--apply-to", "queues")
    live.publish([order("e1")])
    until(lambda: waiting(live, 0) == 1)
    rejected(live)
    until(lambda: waiting(live, 1) == 1)
    assert api.land(live.settings, live.dataset).landed == 1

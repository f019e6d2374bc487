"""A dataset on a real broker, a backlog with a ledger, the command in processes of its own, and the one check."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aio_pika

import ledger
import shop_publish
from ingest.model.contract import QueueBinding
from ingest.sources.topology import declare
from shop import Sent, messages
from tests.faults.child import Lakepost
from tests.live import Live

__all__ = ["Scene", "spread", "until"]

NO_SETTINGS: Mapping[str, object] = {}


def until(what: str, condition: Callable[[], bool], within: float = 30.0) -> None:
    """Wait for a condition; fails with `what` was waited for."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"after {within} s still not: {what}"
        time.sleep(0.01)


class Scene:
    """`orders` on a queue of its own, and the shop's stream of `count` messages for it: 4 % poison, 1 % duplicates.

    `seed` makes the stream. `kind` is the queue's type, `shaped` changes the contract further.
    """

    def __init__(
        self,
        live: Live,
        folder: Path,
        *,
        count: int,
        seed: int,
        kind: str = "quorum",
        shaped: Callable[[Live], None] = lambda _: None,
    ) -> None:
        self.live, self.broker = live, live.broker
        self._seed, self._count = seed, count
        self._stream: Iterator[Sent] = messages(count, seed)
        self._folder = folder
        self._commands: list[Lakepost] = []
        self._ledger = ledger.LedgerWriter(folder / "ledger.jsonl", messages=count, seed=seed).__enter__()
        live.rewrite("queueType: quorum", f"queueType: {kind}")
        live.rewrite("maxRejectedShare: 0.05", "maxRejectedShare: 1.0")  # the gate is not what is looked at
        shaped(live)
        self.declare()

    @property
    def queue(self) -> str:
        """The name of the first queue."""
        return self.live.contract.sources[0].queue

    def declare(self) -> None:
        """Make the queues as the contract says."""
        asyncio.run(_declare(self.broker.url, self.live.contract.sources))

    def close(self) -> None:
        """End the commands that still run."""
        for command in self._commands:
            command.kill()
        self._ledger.__exit__(None, None, None)

    def publish(self, count: int | None = None, *, url: str | None = None) -> None:
        """Send the next `count` messages of the stream, or all that are left, and wait for the confirms."""
        some = itertools.islice(self._stream, count)
        exchange = self.live.contract.sources[0].exchange
        shop_publish.publish(url or self.broker.url, some, exchange=exchange, progress=self._ledger.record)

    def start(
        self,
        *arguments: str,
        url: str | None = None,
        settings: Mapping[str, object] = NO_SETTINGS,
        sabotage: Callable[[], None] | None = None,
    ) -> Lakepost:
        """`lakepost ARGUMENTS --json` on its own, at the broker or at `url`; `settings` as `window_rows`."""
        given = {f"LAKEPOST_{name.upper()}": str(value) for name, value in settings.items()}
        given = self.live.environment | ({"LAKEPOST_RABBITMQ_URL": url} if url else {}) | given
        self._commands.append(Lakepost(self._folder / "said", [*arguments, "--json"], given, sabotage))
        return self._commands[-1]

    def run(
        self, *arguments: str, url: str | None = None, settings: Mapping[str, object] = NO_SETTINGS
    ) -> tuple[int, dict[str, Any]]:
        """The exit code and what it told, of a command that runs to its end."""
        command = self.start(*arguments, url=url, settings=settings)
        return command.code(), command.told()

    def holding(self, count: int, *, window_rows: int) -> Lakepost:
        """A `land` that has taken all of the queue's messages, and has the last `count` in a window under way."""
        settings = {"window_rows": window_rows, "window_seconds": 600}
        land = self.start("land", "orders", "--max-seconds", "600", settings=settings)
        until("land holds what was published", lambda: self.depth() == (0, count))
        return land

    def depth(self) -> tuple[int, int]:
        """Messages of the contract's queues that are ready, and that are with somebody."""
        queues = {binding.queue for binding in self.live.contract.sources}
        told = self.broker.ctl("list_queues", "name", "messages_ready", "messages_unacknowledged")
        lines = [line.split("\t") for line in told.splitlines()]
        mine = [(int(ready), int(taken)) for name, ready, taken in lines if name in queues]
        return sum(ready for ready, _ in mine), sum(taken for _, taken in mine)

    def taken_back(self) -> None:
        """Wait until the broker knows of nobody any more who holds messages."""
        until("the broker has taken back what was in hand", lambda: self.depth()[1] == 0)

    def ingested(self) -> dict[str, Any]:
        """What `lakepost ingest` tells that takes all that is left."""
        self.taken_back()
        code, told = self.run("ingest", "orders")
        assert code == 0, (self._seed, told)
        return told

    def finishes(self) -> ledger.Verdict:
        """After the fault, `lakepost ingest` once more: curated has every event once, quarantine every poison message.

        So has the account, and nothing waits in a queue.
        """
        self.ingested()
        return self.holds()

    def holds(self) -> ledger.Verdict:
        """The check itself: what was published against what the lake holds, read by DuckDB and not by the product."""
        self._ledger.__exit__(None, None, None)
        assert self.depth() == (0, 0), f"seed {self._seed}"
        found = ledger.check(self._folder / "ledger.jsonl", self.live.lake)
        assert found.ok, (f"seed {self._seed}", found)
        assert found.sent == self._count
        return found


async def _declare(url: str, bindings: Iterable[QueueBinding]) -> None:
    async with await aio_pika.connect(url) as connection:
        for binding in bindings:
            await declare(connection, binding)


def spread(live: Live) -> None:
    """Two queues, each with some of the routing keys, which give up soon; and a third for what they give up."""
    name = live.contract.sources[0].queue
    keys = {f"{name}.open": ("placed", "paid", "packed"), f"{name}.done": ("delivering", "delivered", "cancelled")}
    told = [
        f"{{queue: {queue}, routingKeys: [{', '.join(f'order.{key}' for key in of)}]}}" for queue, of in keys.items()
    ]
    live.rewrite(f"queue: {name}\n", f"queues: [{', '.join(told)}]\n")
    more = "arguments: {x-delivery-limit: 2}\n          deadLetter: {queue: " + name + ".dead}"
    live.rewrite('routingKeys: ["order.#"]', more)

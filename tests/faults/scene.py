"""A dataset on a real broker, a backlog with a ledger, the command in processes of its own, and the one check."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import aio_pika
from deltalake import DeltaTable

import ledger
import shop_publish
from ingest.model.contract import QueueBinding
from ingest.sources.topology import declare
from shop import Kind, messages
from tests.faults.child import Lakepost
from tests.live import Live

__all__ = ["Scene", "spread", "until"]

_DEPTHS = """
    [case amqqueue:get_type(Q) of
        rabbit_classic_queue ->
            [{_, A}, {_, B}] = rabbit_amqqueue:info(Q, [messages_ready, messages_unacknowledged]),
            {element(4, amqqueue:get_name(Q)), A, B};
        rabbit_quorum_queue ->
            P = amqqueue:get_pid(Q),
            F = fun(W) ->
                case ra:local_query(P, fun(S) -> rabbit_fifo:W(S) end) of {ok, {_, C}, _} -> C; _ -> -1 end
            end,
            {element(4, amqqueue:get_name(Q)), F(query_messages_ready), F(query_messages_checked_out)};
        _ -> stream
    end || Q <- rabbit_amqqueue:list()].
"""  # asked of the queues themselves: what is listed of a quorum queue is seconds old
NO_SETTINGS: Mapping[str, object] = {}


def until(what: str, condition: Callable[[], bool], within: float = 60.0) -> None:
    """Wait for a condition; fails with `what` was waited for."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"after {within} s still not: {what}"
        time.sleep(0.01)


class Scene:
    """`orders` on a queue of its own, and the shop's stream of `count` messages for it: 4 % poison, 1 % duplicates.

    `seed` makes the stream. `kind` is the queue's type, `shaped` changes the contract further. A queue that `keeps` is
    a stream: nobody takes anything out of it, and nothing comes twice.
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
        self.live, self.broker, self.keeps = live, live.broker, kind == "stream"
        self._seed = seed
        # In a stream the offset is an id: nothing is without one.
        stream = [one for one in messages(count, seed) if not (self.keeps and one.kind is Kind.NO_IDENTITY)]
        self._stream, self.count = iter(stream), len(stream)
        self._folder = folder
        self._published = 0
        self._commands: list[Lakepost] = []
        self._ledger = ledger.LedgerWriter(folder / "ledger.jsonl", messages=self.count, seed=seed).__enter__()
        live.rewrite("queueType: quorum", f"queueType: {kind}")
        live.rewrite("maxRejectedShare: 0.05", "maxRejectedShare: 1.0")  # the gate is not what is looked at
        shaped(live)
        self.declare()

    @property
    def queue(self) -> str:
        """The name of the first queue."""
        return self.live.contract.queues[0].queue

    def declare(self) -> None:
        """Make the queues as the contract says."""
        asyncio.run(_declare(self.broker.url, self.live.contract.queues))

    def close(self) -> None:
        """End the commands that still run."""
        for command in self._commands:
            command.kill()
        self._ledger.__exit__(None, None, None)

    def publish(self, count: int | None = None, *, url: str | None = None) -> None:
        """Send the next `count` messages of the stream, or all that are left, and wait for the confirms."""
        some = list(itertools.islice(self._stream, count))
        self._published += len(some)
        exchange = self.live.contract.queues[0].exchange
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
        if self.keeps:
            until("land has committed what comes before", lambda: self.landed() == self._published - count)
        else:
            until("land holds what was published", lambda: self.depth() == (0, count))
        return land

    def landed(self) -> int:
        """Rows of raw; 0 before there is one."""
        raw = str(self.live.lake / "raw" / "orders")
        return DeltaTable(raw).count() if DeltaTable.is_deltatable(raw) else 0

    def depth(self) -> tuple[int, int]:
        """Messages of the contract's queues that are ready, and that are with somebody; -1 while a queue starts."""
        told = re.findall(r'<<"([^"]*)">>,(-?\d+),(-?\d+)', self.broker.ctl("eval", _DEPTHS).replace("\n", ""))
        queues = {binding.queue for binding in self.live.contract.queues}
        mine = [(int(ready), int(taken)) for name, ready, taken in told if name in queues]
        if any(-1 in counts for counts in mine):
            return -1, -1
        return sum(ready for ready, _ in mine), sum(taken for _, taken in mine)

    def taken_back(self) -> None:
        """Wait until the broker knows of nobody any more who holds messages."""
        until("the broker has taken back what was in hand", lambda: self.keeps or self.depth()[1] == 0)

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

    def swept(self) -> None:
        """What writers left behind that were killed, or found no room, is removed: readers by glob would see it."""
        code, told = self.run("vacuum", "orders", "--older-than", "0", "--nobody-is-active")
        assert code == 0, (self._seed, told)

    def holds(self) -> ledger.Verdict:
        """The check itself: what was published against what the lake holds, read by DuckDB and not by the product."""
        self._ledger.__exit__(None, None, None)
        assert self.keeps or self.depth() == (0, 0), f"seed {self._seed}"
        found = ledger.check(self._folder / "ledger.jsonl", self.live.lake)
        assert found.ok, (f"seed {self._seed}", found)
        assert found.sent == self.count
        assert found.redelivered == 0 or not self.keeps, (f"seed {self._seed}", found)
        return found


async def _declare(url: str, bindings: Iterable[QueueBinding]) -> None:
    async with await aio_pika.connect(url) as connection:
        for binding in bindings:
            await declare(connection, binding)


def spread(live: Live) -> None:
    """Two queues, each with some of the routing keys, which give up soon; and a third for what they give up."""
    name = live.contract.queues[0].queue
    keys = {f"{name}.open": ("placed", "paid", "packed"), f"{name}.done": ("delivering", "delivered", "cancelled")}
    told = [
        f"{{queue: {queue}, routingKeys: [{', '.join(f'order.{key}' for key in of)}]}}" for queue, of in keys.items()
    ]
    live.rewrite(f"queue: {name}\n", f"queues: [{', '.join(told)}]\n")
    more = "arguments: {x-delivery-limit: 2}\n          deadLetter: {queue: " + name + ".dead}"
    live.rewrite('routingKeys: ["order.#"]', more)

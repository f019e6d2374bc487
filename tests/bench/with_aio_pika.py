"""aio-pika as it is meant to be used, a consumer with a callback that keeps nothing: what land is compared with.

usage: with_aio_pika.py URL QUEUE COUNT PREFETCH
"""

from __future__ import annotations

import asyncio
import sys
import time

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

_TOGETHER = 1_000  # messages under one acknowledgement


async def drained(url: str, name: str, count: int, prefetch: int) -> float:
    """Take and acknowledge `count` messages; returns messages a second, from the first question on."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=prefetch)
        queue = await channel.get_queue(name)
        done, taken = asyncio.Event(), 0

        async def keep_nothing(message: AbstractIncomingMessage) -> None:
            nonlocal taken
            taken += 1
            if taken % _TOGETHER == 0 or taken == count:
                await message.ack(multiple=True)
            if taken == count:
                done.set()

        begun = time.perf_counter()
        await queue.consume(keep_nothing)
        await done.wait()
        return count / (time.perf_counter() - begun)


if __name__ == "__main__":
    url, name, count, prefetch = sys.argv[1:]
    print(asyncio.run(drained(url, name, int(count), int(prefetch))))  # noqa: T201 - the answer to whoever started it

"""Connecting while the network fails: whatever the client raises, it is worth another try, and nothing else."""

from __future__ import annotations

import asyncio
import random

import pytest

from broker import Broker
from ingest.errors import SourceUnavailable
from ingest.sources.connection import broker_errors, connect
from tests.faults.proxy import Fault, How, Proxy, Side


def test_the_end_of_the_stream_between_two_frames_is_an_error_of_ours() -> None:
    """The client says it by an exception of the language, which is no error anywhere else."""
    with pytest.raises(SourceUnavailable, match="closed the connection while asking"), broker_errors("asking"):
        raise StopAsyncIteration


def test_a_handshake_that_is_cut_anywhere_is_worth_another_try(broker: Broker) -> None:
    async def handshake(url: str) -> None:
        connection, transport = await connect(url, "test", lambda: None)
        await connection.close()
        transport.abort()

    chance, ends = random.Random(1), 0
    with Proxy(broker.port) as proxy:
        for _ in range(60):
            proxy.fault = Fault(
                chance.choice([How.CLOSE, How.RESET]), chance.choice(list(Side)), chance.randrange(1, 600)
            )
            try:
                asyncio.run(handshake(proxy.url(broker.url)))
            except SourceUnavailable:
                ends += 1
    assert ends > 30

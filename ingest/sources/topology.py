"""The queue, its exchange and how they hang together: made as the contract says, and looked at for `doctor`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from ingest.errors import LakepostError, TopologyError
from ingest.model.contract import QueueBinding
from ingest.model.finding import Finding
from ingest.sources.compare import compare_exchange, compare_queue, depth, scratch
from ingest.sources.connection import CONNECT_SECONDS, broker_errors, connect, place
from ingest.sources.hazards import hazards, version_of

__all__ = ["declare", "examine", "visit"]

_log = structlog.get_logger(__name__)


async def declare(connection: AbstractConnection, binding: QueueBinding) -> None:
    """Make sure that exchange, queue and bindings are there, without changing what exists.

    A user without the right to configure is fine as long as both exist. What would lose messages is logged.

    Raises:
        TopologyError: what exists is not what the contract says, or is absent and may not be made.
        SourceUnavailable: the broker went away.
    """
    for hazard in hazards(binding, version_of(connection)):
        if not hazard.ok:
            _log.warning("messages may be lost", what=hazard.says, remedy=hazard.remedy)
    with broker_errors(f"declaring the queue {binding.queue!r}"):
        await compare_exchange(connection, binding)
        await compare_queue(connection, binding)
        if not binding.exchange:
            return  # the default exchange reaches every queue by its name
        for routing_key in binding.routing_keys:
            with contextlib.suppress(ChannelAccessRefused):  # then whoever made the queue bound it
                async with scratch(connection) as channel:
                    queue = await channel.get_queue(binding.queue, ensure=False)
                    await queue.bind(binding.exchange, routing_key, timeout=CONNECT_SECONDS)


async def examine(url: str, binding: QueueBinding) -> list[Finding]:
    """Look at broker, exchange and queue without making or changing anything. Raises nothing of the broker's."""
    findings: list[Finding] = []
    try:
        async with visit(url, "lakepost doctor") as connection:
            version = version_of(connection)
            told = ".".join(map(str, version)) or "of an unknown version"
            findings.append(Finding("broker", ok=True, says=f"RabbitMQ {told} answers at {place(url)}"))
            findings.append(await _look_at_exchange(connection, binding))
            findings += await _look_at_queue(connection, binding)
            findings += hazards(binding, version)
    except LakepostError as error:
        findings.append(Finding("queue" if findings else "broker", ok=False, says=error.message, remedy=error.remedy))
    return findings


@contextlib.asynccontextmanager
async def visit(url: str, name: str) -> AsyncIterator[AbstractConnection]:
    """A connection called `name`, for questions. What the client raises meanwhile becomes `SourceUnavailable`."""
    connection, transport = await connect(url, name, lambda: None)
    try:
        with broker_errors("looking at the broker"):
            yield connection
    finally:
        with contextlib.suppress(LakepostError), broker_errors("leaving"):
            await connection.close()
        transport.abort()


async def _look_at_exchange(connection: AbstractConnection, binding: QueueBinding) -> Finding:
    name = binding.exchange
    if not name:
        return Finding("exchange", ok=True, says="the default exchange")
    try:
        async with scratch(connection) as channel:
            await channel.declare_exchange(name, passive=True, timeout=CONNECT_SECONDS)
        compared = await compare_exchange(connection, binding)  # it exists, so this declares nothing
    except ChannelNotFoundEntity:
        return Finding(
            "exchange", ok=False, says=f"there is no exchange {name!r}", remedy="`lakepost land` declares it"
        )
    except TopologyError as error:
        return Finding("exchange", ok=False, says=error.message, remedy=error.remedy)
    return Finding(
        "exchange", ok=True, says=f"{name!r}{f' of type {binding.exchange_type}' if compared else _UNCOMPARED}"
    )


async def _look_at_queue(connection: AbstractConnection, binding: QueueBinding) -> list[Finding]:
    try:
        waiting, consumers = await depth(connection, binding.queue)
        compared = await compare_queue(connection, binding)
    except TopologyError as error:
        return [Finding("queue", ok=False, says=error.message, remedy=error.remedy)]
    told = f"{binding.queue!r}{f' of type {binding.queue_type}' if compared else _UNCOMPARED}"
    return [
        Finding("queue", ok=True, says=told + (_BY_POLICY if binding.dead_letters_by_policy else "")),
        Finding("messages", ok=True, says=f"{waiting:,} waiting, {consumers} consumers"),
    ]


_UNCOMPARED = " exists; this user may not compare it with the contract"
_BY_POLICY = "; the contract says that a policy names its dead-letter exchange: see `rabbitmqctl list_policies`"

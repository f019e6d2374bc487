"""An exchange or a queue against the contract: declared where absent, compared where present, never changed."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import (
    AMQPError,
    ChannelAccessRefused,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionCommandInvalid,
)

from ingest.errors import TopologyError
from ingest.model.contract import QueueBinding
from ingest.sources.connection import CONNECT_SECONDS, broker_errors

__all__ = ["compare_exchange", "compare_queue", "depth", "scratch"]

_DIFFERENCE = re.compile(
    r"inequivalent arg '(?P<name>[^']+)' for \w+ '.*' in vhost '.*': "
    r"received (?P<wanted>.*) but current is (?P<has>.*)$"
)


async def compare_exchange(connection: AbstractConnection, binding: QueueBinding) -> bool:
    """Declare the exchange; false where the user may not and it exists, uncompared. Raises `TopologyError`."""
    if not binding.exchange:
        return True

    async def attempt(channel: AbstractChannel, *, passive: bool) -> None:
        await channel.declare_exchange(
            binding.exchange,
            binding.exchange_type,
            durable=True,
            passive=passive,
            timeout=CONNECT_SECONDS,
        )

    return await _declared(connection, f"exchange {binding.exchange!r}", attempt)


async def compare_queue(connection: AbstractConnection, binding: QueueBinding) -> bool:
    """Declare the queue; false where the user may not and it exists, uncompared. Raises `TopologyError`."""
    arguments: dict[str, Any] = dict(binding.arguments)
    if binding.queue_type != "classic":  # a classic queue is what a queue without the argument is
        arguments["x-queue-type"] = binding.queue_type

    async def attempt(channel: AbstractChannel, *, passive: bool) -> None:
        await channel.declare_queue(
            binding.queue, durable=True, passive=passive, arguments=arguments, timeout=CONNECT_SECONDS
        )

    return await _declared(connection, f"queue {binding.queue!r}", attempt)


async def depth(connection: AbstractConnection, queue: str) -> tuple[int, int]:
    """How many messages wait in the queue, and how many consumers it has.

    Raises:
        TopologyError: there is no such queue, or it belongs to another connection.
    """
    try:
        with broker_errors(f"looking at the queue {queue!r}", but=(ChannelNotFoundEntity, ChannelLockedResource)):
            async with scratch(connection) as channel:
                found = await channel.declare_queue(queue, passive=True, timeout=CONNECT_SECONDS)
    except ChannelNotFoundEntity:
        raise TopologyError(f"there is no queue {queue!r}", remedy="`lakepost land` declares it") from None
    except ChannelLockedResource:
        raise _exclusive(f"queue {queue!r}") from None
    told = found.declaration_result
    return told.message_count or 0, told.consumer_count or 0


@contextlib.asynccontextmanager
async def scratch(connection: AbstractConnection) -> AsyncIterator[AbstractChannel]:
    """A channel for one question: a refusal closes it, and it alone."""
    channel = connection.channel(publisher_confirms=False)
    async with asyncio.timeout(CONNECT_SECONDS):
        await channel.initialize()
    try:
        yield channel
    finally:
        with contextlib.suppress(AMQPError):
            await channel.close()


async def _declared(connection: AbstractConnection, what: str, attempt: Callable[..., Awaitable[None]]) -> bool:
    try:
        async with scratch(connection) as channel:
            await attempt(channel, passive=False)
    except ChannelPreconditionFailed as error:
        raise _different(what, str(error)) from None
    except ChannelLockedResource:
        raise _exclusive(what) from None
    except ChannelAccessRefused:
        try:
            async with scratch(connection) as channel:
                await attempt(channel, passive=True)
        except ChannelNotFoundEntity:
            raise TopologyError(
                f"the {what} does not exist, and this user may not make it",
                remedy="create it, or grant the user the right to configure it",
            ) from None
        except ChannelLockedResource:
            raise _exclusive(what) from None
        return False
    except (ValueError, ConnectionCommandInvalid) as error:  # a name too long, an exchange type nobody knows
        raise TopologyError(f"the {what}: {error}", remedy="correct the contract's source") from None
    return True


def _different(what: str, said: str) -> TopologyError:
    """The broker's refusal in words: which property, what the contract says, what is there."""
    found = _DIFFERENCE.search(said)
    if found is None:
        return TopologyError(
            f"RabbitMQ refuses the {what}: {said}", remedy="make the contract's source say what the broker accepts"
        )
    name = found["name"]
    wanted, has = (_plain(name, found[group]) for group in ("wanted", "has"))
    return TopologyError(
        f"the {what} exists {f'with {name} = {has}' if has else f'without {name}'}, "
        f"but the contract says {wanted or 'nothing of it'}",
        remedy=_BY_POLICY if name.startswith("x-dead-letter-") else _ANEW,
    )


_ANEW = "correct the contract's source; or, once it is drained and unused, delete it: it is then made anew"
_BY_POLICY = (
    "let a policy of the broker say it, which changes a queue in place, and write `byPolicy: true` under `deadLetter`;"
    " or, once it is drained and unused, delete it: it is then made anew"
)


def _plain(name: str, value: str) -> str:
    """`the value 'quorum' of type 'longstr'` → `'quorum'`; nothing for `none`."""
    if value.strip() == "none":
        return "'classic'" if name == "x-queue-type" else ""
    quoted = re.search(r"the value ('.*?'|\S+?)(?: of type '\w+')?$", value.strip())
    return quoted[1] if quoted else value.strip()


def _exclusive(what: str) -> TopologyError:
    return TopologyError(
        f"the {what} is exclusive to another connection", remedy="name a durable, shared queue in the contract"
    )

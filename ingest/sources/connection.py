"""The seam to the AMQP client: connecting, and its exceptions as ours. No password in any message."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator

from aio_pika import Connection
from aiormq.exceptions import (
    AMQPConnectionError,
    AMQPError,
    AuthenticationError,
    ChannelInvalidStateError,
    ProbableAuthenticationError,
)
from pamqp.exceptions import PAMQPException

from ingest.errors import ConfigurationError, SourceUnavailable
from ingest.sources.address import Address
from ingest.sources.tls import complaint
from ingest.sources.wire import Inbox, Transport

__all__ = ["CONNECT_SECONDS", "broker_errors", "cancelled", "connect", "place", "unavailable"]

CONNECT_SECONDS = 20.0
"""How long connecting, and any one answer of the broker, may take."""

_OBJECTION_SECONDS = 2.0

_REMEDY = "check that the broker runs and can be reached, then run again; nothing that was not committed is lost"


def place(url: str) -> str:
    """Where a URL leads, fit for messages: host, port and virtual host.

    Raises:
        ConfigurationError: it is no AMQP URL.
    """
    return Address.of(url).where


def unavailable(what: str) -> SourceUnavailable:
    """The error that stands for any broken conversation: `what` happened."""
    return SourceUnavailable(what, remedy=_REMEDY)


def cancelled(kind: str, queue: str) -> SourceUnavailable:
    """The broker has ended our consumers of the queue, which is of that kind."""
    return SourceUnavailable(
        f"the {kind} {queue!r} was deleted, or its leader went away",
        remedy="run again: what was received of it is committed; what a deleted one still held is gone with it",
    )


@contextlib.contextmanager
def broker_errors(doing: str, *, but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn whatever the client raises while `doing`, `but` these, into `SourceUnavailable`."""
    try:
        yield
    except but:
        raise
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise  # somebody cancelled us; otherwise aiormq cancelled its own call as the connection closed
        raise unavailable(f"RabbitMQ closed the connection while {doing}") from None
    except TimeoutError as error:
        raise unavailable(f"RabbitMQ did not answer in time while {doing}") from error
    except StopAsyncIteration as error:  # aiormq's word for the end of the stream between two frames
        raise unavailable(f"RabbitMQ closed the connection while {doing}") from error
    except (AMQPError, PAMQPException, ChannelInvalidStateError, OSError, RuntimeError) as error:
        raise unavailable(f"RabbitMQ failed while {doing}: {_words(error)}") from error


async def connect(url: str, name: str, woken: Callable[[], None]) -> tuple[Connection, Transport]:
    """Open a connection called `name` (as the management page shows it) whose deliveries stay in the transport.

    Raises:
        ConfigurationError: the URL is wrong, TLS finds something wrong with certificates or port, or the broker refuses
            user, password or virtual host.
        SourceUnavailable: no broker answers there.
    """
    address = Address.of(url)
    context = address.tls.context() if address.tls else None
    try:
        return await _connect(address, context, name, woken)
    except SourceUnavailable as error:
        if context is None or not isinstance(error.__cause__, (AMQPConnectionError, StopAsyncIteration)):
            raise
    # Whom TLS hangs up on may not get to read why: what we said meanwhile meets a closed socket, which answers with
    # a reset that overtakes the reason.
    return await _connect(address, context, name, woken, objection_seconds=_OBJECTION_SECONDS)


async def _connect(
    address: Address,
    context: ssl.SSLContext | None,
    name: str,
    woken: Callable[[], None],
    *,
    objection_seconds: float = 0.0,
) -> tuple[Connection, Transport]:
    transport = Transport(woken, address.tls.server_name if address.tls else "", objection_seconds)
    connection = Connection(address.url, ssl_context=context, client_properties={"connection_name": name})
    connection.kwargs["transport_factory"] = transport  # aio-pika hands these on to its engine
    try:
        with broker_errors(f"connecting to {address.where}"):
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()
    except SourceUnavailable as error:
        transport.abort()
        await connection.close()  # which has nothing to close; its destructor would try to
        if refusal := _refusal(address, error.__cause__, transport.inbox):
            says, remedy = refusal
            raise ConfigurationError(
                f"RabbitMQ at {address.where} cannot be used: {says}", remedy=remedy
            ) from error.__cause__
        raise
    return connection, transport


def _refusal(address: Address, error: BaseException | None, inbox: Inbox) -> tuple[str, str] | None:
    """What is wrong with the URL or with certificates, and the remedy, if that is why connecting failed."""
    correct = "correct LAKEPOST_RABBITMQ_URL"
    external = address.url.query.get("auth") == "external"
    if isinstance(error, AuthenticationError) and external:  # what the broker offers does not include it
        return "it does not take a client certificate for a user", (
            "name user and password in LAKEPOST_RABBITMQ_URL, or enable its plugin rabbitmq_auth_mechanism_ssl"
        )
    if isinstance(error, ProbableAuthenticationError) and external:
        return "it knows no user for our client certificate", (
            "make the user that the broker reads from it; or name user and password in LAKEPOST_RABBITMQ_URL"
        )
    if isinstance(error, (AuthenticationError, ProbableAuthenticationError)):
        return "it refuses us, unknown user or wrong password", correct
    # aiormq tells of the refusal of a virtual host as of an unexpected frame, without its words.
    if inbox.farewell.startswith("NOT_ALLOWED"):
        return f"it refuses us: {inbox.farewell.partition(' - ')[2]}", correct
    if inbox.was_told_by_tls:
        return "it speaks TLS on that port", "write amqps:// in LAKEPOST_RABBITMQ_URL, or use its port without TLS"
    return complaint(error, shows_certificate=bool(address.tls and address.tls.cert_file))


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__

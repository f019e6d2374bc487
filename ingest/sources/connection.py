"""The seam to the AMQP client: connecting, and its exceptions as ours. No password in any message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from aio_pika import Connection
from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelInvalidStateError,
    ProbableAuthenticationError,
)
from pamqp.exceptions import PAMQPException
from yarl import URL

from ingest.errors import ConfigurationError, SourceUnavailable
from ingest.sources.wire import Transport

__all__ = ["CONNECT_SECONDS", "broker_errors", "connect", "place", "unavailable"]

CONNECT_SECONDS = 20.0
"""How long connecting, and any one answer of the broker, may take."""

_REMEDY = "check that the broker runs and can be reached, then run again; nothing that was not committed is lost"


def place(url: str) -> str:
    """Where a URL leads, fit for messages: host, port and virtual host.

    Raises:
        ConfigurationError: it is no AMQP URL.
    """
    try:
        parsed = URL(url)
        host, port = parsed.host, parsed.port
    except ValueError:
        parsed, host, port = URL(), None, None
    if parsed.scheme not in ("amqp", "amqps") or not host:
        raise ConfigurationError(
            "the RabbitMQ URL is not of the form amqp://USER:PASSWORD@HOST:PORT/VHOST (or amqps://…)",
            remedy="correct LAKEPOST_RABBITMQ_URL; special characters in the password must be percent-encoded",
        )
    vhost = parsed.path[1:] or "/"
    return f"{host}:{port or (5671 if parsed.scheme == 'amqps' else 5672)} (virtual host {vhost!r})"


def unavailable(what: str) -> SourceUnavailable:
    """The error that stands for any broken conversation: `what` happened."""
    return SourceUnavailable(what, remedy=_REMEDY)


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
    except (AMQPError, PAMQPException, ChannelInvalidStateError, OSError, RuntimeError) as error:
        raise unavailable(f"RabbitMQ failed while {doing}: {_words(error)}") from error


async def connect(url: str, name: str, woken: Callable[[], None]) -> tuple[Connection, Transport]:
    """Open a connection called `name` (as the management page shows it) whose deliveries stay in the transport.

    Raises:
        ConfigurationError: the URL is wrong, or the broker refuses user, password or virtual host.
        SourceUnavailable: no broker answers there.
    """
    where = place(url)
    transport = Transport(woken)
    connection = Connection(URL(url), client_properties={"connection_name": name})
    connection.kwargs["transport_factory"] = transport  # aio-pika hands these on to its engine
    try:
        with broker_errors(f"connecting to {where}"):
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()
    except SourceUnavailable as error:
        transport.abort()
        refusal = _refusal(error.__cause__, transport.inbox.farewell)
        if refusal:
            raise ConfigurationError(
                f"RabbitMQ at {where} refuses us: {refusal}", remedy="correct LAKEPOST_RABBITMQ_URL"
            ) from error.__cause__
        raise
    return connection, transport


def _refusal(error: BaseException | None, farewell: str) -> str | None:
    """What is wrong with the URL's user, password or virtual host, if that is why connecting failed."""
    if isinstance(error, (AuthenticationError, ProbableAuthenticationError)):
        return "unknown user or wrong password"
    # aiormq tells of the refusal of a virtual host as of an unexpected frame, without its words.
    return farewell.partition(" - ")[2] if farewell.startswith("NOT_ALLOWED") else None


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__

"""What a queue is told to throw away: by its arguments, or by what this broker does where they say nothing.

A policy of the broker can say the same, and AMQP has no question for it: `rabbitmqctl list_policies` tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aio_pika.abc import AbstractConnection

from ingest.model.contract import QueueBinding
from ingest.model.finding import Finding

__all__ = ["hazards", "version_of"]

_DEFAULT_LIMIT = 20
_LIMIT_BY_DEFAULT = (4, 0)  # since this version a quorum queue has one
_UNLIMITED = -1

Version = tuple[int, ...]


def version_of(connection: AbstractConnection) -> Version:
    """The broker's version as it says itself, `(3, 10, 8)`; empty where it says none."""
    transport = connection.transport
    told = getattr(transport.connection, "server_properties", {}) if transport is not None else {}
    version = told.get("version", "")
    text = version.decode("utf-8", "replace") if isinstance(version, bytes) else str(version)
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def hazards(binding: QueueBinding, version: Version) -> list[Finding]:
    """What would lose messages of the queue, each not ok and with its remedy; and what will, with a newer broker."""
    if binding.queue_type == "stream":
        return []  # it keeps what was read, and its retention is told by its source
    return [*_delivery_limit(binding, version), *_age(binding), *_length(binding)]


def _is_dead_lettered(binding: QueueBinding) -> bool:
    return binding.dead_letters_by_policy or "x-dead-letter-exchange" in dict(binding.arguments)


def _delivery_limit(binding: QueueBinding, version: Version) -> Iterator[Finding]:
    if binding.queue_type != "quorum" or _is_dead_lettered(binding):
        return
    limit = dict(binding.arguments).get("x-delivery-limit")
    if limit is None and version < _LIMIT_BY_DEFAULT:
        says = (
            f"{binding.queue!r} has no delivery limit on this broker; RabbitMQ 4 has one of {_DEFAULT_LIMIT} by"
            f" default: {_remedy(binding)} before you upgrade"
        )
        yield Finding("delivery limit", ok=True, says=says)
    elif limit != _UNLIMITED:
        whose = f"{_DEFAULT_LIMIT}, RabbitMQ 4's default" if limit is None else str(limit)
        says = (
            f"{binding.queue!r} has a delivery limit ({whose}) and no dead-letter exchange: a message that came back so"
            " often, as after a land that is killed again and again, is thrown away"
        )
        yield Finding("delivery limit", ok=False, says=says, remedy=_remedy(binding))


def _remedy(binding: QueueBinding) -> str:
    if binding.holds_dead_letters:
        return "write `queueType: classic` under `deadLetter`, or `arguments: {x-delivery-limit: -1}` on RabbitMQ 4"
    return "write `deadLetter` into the contract's binding"


def _age(binding: QueueBinding) -> Iterator[Finding]:
    arguments = dict(binding.arguments)
    if "x-expires" in arguments:
        says = (
            f"{binding.queue!r} is deleted with all that it holds when nobody uses it for {arguments['x-expires']} ms"
        )
        yield Finding(
            "expiry", ok=False, says=says, remedy="remove x-expires from the queue: land only comes by schedule"
        )
    if "x-message-ttl" in arguments and not _is_dead_lettered(binding):
        says = f"{binding.queue!r} throws away what waits for {arguments['x-message-ttl']} ms"
        remedy = f"remove x-message-ttl from the queue{_or_dead_letter(binding)}"
        yield Finding("time to live", ok=False, says=says, remedy=remedy)


def _length(binding: QueueBinding) -> Iterator[Finding]:
    arguments = dict(binding.arguments)
    limits = [f"{name} = {arguments[name]}" for name in ("x-max-length", "x-max-length-bytes") if name in arguments]
    overflow = arguments.get("x-overflow", "drop-head")
    if limits and overflow == "drop-head" and not _is_dead_lettered(binding):
        says = f"{binding.queue!r} throws its oldest messages away when it is full ({', '.join(limits)})"
        remedy = f"write `x-overflow: reject-publish`, which tells the publisher{_or_dead_letter(binding)}"
        yield Finding("length", ok=False, says=says, remedy=remedy)


def _or_dead_letter(binding: QueueBinding) -> str:
    return "" if binding.holds_dead_letters else f", or {_remedy(binding)}"

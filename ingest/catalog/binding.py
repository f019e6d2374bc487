"""The custom property `binding` of the one server: the queues of the dataset and how they hang on their exchange.

Where the dataset is a container's changes, there is the property `container` instead: see there.

::

    exchange: shop.events          # and exchangeType: topic | direct | fanout | x-consistent-hash
    queue: lakepost.orders         # or queues: [NAME, {queue: NAME, routingKeys: [KEY]}], where messages are spread
    routingKeys: ["order.#"]
    queueType: quorum              # or classic, stream
    arguments: {x-…: VALUE}
    consumers: 2                   # connections that read each queue at once
    deadLetter:                    # where the broker puts what those queues give up
      exchange: shop.dead          # left out: the default exchange. Its exchangeType: direct | topic | fanout
      queue: lakepost.orders.dead  # its queueType: classic | quorum, its arguments
      routingKey: orders           # left out: the queue's name
      byPolicy: false              # true: a policy of the broker says so to the queues, not their arguments
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ingest.catalog.container import read_container
from ingest.catalog.custom import named
from ingest.catalog.document import Document, Path, shown
from ingest.catalog.values import choice, mapping, text, whole
from ingest.model.container import ContainerBinding
from ingest.model.contract import Column, QueueBinding

__all__ = ["read_sources"]

_KEYS = (
    "exchange",
    "exchangeType",
    "queue",
    "queues",
    "queueType",
    "routingKeys",
    "arguments",
    "consumers",
    "deadLetter",
)
_DEAD_KEYS = ("exchange", "exchangeType", "queue", "queueType", "routingKey", "arguments", "byPolicy")
_SPREADING = "x-consistent-hash"
_EXCHANGE_TYPES = ("topic", "direct", "fanout", _SPREADING)
_DEAD_EXCHANGE_TYPES = ("direct", "topic", "fanout")
_QUEUE_TYPES = ("quorum", "classic", "stream")
_DEAD_QUEUE_TYPES = ("classic", "quorum")
_MOST_CONSUMERS = 64

Arguments = tuple[tuple[str, str | int | bool], ...]


@dataclass(frozen=True, slots=True)
class _Dead:
    """Where dead letters go: the queue that holds them, and what the other queues must say about it."""

    binding: QueueBinding
    arguments: Arguments
    by_policy: bool


def read_sources(
    document: Document, columns: tuple[Column, ...]
) -> tuple[tuple[QueueBinding, ...], ContainerBinding | None]:
    """The dataset's queues, in the contract's order, that of dead letters last; or its container.

    Raises:
        ContractError: for no server or several, neither queues nor a container, or both, or what those would refuse.
    """
    servers = document.value.get("servers") or []
    if len(servers) != 1:
        remedy = "name the one server: `server`, `type: custom`, and the custom property `binding` or `container`"
        raise document.wrong(("servers",), f"{len(servers)} servers instead of one", remedy=remedy)
    place: Path = ("servers", 0, "customProperties")
    given = named(document, place, ("binding", "container"))
    if len(given) != 1:
        problem = "both `binding` and `container`" if given else "no custom property `binding` or `container`"
        remedy = (
            "write one: `- property: binding` with exchange, queue and routingKeys as its value, or"
            " `- property: container` with database, container and partitionKey"
        )
        raise document.wrong(place, problem, remedy=remedy)
    if "container" in given:
        return (), read_container(document, *given["container"], columns)
    return _queues_of(document, *given["binding"]), None


def _queues_of(document: Document, path: Path, value: Any) -> tuple[QueueBinding, ...]:
    mapping(document, path, value)
    document.only(path, value, _KEYS)
    exchange = text(document, (*path, "exchange"), value.get("exchange"))
    exchange_type = choice(document, (*path, "exchangeType"), value.get("exchangeType", "topic"), _EXCHANGE_TYPES)
    queue_type = choice(document, (*path, "queueType"), value.get("queueType", "quorum"), _QUEUE_TYPES)
    arguments = _arguments(document, (*path, "arguments"), value.get("arguments", {}))
    consumers = whole(document, (*path, "consumers"), value.get("consumers", 1), 1, _MOST_CONSUMERS)
    dead = _dead_letter(document, (*path, "deadLetter"), value.get("deadLetter"), arguments)
    if queue_type == "stream" and consumers > 1:
        remedy = "leave consumers out, and name several streams in `queues` where one is not fast enough"
        raise document.wrong((*path, "consumers"), "a stream has a position, and so one consumer", remedy=remedy)
    if queue_type == "stream" and dead is not None:
        problem = "a stream gives nothing up: retention removes what is old"
        raise document.wrong((*path, "deadLetter"), problem, remedy="leave deadLetter out")
    queues = dict(_queues(document, path, value, exchange_type))
    if dead is not None and dead.binding.queue in queues:
        problem = f"{shown(dead.binding.queue)} is one of the queues whose dead letters it would hold"
        raise document.wrong((*path, "deadLetter", "queue"), problem, remedy="name a queue of its own")
    bindings = [
        QueueBinding(
            exchange=exchange,
            queue=queue,
            routing_keys=routing_keys,
            exchange_type=exchange_type,
            queue_type=queue_type,
            arguments=arguments + (dead.arguments if dead is not None else ()),
            consumers=consumers,
            dead_letters_by_policy=dead is not None and dead.by_policy,
        )
        for queue, routing_keys in queues.items()
    ]
    return (*bindings, *([dead.binding] if dead is not None else []))


def _queues(
    document: Document, path: Path, value: dict[str, Any], exchange_type: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each queue's name and routing keys. An exchange that copies must not give one message to two of them."""
    several = value.get("queues")
    if several is None:
        yield text(document, (*path, "queue"), value.get("queue")), _routing_keys(document, path, value)
        return
    at = (*path, "queues")
    if "queue" in value:
        raise document.wrong(at, "there is `queue` too", remedy="keep one of the two")
    if not isinstance(several, list) or not several:
        raise document.wrong(at, f"{shown(several)} is not a list of queues", remedy="write `[NAME, NAME]`")
    names: set[str] = set()
    taken: dict[str, str] = {}
    for index, one in enumerate(several):
        here = (*at, index)
        own = isinstance(one, dict)
        if own:
            document.only(here, one, ("queue", "routingKeys"))
        name = text(document, (*here, "queue") if own else here, one.get("queue") if own else one)
        keys = _routing_keys(document, here, one) if own and "routingKeys" in one else ()
        keys = keys or _routing_keys(document, path, value)
        if name in names:
            raise document.wrong(here, f"{shown(name)} is given twice", remedy="keep one of the two")
        names.add(name)
        same = next((key for key in keys if key in taken), None)
        if same is not None and exchange_type != _SPREADING:
            both = f"{taken[same]!r} and {name!r}"
            problem = f"a {exchange_type} exchange gives {both} each a copy of every {shown(same)}"
            remedy = f"write `exchangeType: {_SPREADING}`, which spreads, or routingKeys for each queue"
            raise document.wrong(here, problem, remedy=remedy)
        taken |= dict.fromkeys(keys, name)
        yield name, keys
    if exchange_type == "fanout" and len(names) > 1:
        remedy = f"write `exchangeType: {_SPREADING}`, which spreads, or one queue"
        raise document.wrong(at, "a fanout exchange gives every queue a copy of each message", remedy=remedy)


def _routing_keys(document: Document, path: Path, value: dict[str, Any]) -> tuple[str, ...]:
    keys = value.get("routingKeys")
    if not isinstance(keys, list) or not keys:
        remedy = 'write a list, for example `["order.#"]`'
        raise document.wrong((*path, "routingKeys"), "not a list of routing keys", remedy=remedy)
    return tuple(text(document, (*path, "routingKeys", n), key) for n, key in enumerate(keys))


def _dead_letter(document: Document, path: Path, value: Any, arguments: Arguments) -> _Dead | None:
    if value is None:
        return None
    mapping(document, path, value)
    document.only(path, value, _DEAD_KEYS)
    queue = text(document, (*path, "queue"), value.get("queue"))
    exchange = text(document, (*path, "exchange"), value["exchange"]) if "exchange" in value else ""
    exchange_type = choice(document, (*path, "exchangeType"), value.get("exchangeType", "direct"), _DEAD_EXCHANGE_TYPES)
    queue_type = choice(document, (*path, "queueType"), value.get("queueType", "classic"), _DEAD_QUEUE_TYPES)
    routing_key = text(document, (*path, "routingKey"), value.get("routingKey", queue))
    if not exchange and ("exchangeType" in value or routing_key != queue):
        remedy = "name the exchange, or leave exchangeType and routingKey out"
        raise document.wrong(path, "the default exchange knows queues by their names only", remedy=remedy)
    by_policy = value.get("byPolicy", False)
    if not isinstance(by_policy, bool):
        raise document.wrong((*path, "byPolicy"), f"{shown(by_policy)} is not a boolean", remedy="write true or false")
    twice = next((name for name, _ in arguments if name.startswith("x-dead-letter-")), None)
    if twice is not None:
        remedy = f"remove {twice} from `arguments`: Lakepost adds what `deadLetter` says"
        raise document.wrong(path, f"`arguments` says {twice} too", remedy=remedy)
    binding = QueueBinding(
        exchange=exchange,
        queue=queue,
        routing_keys=(routing_key,),
        exchange_type=exchange_type,
        queue_type=queue_type,
        arguments=_arguments(document, (*path, "arguments"), value.get("arguments", {})),
        holds_dead_letters=True,
    )
    told: Arguments = (("x-dead-letter-exchange", exchange), ("x-dead-letter-routing-key", routing_key))
    return _Dead(binding, () if by_policy else told, by_policy)


def _arguments(document: Document, path: Path, value: Any) -> Arguments:
    mapping(document, path, value)
    for name, argument in value.items():
        if not name.startswith("x-") or name == "x-queue-type":
            remedy = "write queueType" if name == "x-queue-type" else "queue arguments begin with `x-`"
            raise document.wrong((*path, name), f"{shown(name)} is not an argument of the queue", remedy=remedy)
        if not isinstance(argument, str | int | bool):
            raise document.wrong((*path, name), f"{shown(argument)} is not supported", remedy="write text or a number")
    return tuple(value.items())

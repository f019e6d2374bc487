"""Building blocks of the composition root: a dataset's contract and the lake, from the settings."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import functools
import math
import re

from ingest import catalog
from ingest.errors import ConfigurationError
from ingest.lake import DeltaLake, open_storage
from ingest.memory import few_arenas
from ingest.model.container import ContainerBinding, FeedRange, RequestUnits
from ingest.model.contract import Contract
from ingest.model.delivery import Start
from ingest.model.keys import HOW_TO_MAKE_A_KEY, Keys
from ingest.model.ports import Source
from ingest.settings import Settings
from ingest.sources.address import rabbitmq_url
from ingest.steps.limits import Limits

__all__ = ["contract_of", "keys_of", "lake_of", "limits_of", "rabbitmq_url", "ranges_of", "sources_of", "standing"]

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_SHORTEST_KEY = 32  # bytes: as long as the hash


def contract_of(settings: Settings, dataset: str) -> Contract:
    """The dataset's contract; `ConfigurationError` names the datasets there are."""
    names = catalog.names(settings.schemas_dir)
    if dataset not in names:
        raise ConfigurationError(
            f"there is no dataset {dataset!r} in {settings.schemas_dir}",
            remedy=f"the catalogue has: {', '.join(names) or 'none'}; LAKEPOST_SCHEMAS_DIR names another folder",
        )
    return catalog.load(settings.schemas_dir, dataset)


def standing(settings: Settings, dataset: str) -> tuple[Contract, DeltaLake]:
    """The contract, and the lake that has the dataset's tables."""
    contract, lake = contract_of(settings, dataset), lake_of(settings)
    if not lake.exists(dataset):
        raise ConfigurationError(f"the lake has no tables of {dataset!r}", remedy="run `lakepost lake init`")
    return contract, lake


def lake_of(settings: Settings) -> DeltaLake:
    """The lake at the settings' URL."""
    few_arenas()
    return DeltaLake(open_storage(settings.lake_url))


def limits_of(settings: Settings) -> Limits:
    """What curate, replay, rebuild and the items derived from a history hold at a time."""
    return Limits(settings.batch_rows, settings.batch_bytes)


def keys_of(settings: Settings) -> Keys:
    """The keys of protected columns and erasures; none where none are set.

    Raises:
        ConfigurationError: naming the key by its place, never by its content.
    """
    found: dict[str, bytes] = {}
    given = settings.pii_keys.get_secret_value()
    for place, entry in enumerate(given.split(",") if given.strip() else (), 1):
        name, _, text = entry.strip().partition(":")
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not _KEY_ID.fullmatch(name) or name in found or len(key) < _SHORTEST_KEY:
            raise ConfigurationError(
                f"LAKEPOST_PII_KEYS: entry {place} is not ID:KEY with an id of its own and a key of at least"
                f" {_SHORTEST_KEY} bytes in base64",
                remedy=HOW_TO_MAKE_A_KEY,
            )
        found[name] = key
    return Keys(found)


def sources_of(  # what each kind of source knows
    settings: Settings,
    contract: Contract,
    lake: DeltaLake,
    *,
    start: Start | None = None,
    anew: bool | dt.datetime = False,
    feed_range: str | None = None,
    units: RequestUnits | None = None,
) -> list[Source]:
    """The contract's queues, or its container's feed ranges, as they are read.

    `start` says where to begin in streams, `anew` that a container is read from its beginning once more, a time: unless
    that has begun since then; of its feed ranges the one named `feed_range`, else all, which share the request `units`.

    Raises:
        ConfigurationError: one of those that means nothing to this source; no broker, or no account.
    """
    container = contract.container
    if container is not None:
        if start is not None:
            raise ConfigurationError(
                f"{contract.dataset} comes from a container, whose change feed has no such place",
                remedy="leave --from-offset and --from-time out; --from-beginning takes a new snapshot",
            )
        return _feed(settings, contract.dataset, container, lake, units, anew=anew, feed_range=feed_range)
    if anew or feed_range is not None:
        raise ConfigurationError(
            f"{contract.dataset} comes from queues, which have neither a snapshot nor feed ranges",
            remedy="leave --from-beginning and --feed-range out; a stream is read again with --from-offset 0",
        )
    return _queues(settings, contract, lake, start)


def _feed(
    settings: Settings,
    dataset: str,
    container: ContainerBinding,
    lake: DeltaLake,
    units: RequestUnits | None,
    *,
    anew: bool | dt.datetime,
    feed_range: str | None,
) -> list[Source]:
    from ingest.sources.cosmos import CosmosRange
    from ingest.sources.cosmos_account import cosmos_account

    account = cosmos_account(settings)
    ranges = ranges_of(settings, dataset, container, lake)
    chosen = [one for one in ranges if feed_range in {None, one.name}]
    if not chosen:
        raise ConfigurationError(
            f"{container.name} is not read by a feed range {feed_range!r}",
            remedy=f"it is read by {', '.join(one.name for one in ranges)}",
        )
    known = functools.partial(lake.items_before, dataset, container.name)
    since = anew.timestamp() if isinstance(anew, dt.datetime) else math.inf
    return [
        CosmosRange(
            account,
            container,
            within,
            units,
            anew=bool(anew),
            since=since,
            known=functools.partial(known, within.name),
        )
        for within in chosen
    ]


def ranges_of(settings: Settings, dataset: str, container: ContainerBinding, lake: DeltaLake) -> list[FeedRange]:
    """The feed ranges that the container is read by: those the lake knows, else as the account says now."""

    def choose() -> list[FeedRange]:
        from ingest.sources.cosmos_account import cosmos_account
        from ingest.sources.cosmos_ranges import feed_ranges

        return feed_ranges(cosmos_account(settings), container)

    return lake.feed_ranges(dataset, container.name, choose)


def _queues(settings: Settings, contract: Contract, lake: DeltaLake, start: Start | None) -> list[Source]:
    from ingest.sources.rabbitmq import RabbitQueue
    from ingest.sources.stream import RabbitStream

    url = rabbitmq_url(settings)
    sources: list[Source] = []
    # Where dead letters go stands before the queue that they come from.
    for binding in sorted(contract.queues, key=lambda one: not one.holds_dead_letters):
        if binding.queue_type == "stream":
            name = lake.name_of(contract.dataset, binding.queue)
            stream = RabbitStream(url, binding, name=name, start=start)
            stored = None if start is None else lake.position(contract.dataset, stream.application)
            again = stored is not None
            sources.append(RabbitStream(url, binding, name=name, start=start, again_until=stored) if again else stream)
        elif start is not None:
            raise ConfigurationError(
                f"the queue {binding.queue!r} of {contract.dataset} is no stream: it gives each message once",
                remedy="leave --from-offset and --from-time out; what raw has, `lakepost rebuild` curates again",
            )
        else:
            sources += [RabbitQueue(url, binding) for _ in range(binding.consumers)]
    return sources

"""Going on, on purpose, with a stream that was deleted and made again."""

from __future__ import annotations

import asyncio
import functools

from ingest.compose import contract_of, sources_of, standing
from ingest.errors import ConfigurationError
from ingest.settings import Settings

__all__ = ["adopt"]


def adopt(settings: Settings, dataset: str) -> list[str]:
    """Take the dataset's streams that were replaced for new ones; returns their queues.

    From now on land begins at their beginning and tells them from the old ones by `@1` behind the name: their messages
    are new events, and what was landed of the old ones stays.

    Raises:
        ConfigurationError: none was replaced, or the dataset comes from a container.
        LakepostError: any other of the tree.
    """
    from ingest import envelope, steps
    from ingest.sources.stream import RabbitStream

    if contract_of(settings, dataset).container is not None:
        raise ConfigurationError(
            f"{dataset} comes from a container, which is no stream",
            remedy="leave --adopt-replaced out; one that was made again is landed with --from-beginning",
        )
    contract, lake = standing(settings, dataset)
    rows_of = functools.partial(steps.raw_rows, contract=contract, events=envelope.events)
    streams = [one for one in sources_of(settings, contract, lake) if isinstance(one, RabbitStream)]
    replaced = [one.queue for one in streams if asyncio.run(steps.is_replaced(dataset, one, lake, rows_of))]
    if not replaced:
        raise ConfigurationError(
            f"no stream of {dataset} was replaced", remedy="leave --adopt-replaced out: land goes on where it was"
        )
    for queue in replaced:
        lake.adopt(dataset, queue)
    return replaced

"""The custom property `container` of the one server: the Cosmos DB container whose changes the dataset is.

::

    database: shop
    container: customers
    partitionKey: [/id]            # the container's own paths: all that is told of a deleted item but its id
    mode: AllVersionsAndDeletes    # every change, by the account's continuous backup; or LatestVersion
    feedRanges: 4                  # slices that are read at once; left out: the container's physical ranges of the day
"""

from __future__ import annotations

import re
from typing import Any

from ingest.catalog.document import Document, Path, shown
from ingest.catalog.values import choice, mapping, text, whole
from ingest.model.container import ContainerBinding, FeedMode
from ingest.model.contract import CHANGE_COLUMNS, Column

__all__ = ["read_container"]

_KEYS = ("database", "container", "partitionKey", "mode", "feedRanges")
_PATH = re.compile(r'(/("[^"]+"|[^/"]+))+')
_MOST_RANGES = 64
_MOST_PATHS = 3  # of a hierarchical partition key


def read_container(document: Document, path: Path, value: Any, columns: tuple[Column, ...]) -> ContainerBinding:
    """The container.

    Raises:
        ContractError: for one that Cosmos DB would not have, or a column that its changes have already.
    """
    mapping(document, path, value)
    document.only(path, value, _KEYS)
    for index, column in enumerate(columns):
        if column.name.casefold() in CHANGE_COLUMNS:
            at: Path = ("schema", 0, "properties", index, "name")
            remedy = f"choose another name and write `physicalName: {column.field}` for the payload's field"
            raise document.wrong(at, f"{column.name} is a column that Lakepost adds to changes itself", remedy=remedy)
    ranges = value.get("feedRanges")
    return ContainerBinding(
        database=text(document, (*path, "database"), value.get("database")),
        container=text(document, (*path, "container"), value.get("container")),
        mode=FeedMode(choice(document, (*path, "mode"), value.get("mode", FeedMode.ALL_VERSIONS), tuple(FeedMode))),
        feed_ranges=None if ranges is None else whole(document, (*path, "feedRanges"), ranges, 1, _MOST_RANGES),
        partition_key=_paths(document, (*path, "partitionKey"), value.get("partitionKey")),
    )


def _paths(document: Document, path: Path, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_PATHS:
        problem = "missing" if value is None else f"{shown(value)} is not a list of 1 to {_MOST_PATHS} paths"
        raise document.wrong(path, problem, remedy="write the container's own, for example `[/id]`")
    for index, one in enumerate(value):
        if not isinstance(one, str) or not _PATH.fullmatch(one):
            remedy = "write it as Cosmos DB does, for example `/address/city`"
            raise document.wrong((*path, index), f"{shown(one)} is not a path", remedy=remedy)
    return tuple(value)

"""Deletes that nobody told of: items that the lake knows, and that a later snapshot did not find."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from ingest.model.arrived import Values
from ingest.model.container import CHANGE_PREFIX, INFERRED, fingerprint
from ingest.model.delivery import Delivery
from ingest.sources.cosmos_changes import Origin
from ingest.sources.cosmos_item import Path, encoded

__all__ = ["Inferred", "Known"]

Known = Callable[[int], Iterator[pa.Table]]
"""The items (`key`) of which the newest row of raw is of a generation before this one, and no delete."""


class Inferred:
    """Deletes of what `known` gives, as many at a time as are asked for.

    Asked anew after those are in raw it gives the others: a run that was killed meanwhile is gone on with. `begun`, in
    seconds since 1970, is the time of all of them: an item may have been deleted any time before the snapshot's end.
    """

    def __init__(self, known: Known, origin: Origin, begun: float) -> None:
        self._keys = itertools.chain.from_iterable(table["key"].to_pylist() for table in known(origin.generation))
        self._origin, self._time = origin, dt.datetime.fromtimestamp(int(begun), dt.UTC)
        self._headers = {"container_rid": origin.container_rid, "generation": origin.generation}
        self._prefix = f"{CHANGE_PREFIX}{origin.container_rid}:{_INFERRED}-{origin.generation}:0:"

    def take(self, rows: int, size: int) -> Values:
        """The next ones, none after the last: at most `rows`, and about `size` bytes. Blocking: it reads the lake."""
        found: list[Delivery] = []
        for key in itertools.islice(self._keys, rows):
            found.append(self._delete(key))
            size -= len(key) + len(found[-1].body)
            if size <= 0:
                break
        return Values(found)

    def _delete(self, key: str) -> Delivery:
        name = fingerprint(key)
        return Delivery(
            _body(key, self._origin.paths),
            self._origin.source,
            self._origin.feed_range,
            self._headers,
            "application/json",
            message_id=f"{self._prefix}{name}:0",
            type=INFERRED,
            timestamp=self._time,
            position=0,
            operation=INFERRED,
            key=key,
        )


_INFERRED = "inferred"


def _body(key: str, paths: tuple[Path, ...]) -> bytes:
    """As the body of a delete: the item's id and the values of its partition key, where they stood."""
    name, *values = json.loads(key)
    item: dict[str, Any] = {}
    for path, value in zip(paths, values, strict=False):  # of another container of that name it may have had others
        if value != {}:
            inner = item
            for part in path[:-1]:
                inner = inner.setdefault(part, {})
            inner[path[-1]] = value
    return encoded({**item, "id": name})

"""A Cosmos DB container as a source: how it is bound, and the request units that reading it may cost."""

from __future__ import annotations

import hashlib
import math
import threading
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "CHANGE_PREFIX",
    "DELETE",
    "DELETES",
    "INFERRED",
    "ITEM_NUMBERS",
    "ITEM_TEXTS",
    "SNAPSHOT",
    "UPSERT",
    "ContainerBinding",
    "FeedMode",
    "FeedRange",
    "RequestUnits",
    "fingerprint",
]

CHANGE_PREFIX = "lakepost:change:"
"""How the `event_id` of a change begins."""

SNAPSHOT, UPSERT = "snapshot", "upsert"
"""Operations beside `create` and `replace`: an item found by a snapshot, or changed, which of the two is not told."""

DELETE = "delete"
INFERRED = "delete (inferred)"
"""The operation of an item that a later snapshot did not find: when it was deleted is not known."""

DELETES = (DELETE, INFERRED)
"""Operations of which the body holds nothing but the item's id and partition key."""


ITEM_TEXTS, ITEM_NUMBERS = ("_rid", "_self", "_etag", "_attachments"), ("_ts", "_lsn")
"""Members that Cosmos DB writes into every item itself: no fields of who sent it."""


class FeedMode(StrEnum):
    """What a container's change feed tells."""

    ALL_VERSIONS = "AllVersionsAndDeletes"  # every change, within the retention of the account's continuous backup
    LATEST_VERSION = "LatestVersion"  # items that are there, each at its last change; no deletes, nothing in between


@dataclass(frozen=True, slots=True)
class ContainerBinding:
    """A container and how its changes are read. `feed_ranges`: into how many slices; null: one per physical range.

    `partition_key` are the paths of the container's own (`/id`, `/address/city`): all that is told of a deleted item
    but its id.
    """

    database: str
    container: str
    mode: FeedMode = FeedMode.ALL_VERSIONS
    feed_ranges: int | None = None
    partition_key: tuple[str, ...] = ("/id",)

    @property
    def key_fields(self) -> frozenset[str]:
        """The outermost fields of an item that say which one it is: all that a delete tells of it."""
        return frozenset({"id", *(path.split("/")[1].strip('"') for path in self.partition_key)})

    @property
    def name(self) -> str:
        """`database/container`, what rows of raw have as their source."""
        return f"{self.database}/{self.container}"


@dataclass(frozen=True, slots=True)
class FeedRange:
    """The effective partition keys from `low` on and below `high`, as hexadecimal text.

    It goes on naming the same items when physical ranges split and merge.
    """

    low: str = ""
    high: str = "FF"

    @property
    def name(self) -> str:
        """`low-high`."""
        return f"{self.low}-{self.high}"


_HASH = hashlib.blake2b(digest_size=16).copy  # cheaper than to make one


def fingerprint(key: str) -> str:
    """What the `event_id` of a change has of its item's key. Unkeyed: it tells who guesses the key."""
    hashed = _HASH()
    hashed.update(key.encode())
    return hashed.hexdigest()


class RequestUnits:
    """How many request units a run has used, of `most`. Shared by threads.

    Nothing is read once they are used up but the first page of each feed range; what it has asked for is answered.
    `have_ended_a_run`: somebody would have read on.
    """

    def __init__(self, most: float = math.inf) -> None:
        self.most, self.used = most, 0.0
        self.have_ended_a_run = False
        self._lock = threading.Lock()

    def charge(self, units: float) -> None:
        """An answer has cost so many."""
        with self._lock:
            self.used += units

    @property
    def are_used_up(self) -> bool:
        """Whether nothing more is to be asked for, once a page was read."""
        return self.used >= self.most

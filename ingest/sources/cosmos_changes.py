"""Pages of a change feed as deliveries: what was done, to which item, and its document as the service wrote it.

An `event_id` says which change it is, whoever reads it and how often: the container, the LSN, a hash of the item's key,
and which change of that item it is within the LSN. All changes of a transaction have one LSN and come in one page, and
an item's LSNs rise through splits and merges. A place in the page would not do: where a boundary cuts a feed range the
SDK reads more than was asked for. A document of a snapshot is no change: it has its own prefix and the generation.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from ingest.model.arrived import ARRIVED, Arrived
from ingest.model.container import CHANGE_PREFIX, DELETE, SNAPSHOT, UPSERT, FeedMode
from ingest.model.delivery import Delivery
from ingest.model.tables import TIME
from ingest.sources.cosmos_item import Path, Reader, as_written, encoded, nested
from ingest.sources.cosmos_item import key as key_of

__all__ = ["Changes", "Origin"]

_JSON = "application/json"
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z


@dataclass(frozen=True, slots=True)
class Origin:
    """Where changes come from: `source` is database and container, `feed_range` the slice that was read.

    `paths` are those of the partition key, `generation` is the token's; `is_snapshot`: items, not changes.
    """

    source: str
    feed_range: str
    container_rid: str
    paths: tuple[Path, ...]
    mode: FeedMode
    generation: int = 0
    is_snapshot: bool = False


class _Metadata(msgspec.Struct, rename="camel"):
    lsn: int
    crts: int
    operation_type: str
    id: str = ""
    partition_key: dict[str, Any] = {}
    previous_image: int | None = msgspec.field(default=None, name="previousImageLSN")
    time_to_live_expired: bool = False


class _Change(msgspec.Struct):
    metadata: _Metadata
    current: msgspec.Raw = msgspec.Raw()


class _Headers(msgspec.Struct, omit_defaults=True):
    container_rid: str
    generation: int
    previous_lsn: int | None = None
    ttl_expired: bool = False


_CHANGE = msgspec.json.Decoder(_Change)
_ENCODER = msgspec.json.Encoder()
_reader = functools.lru_cache(maxsize=64)(Reader)


class Changes:
    """The documents of one page; a `Piece`. They are read when land asks: while the next page is on its way."""

    def __init__(self, documents: Sequence[msgspec.Raw], origin: Origin) -> None:
        self._documents, self._origin = documents, origin
        self.size = sum(len(memoryview(one)) for one in documents)
        """In bytes."""

    def __len__(self) -> int:
        return len(self._documents)

    def __getitem__(self, at: int) -> Delivery:
        return self._columns.delivery(at)

    def arrived(self) -> Arrived:
        """All of them as columns."""
        return _Columns(self._documents, self._origin).arrived()

    @functools.cached_property
    def _columns(self) -> _Columns:
        return _Columns(self._documents, self._origin)


class _Columns:
    """What the documents say, member by member."""

    def __init__(self, documents: Sequence[msgspec.Raw], origin: Origin) -> None:
        self._origin = origin
        self._bodies: list[bytes] = []
        self._ids: list[str] = []
        self._keys: list[str] = []
        self._operations: list[str] = []
        self._lsns: list[int] = []
        self._seconds: list[int | None] = []
        self._headers: list[str] = []
        self._prefix = f"{CHANGE_PREFIX}{origin.container_rid}:"
        if origin.is_snapshot:
            self._prefix += f"{SNAPSHOT}-{origin.generation}:"
        self._plain = self._headers_of()
        self._seen: dict[str, int] = {}
        is_change = origin.mode is FeedMode.ALL_VERSIONS and not origin.is_snapshot
        self._reader = _reader(("id",) if is_change else ("id", "_lsn", "_ts"), origin.paths)
        take = self._change if is_change else self._item
        for document in documents:
            take(document)

    def delivery(self, at: int) -> Delivery:
        """One of them as a value."""
        seconds = self._seconds[at]
        return Delivery(
            self._bodies[at],
            self._origin.source,
            self._origin.feed_range,
            msgspec.json.decode(self._headers[at]),
            _JSON,
            message_id=self._ids[at],
            type=self._operations[at],
            timestamp=None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC),
            position=self._lsns[at],
            operation=self._operations[at],
            key=self._keys[at],
        )

    def arrived(self) -> Arrived:
        """All of them as columns."""
        count = len(self._bodies)
        none = pa.nulls(count, pa.string())
        columns = {
            "body": pa.array(self._bodies, pa.binary()),
            "content_type": pa.repeat(_JSON, count),
            "content_encoding": none,
            "message_id": pa.array(self._ids, pa.string()),
            "type": pa.array(self._operations, pa.string()),
            "timestamp": pa.array(self._seconds, pa.int64()).cast(pa.timestamp("s", "UTC")).cast(TIME),
            "source": pa.repeat(self._origin.source, count),
            "routing_key": pa.repeat(self._origin.feed_range, count),
            "headers": pa.array(self._headers, pa.string()),
            "header_names": none,  # none of them is an envelope's
            "milliseconds": pa.nulls(count, pa.int64()),
            "position": pa.array(self._lsns, pa.int64()),
            "redelivered": pa.repeat(pa.scalar(False), count),  # noqa: FBT003 - a value
            "operation": pa.array(self._operations, pa.string()),
            "key": pa.array(self._keys, pa.string()),
        }
        return Arrived(pa.table(columns, schema=ARRIVED), self.delivery)

    def _item(self, document: msgspec.Raw) -> None:
        """Of a snapshot, or the latest version of an item."""
        body = bytes(document)
        found = self._reader.read(body)
        operation = SNAPSHOT if self._origin.is_snapshot else UPSERT
        self._add(body, operation, self._reader.key(found), found[1], found[2], self._plain)

    def _change(self, document: msgspec.Raw) -> None:
        """Of a feed of all versions: `current` is the document; of a delete, only the metadata tell whose it is."""
        change = _read(document)
        told = change.metadata
        if told.operation_type == DELETE:
            values = nested(told.partition_key, self._origin.paths)
            key, body = key_of(told.id, values, self._origin.paths), encoded({**values, "id": told.id})
        else:
            body = bytes(change.current)
            key = self._reader.key(self._reader.read(body))
        headers = self._plain
        if told.previous_image is not None or told.time_to_live_expired:
            headers = self._headers_of(told.previous_image, expired=told.time_to_live_expired)
        self._add(body, told.operation_type, key, told.lsn, told.crts, headers)

    def _headers_of(self, previous: int | None = None, *, expired: bool = False) -> str:
        return _ENCODER.encode(
            _Headers(self._origin.container_rid, self._origin.generation, previous, expired)
        ).decode()

    def _add(self, body: bytes, operation: str, key: str, lsn: int, seconds: int, headers: str) -> None:
        place = f"{lsn}:{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"
        number = self._seen.get(place, 0)
        self._seen[place] = number + 1
        self._bodies.append(body)
        self._ids.append(f"{self._prefix}{place}:{number}")
        self._keys.append(key)
        self._operations.append(operation)
        self._lsns.append(lsn)
        self._seconds.append(seconds if 0 <= seconds <= _LAST_SECOND else None)
        self._headers.append(headers)


def _read(document: msgspec.Raw) -> _Change:
    try:
        return _CHANGE.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        whole = json.loads(bytes(document))
        return _Change(msgspec.convert(whole["metadata"], _Metadata), as_written(whole["current"]))

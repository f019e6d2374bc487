"""Pages of a change feed as deliveries: what was done, to which item, and its document as the service wrote it.

An `event_id` says which change it is, whoever reads it and how often: the container, the LSN, a hash of the item's key,
and which change of that item it is within the LSN. All changes of a transaction have one LSN and come in one page, and
an item's LSNs rise through splits and merges. A place in the page would not do: where a boundary cuts a feed range the
SDK reads more than was asked for. A document of a snapshot is no change: it has its own prefix and the generation.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from ingest.model.arrived import ARRIVED, Arrived
from ingest.model.container import CHANGE_PREFIX, DELETE, SNAPSHOT, UPSERT, FeedMode, fingerprint
from ingest.model.delivery import Delivery
from ingest.model.tables import TIME
from ingest.sources.cosmos_item import Path, Reader, as_written, encoded, nested
from ingest.sources.cosmos_item import key as key_of

__all__ = ["Changes", "Origin", "together"]

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
_NOTHING = b'{"id":""}'
_PIECE = 8_000
"""Rows: when a piece has so many, the next page begins another."""

_reader = functools.lru_cache(maxsize=64)(Reader)


class Changes:
    """The documents of one page; a `Piece`. They are read when land asks: while the next page is on its way."""

    def __init__(self, documents: Sequence[msgspec.Raw], origin: Origin) -> None:
        self._pages, self._origin = [documents], origin
        self._rows = len(documents)
        self.size = sum(len(memoryview(one)) for one in documents)
        """In bytes."""

    def __len__(self) -> int:
        return self._rows

    def only(self, has: Callable[[Sequence[Any]], bool]) -> Changes:
        """Those of items whose partition key `has` takes."""
        documents = itertools.chain.from_iterable(self._pages)
        some = zip(documents, self._columns.keys, strict=True)
        return Changes([document for document, key in some if has(json.loads(key)[1:])], self._origin)

    def __getitem__(self, at: int) -> Delivery:
        return self._columns.delivery(at)

    def arrived(self) -> Arrived:
        """All of them as columns."""
        return _Columns(self._pages, self._origin).arrived()

    @functools.cached_property
    def _columns(self) -> _Columns:
        return _Columns(self._pages, self._origin)

    def _takes(self, following: Changes) -> bool:
        """Whether the page now belongs to these: what follows costs less for many pages at once."""
        takes = self._rows < _PIECE and self._origin == following._origin
        if takes:
            self._pages += following._pages
            self._rows, self.size = self._rows + following._rows, self.size + following.size
        return takes


def together(pages: Iterable[Changes]) -> list[Changes]:
    """The pages, in their order, several as one piece; they are used up."""
    pieces: list[Changes] = []
    for page in pages:
        if not (pieces and pieces[-1]._takes(page)):  # noqa: SLF001 - of this module
            pieces.append(page)
    return pieces


class _Columns:
    """What the documents say: a step is taken for all of a page before the next, which costs less than one by one."""

    def __init__(self, pages: Sequence[Sequence[msgspec.Raw]], origin: Origin) -> None:
        self._origin = origin
        self._bodies: list[bytes | msgspec.Raw] = []
        self._ids: list[str] = []
        self.keys: list[str] = []
        self._operations: list[str] = []
        self._lsns: list[int] = []
        self._seconds: list[int | None] = []
        self._headers: list[str] = []
        self._plain = self._headers_of()
        read = self._read_items
        if origin.mode is FeedMode.ALL_VERSIONS and not origin.is_snapshot:
            read = self._read_changes
        for documents in pages:
            read(documents)

    def _read_items(self, documents: Sequence[msgspec.Raw]) -> None:
        """Of a snapshot, or the latest version of each item."""
        reader = _reader(("id", "_lsn", "_ts"), self._origin.paths)
        found = reader.read(documents)
        self._bodies += documents
        self._operations += [SNAPSHOT if self._origin.is_snapshot else UPSERT] * len(documents)
        self._headers += [self._plain] * len(documents)
        self._add(reader.keys(found), found[1], found[2])

    def _read_changes(self, documents: Sequence[msgspec.Raw]) -> None:
        """Of a feed of all versions: `current` is the document; of a delete, only the metadata tell whose it is."""
        reader = _reader(("id",), self._origin.paths)
        changes = _read(documents)
        told = [one.metadata for one in changes]
        bodies: list[bytes | msgspec.Raw] = [one.current for one in changes]
        gone = [at for at, one in enumerate(told) if one.operation_type == DELETE]
        for at in gone:
            bodies[at] = _NOTHING
        keys = reader.keys(reader.read(bodies))
        for at in gone:
            values = nested(told[at].partition_key, self._origin.paths)
            keys[at] = key_of(told[at].id, values, self._origin.paths)
            bodies[at] = encoded({**values, "id": told[at].id})
        self._bodies += bodies
        self._operations += [one.operation_type for one in told]
        self._headers += [
            self._plain
            if one.previous_image is None and not one.time_to_live_expired
            else self._headers_of(one.previous_image, expired=one.time_to_live_expired)
            for one in told
        ]
        self._add(keys, [one.lsn for one in told], [one.crts for one in told])

    def _headers_of(self, previous: int | None = None, *, expired: bool = False) -> str:
        return _ENCODER.encode(
            _Headers(self._origin.container_rid, self._origin.generation, previous, expired)
        ).decode()

    def _add(self, keys: list[str], lsns: Sequence[int], seconds: Sequence[int]) -> None:
        self._ids += self._named(keys, lsns)
        self.keys += keys
        self._lsns += lsns
        self._seconds += _times(seconds)

    def _named(self, keys: Sequence[str], lsns: Sequence[int]) -> list[str]:
        """The `event_id` of each."""
        prefix = f"{CHANGE_PREFIX}{self._origin.container_rid}:"
        if self._origin.is_snapshot:
            prefix += f"{SNAPSHOT}-{self._origin.generation}:"
        places = zip(lsns, map(fingerprint, keys), strict=True)
        if len(set(keys)) == len(keys):
            return [f"{prefix}{lsn}:{hashed}:0" for lsn, hashed in places]
        seen = Counter[tuple[int, str]]()
        names = []
        for place in places:
            names.append(f"{prefix}{place[0]}:{place[1]}:{seen[place]}")
            seen[place] += 1
        return names

    def delivery(self, at: int) -> Delivery:
        """One of them as a value."""
        seconds = self._seconds[at]
        return Delivery(
            bytes(self._bodies[at]),
            self._origin.source,
            self._origin.feed_range,
            msgspec.json.decode(self._headers[at]),
            _JSON,
            message_id=self._ids[at],
            type=self._operations[at],
            timestamp=None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC),
            position=self._lsns[at],
            operation=self._operations[at],
            key=self.keys[at],
        )

    def arrived(self) -> Arrived:
        """All of them as columns."""
        count = len(self._bodies)
        none = pa.nulls(count, pa.string())
        operations = pa.array(self._operations, pa.string())
        columns = {
            "body": pa.array(map(bytes, self._bodies), pa.binary(), size=count),
            "content_type": pa.repeat(_JSON, count),
            "content_encoding": none,
            "message_id": pa.array(self._ids, pa.string()),
            "type": operations,
            "timestamp": pa.array(self._seconds, pa.int64()).cast(pa.timestamp("s", "UTC")).cast(TIME),
            "source": pa.repeat(self._origin.source, count),
            "routing_key": pa.repeat(self._origin.feed_range, count),
            "headers": pa.array(self._headers, pa.string()),
            "header_names": none,  # none of them is an envelope's
            "milliseconds": pa.nulls(count, pa.int64()),
            "position": pa.array(self._lsns, pa.int64()),
            "redelivered": pa.repeat(pa.scalar(False), count),  # noqa: FBT003 - a value
            "operation": operations,
            "key": pa.array(self.keys, pa.string()),
        }
        return Arrived(pa.table(columns, schema=ARRIVED), self.delivery)


def _times(seconds: Sequence[int]) -> Sequence[int | None]:
    """Null where it is none."""
    if seconds and min(seconds) >= 0 and max(seconds) <= _LAST_SECOND:
        return seconds
    return [one if 0 <= one <= _LAST_SECOND else None for one in seconds]


def _read(documents: Sequence[msgspec.Raw]) -> list[_Change]:
    try:
        return [*map(_CHANGE.decode, documents)]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [*map(_read_one, documents)]


def _read_one(document: msgspec.Raw) -> _Change:
    try:
        return _CHANGE.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        whole = json.loads(bytes(document))
        return _Change(msgspec.convert(whole["metadata"], _Metadata), as_written(whole["current"]))

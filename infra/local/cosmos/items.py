"""Items: create, upsert, replace, patch, delete, read, expire; conditions on etags; the history that they leave.

Every change takes an LSN of its range, one per transaction, and, in an account with continuous backup, leaves a row of
history in the wire format of the all-versions-and-deletes change feed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from cosmos import epk
from cosmos.errors import Refused, bad_request, conflict, not_found, precondition_failed, too_large
from cosmos.keys import ItemKey
from cosmos.patch import patched
from cosmos.query import matches
from cosmos.ranges import Range, Ranges
from cosmos.resources import Container, item_rid
from cosmos.store import Store

__all__ = ["LIMIT", "Item", "Items", "Unit"]

LIMIT: Final = 2 * 1024 * 1024  # bytes of one item, and of the request of one transaction

_ID_LIMIT: Final = 1023
_MISMATCH: Final = 1001
_SYSTEM: Final = ("_rid", "_self", "_etag", "_attachments", "_ts", "_lsn")
_COLUMNS: Final = "seq, range, id, born, body, etag, ts, lsn"


@dataclass(frozen=True, slots=True)
class Item:
    """An item as kept. `body`: its JSON with the system properties but `_lsn`."""

    seq: int
    range: int
    id: str
    born: int
    body: bytes
    etag: str
    ts: int
    lsn: int


@dataclass(slots=True)
class Unit:
    """One transaction on one partition key: its range and, once something is written, its LSN."""

    key: ItemKey
    range: Range
    lsn: int = 0


class Items:
    """The items of the containers of a store. `history`: continuous backup is on."""

    def __init__(self, store: Store, ranges: Ranges, *, history: bool) -> None:
        self._store, self._ranges, self._history = store, ranges, history
        self._due: dict[int, float] = {}  # container → when its next item expires, at the earliest
        (used,) = store.db.execute(
            "select max(seq) from (select seq from sqlite_sequence where name = 'items'"
            " union all select max(seq) from changes)"
        ).fetchone()
        self._seq = int(used or 0)

    def unit(self, container: Container, key: ItemKey) -> Unit:
        """What the writes of one transaction share."""
        return Unit(key, self._ranges.holding(container, key.place))

    def find(self, container: Container, key: ItemKey, name: str) -> Item:
        """404 when there is none."""
        row = self._store.db.execute(
            f"select {_COLUMNS} from items where container = ? and epk = ? and key = ? and id = ?",
            (container.no, key.place, key.text, name),
        ).fetchone()
        if row is None:
            raise not_found()
        return Item(*row)

    def create(self, container: Container, unit: Unit, body: Mapping[str, Any]) -> Item:
        """409 when the id is there."""
        self._check(container, unit.key, body)
        try:
            self.find(container, unit.key, body["id"])
        except Refused:
            return self._write(container, unit, body, None)
        raise conflict()

    def upsert(
        self, container: Container, unit: Unit, body: Mapping[str, Any], if_match: str | None
    ) -> tuple[Item, bool]:
        """The item, and whether it is new. `if_match` is asked only of one that is there, as the service does."""
        self._check(container, unit.key, body)
        try:
            old = self.find(container, unit.key, body["id"])
        except Refused:
            return self._write(container, unit, body, None), True
        _match(old, if_match)
        return self._write(container, unit, body, old), False

    def replace(
        self, container: Container, unit: Unit, name: str, body: Mapping[str, Any], if_match: str | None
    ) -> Item:
        """404 when there is none, 412 when it has another etag, 400 when the body names another id."""
        self._check(container, unit.key, body)
        if body["id"] != name:
            raise bad_request("The id of the resource body and the id of the request do not agree.")
        old = self.find(container, unit.key, name)
        _match(old, if_match)
        return self._write(container, unit, body, old)

    def patch(self, container: Container, unit: Unit, name: str, request: Any, if_match: str | None) -> Item:
        """`request`: operations, or `operations` and `condition`, a predicate as in a query (412 when not true)."""
        old = self.find(container, unit.key, name)
        _match(old, if_match)
        known = msgspec.json.decode(old.body)
        operations, condition = request, None
        if isinstance(request, dict):
            operations, condition = request.get("operations"), request.get("condition")
        if condition is not None and not matches(str(condition), known):
            raise precondition_failed()
        body = patched(known, operations, protected=("id", *[path[0] for path in container.paths]))
        self._check(container, unit.key, body)
        return self._write(container, unit, body, old)

    def delete(self, container: Container, unit: Unit, name: str, if_match: str | None) -> None:
        """404 when there is none, 412 when it has another etag."""
        old = self.find(container, unit.key, name)
        _match(old, if_match)
        self._delete(container, unit, old, expired=False)

    def expire(self, container: Container) -> None:
        """Delete what has outlived its time to live; each is a transaction of its own."""
        ttl = container.default_ttl
        now = self._store.now()
        if ttl is None or self._due.get(container.no, 0) > now:
            return
        rows = self._store.db.execute(
            f"select epk, key, {_COLUMNS} from items where container = ?1 and coalesce(ttl, ?2) > 0"
            " and ts + coalesce(ttl, ?2) <= ?3 order by ts + coalesce(ttl, ?2), seq",
            (container.no, ttl, now),
        ).fetchall()
        with self._store.transaction() as db:
            for place, text, *row in rows:
                values = [epk.UNDEFINED if value == {} else value for value in msgspec.json.decode(text)]
                unit = Unit(ItemKey(tuple(values), place, text), self._ranges.holding(container, place))
                self._delete(container, unit, Item(*row), expired=True)
            (due,) = db.execute(
                "select min(ts + coalesce(ttl, ?2)) from items where container = ?1 and coalesce(ttl, ?2) > 0",
                (container.no, ttl),
            ).fetchone()
        self._due[container.no] = float("inf") if due is None else due

    def forget_due(self, container: Container) -> None:
        """The container's rule of expiry changed."""
        self._due.pop(container.no, None)

    def forget_all_due(self) -> None:
        """The clock was set."""
        self._due.clear()

    def _check(self, container: Container, key: ItemKey, body: Any) -> None:
        if not isinstance(body, dict):
            raise bad_request("The request payload is invalid. Ensure to provide a valid request payload.")
        name = body.get("id")
        if not isinstance(name, str) or not name:
            raise bad_request("The input content is invalid because the required properties - 'id; ' - are missing")
        if len(name.encode(errors="surrogatepass")) > _ID_LIMIT:
            raise bad_request("The id of an item must not be longer than 1,023 bytes.")
        if ItemKey.of(container.values(body)).text != key.text:
            raise bad_request(
                "PartitionKey extracted from document doesn't match the one specified in the header", _MISMATCH
            )
        ttl = body.get("ttl")
        if container.default_ttl is not None and ttl is not None and not _is_ttl(ttl):
            raise bad_request(f"The input ttl '{ttl}' is invalid. Ensure to provide a nonzero positive number, or -1.")

    def _write(self, container: Container, unit: Unit, body: Mapping[str, Any], old: Item | None) -> Item:
        kept = {name: value for name, value in body.items() if name not in _SYSTEM}
        if len(msgspec.json.encode(kept)) > LIMIT:
            raise too_large()
        db, now, lsn = self._store.db, self._store.now(), self._lsn(container, unit)
        self._seq += 1
        born = old.born if old else self._seq
        rid = item_rid(container, born)
        etag = f'"{self._seq:08x}-0000-0700-0000-{now:08x}{secrets.token_hex(2)}"'
        kept.update(_rid=rid, _self=f"{container.link}docs/{rid}/", _etag=etag, _attachments="attachments/", _ts=now)
        made = Item(self._seq, unit.range.no, kept["id"], born, msgspec.json.encode(kept), etag, now, lsn)
        if old:
            db.execute("delete from items where seq = ?", (old.seq,))
        ttl = kept.get("ttl") if _is_ttl(kept.get("ttl")) else None
        db.execute(
            "insert into items values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                made.seq,
                container.no,
                made.range,
                unit.key.place,
                unit.key.text,
                made.id,
                born,
                made.body,
                etag,
                now,
                ttl,
                lsn,
            ),
        )
        if container.no in self._due and (lives := ttl or container.default_ttl or -1) > 0:
            self._due[container.no] = min(self._due[container.no], now + lives)
        meta = {"lsn": lsn, "crts": now, "operationType": "replace" if old else "create"}
        if old:
            meta["previousImageLSN"] = old.lsn
        self._remember(container, unit, b'{"current":' + made.body + b',"metadata":' + msgspec.json.encode(meta) + b"}")
        return made

    def _delete(self, container: Container, unit: Unit, old: Item, *, expired: bool) -> None:
        lsn = self._lsn(container, unit)
        self._seq += 1
        self._store.db.execute("delete from items where seq = ?", (old.seq,))
        names = [path[-1] for path in container.paths]
        meta: dict[str, Any] = {
            "lsn": lsn,
            "crts": self._store.now(),
            "operationType": "delete",
            "previousImageLSN": old.lsn,
            "id": old.id,
            "partitionKey": {
                name: value
                for name, value in zip(names, unit.key.values, strict=True)
                if not isinstance(value, epk.Undefined)
            },
        }
        if expired:
            meta["timeToLiveExpired"] = True
        self._remember(container, unit, msgspec.json.encode({"current": {}, "metadata": meta}))

    def _lsn(self, container: Container, unit: Unit) -> int:
        unit.lsn = unit.lsn or self._ranges.next_lsn(container, unit.range)
        return unit.lsn

    def _remember(self, container: Container, unit: Unit, change: bytes) -> None:
        if self._history:
            self._store.db.execute(
                "insert into changes values (?, ?, ?, ?, ?, ?, ?)",
                (self._seq, container.no, unit.range.no, unit.key.place, unit.lsn, self._store.now(), change),
            )


def _match(item: Item, if_match: str | None) -> None:
    if if_match not in {None, "*", item.etag}:
        raise precondition_failed()


def _is_ttl(ttl: Any) -> bool:
    return isinstance(ttl, int) and not isinstance(ttl, bool) and (ttl > 0 or ttl == -1)

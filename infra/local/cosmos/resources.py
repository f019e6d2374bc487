"""Databases and containers: their names, resource ids (`_rid`), definitions, and how a path finds them."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from cosmos import epk
from cosmos.errors import Refused, bad_request, conflict, not_found
from cosmos.store import Store

__all__ = ["Container", "Database", "Resources", "item_rid", "range_rid"]

_OWNER_MISSING: Final = 1003
_NAME_LIMIT: Final = 255
_MAX_LEVELS: Final = 3
_MIN_DATABASE, _MIN_CONTAINER = 4, 8  # bytes of a resource id


@dataclass(frozen=True, slots=True)
class Database:
    """A database. `rid`: base64 of 4 bytes."""

    rid: str
    id: str
    ts: int
    etag: str

    def body(self) -> dict[str, Any]:
        """As the service shows it."""
        return {
            "id": self.id,
            "_rid": self.rid,
            "_self": f"dbs/{self.rid}/",
            "_etag": self.etag,
            "_colls": "colls/",
            "_users": "users/",
            "_ts": self.ts,
        }


@dataclass(frozen=True, slots=True)
class Container:
    """A container. `rid`: base64 of 8 bytes, another one each time it is made; `paths`: one per level of the key."""

    no: int
    rid: str
    id: str
    database: Database
    definition: Mapping[str, Any]
    paths: tuple[tuple[str, ...], ...]
    ts: int
    etag: str
    throughput: int | None

    @property
    def default_ttl(self) -> int | None:
        """Seconds; -1: items live for ever unless they say otherwise; null: expiry is off."""
        ttl = self.definition.get("defaultTtl")
        return None if ttl is None else int(ttl)

    @property
    def path(self) -> str:
        """`dbs/NAME/colls/NAME`."""
        return f"dbs/{self.database.id}/colls/{self.id}"

    @property
    def link(self) -> str:
        """`dbs/RID/colls/RID/`."""
        return f"dbs/{self.database.rid}/colls/{self.rid}/"

    def body(self) -> dict[str, Any]:
        """As the service shows it."""
        return {
            **self.definition,
            "_rid": self.rid,
            "_ts": self.ts,
            "_self": self.link,
            "_etag": self.etag,
            "_docs": "docs/",
            "_sprocs": "sprocs/",
            "_triggers": "triggers/",
            "_udfs": "udfs/",
            "_conflicts": "conflicts/",
        }

    def values(self, item: Mapping[str, Any]) -> tuple[epk.Scalar, ...]:
        """The partition key of `item`, one value per level."""
        return tuple(_at(item, path) for path in self.paths)


class Resources:
    """The databases and containers of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def databases(self) -> list[Database]:
        """All, by name."""
        return [Database(*row) for row in self._store.db.execute("select rid, id, ts, etag from databases order by id")]

    def database(self, name: str, *, owner: bool = False) -> Database:
        """By name or resource id. `owner`: it is missing as the holder of what is asked for, sub-status 1003."""
        row = self._store.db.execute(
            "select rid, id, ts, etag from databases where id = ? or rid = ? order by id <> ?", (name, name, name)
        ).fetchone()
        if row is None:
            raise not_found("Owner resource does not exist" if owner else _MISSING, _OWNER_MISSING if owner else 0)
        return Database(*row)

    def create_database(self, body: Mapping[str, Any]) -> Database:
        """409 when the name is taken."""
        made = Database(_rid(secrets.token_bytes(4)), _name(body), self._store.now(), _etag())
        if self._store.db.execute("select 1 from databases where id = ?", (made.id,)).fetchone():
            raise conflict()
        self._store.db.execute("insert into databases values (?, ?, ?, ?)", (made.rid, made.id, made.ts, made.etag))
        return made

    def delete_database(self, database: Database) -> None:
        """With its containers."""
        with self._store.transaction() as db:
            for container in self.containers(database):
                self.delete_container(container)
            db.execute("delete from databases where rid = ?", (database.rid,))

    def containers(self, database: Database) -> list[Container]:
        """All, by name."""
        rows = self._store.db.execute(
            "select no, rid, id, definition, ts, etag, throughput from containers where database = ? order by id",
            (database.rid,),
        )
        return [_container(database, row) for row in rows]

    def container(self, database: str, name: str, *, owner: bool = False) -> Container:
        """By names or resource ids. `owner`: see `database`."""
        holder = self.database(database, owner=True)
        row = self._store.db.execute(
            "select no, rid, id, definition, ts, etag, throughput from containers"
            " where database = ? and (id = ? or rid = ?) order by id <> ?",
            (holder.rid, name, name, name),
        ).fetchone()
        if row is None:
            raise not_found("Owner resource does not exist" if owner else _MISSING, _OWNER_MISSING if owner else 0)
        return _container(holder, row)

    def create_container(
        self, database: Database, body: Mapping[str, Any], *, ranges: int, throughput: int | None
    ) -> Container:
        """With `ranges` partition key ranges of equal width. 409 when the name is taken."""
        definition = _definition(body)
        store, now = self._store, self._store.now()
        number = bytearray(secrets.token_bytes(4))
        number[0] |= 0x80
        rid = _rid(_bytes(database.rid) + bytes(number))
        bounds = [epk.MINIMUM, *[f"{(1 << 126) * i // ranges:032X}" for i in range(1, ranges)], epk.MAXIMUM]
        with store.transaction() as db:
            if db.execute(
                "select 1 from containers where database = ? and id = ?", (database.rid, definition["id"])
            ).fetchone():
                raise conflict()
            no = db.execute(
                "insert into containers (rid, database, id, definition, ts, etag, throughput)"
                " values (?, ?, ?, ?, ?, ?, ?)",
                (rid, database.rid, definition["id"], _text(definition), now, _etag(), throughput),
            ).lastrowid
            db.executemany(
                "insert into ranges values (?, ?, ?, ?, '[]', 1, 1, 0, 0, ?)",
                [(no, i, bounds[i], bounds[i + 1], now) for i in range(ranges)],
            )
        return self.container(database.rid, rid)

    def replace_container(self, container: Container, body: Mapping[str, Any]) -> Container:
        """400 when the name or the partition key would change."""
        definition = _definition(body)
        if definition["id"] != container.id or definition["partitionKey"] != container.definition["partitionKey"]:
            raise bad_request("Partition key paths and the id of a container cannot be changed.")
        self._store.db.execute(
            "update containers set definition = ?, ts = ?, etag = ? where no = ?",
            (_text(definition), self._store.now(), _etag(), container.no),
        )
        return self.container(container.database.rid, container.rid)

    def set_throughput(self, container: Container, units: int | None) -> None:
        """Request units per second that the container serves; null for no limit."""
        self._store.db.execute("update containers set throughput = ? where no = ?", (units, container.no))

    def delete_container(self, container: Container) -> None:
        """With its items and its history."""
        with self._store.transaction() as db:
            for table in ("items", "changes", "ranges"):
                db.execute(f"delete from {table} where container = ?", (container.no,))
            db.execute("delete from containers where no = ?", (container.no,))


def item_rid(container: Container, born: int) -> str:
    """Base64 of 16 bytes: the container's 8, then the number of the item."""
    return _rid(_bytes(container.rid) + born.to_bytes(8, "little"))


def range_rid(container: Container, number: int) -> str:
    """Base64 of 16 bytes: the container's 8, then the number of the range, marked as one."""
    return _rid(_bytes(container.rid) + (number + 2).to_bytes(7, "little") + b"\x50")


_MISSING: Final = "Resource Not Found. Learn more: https://aka.ms/cosmosdb-tsg-not-found"


def _rid(data: bytes) -> str:
    return b64encode(data).decode().replace("/", "-")


def _bytes(rid: str) -> bytes:
    return b64decode(rid.replace("-", "/"))


def _etag() -> str:
    return f'"{secrets.token_hex(4)}-0000-0700-0000-{secrets.token_hex(6)}"'


def _text(definition: Mapping[str, Any]) -> str:
    return msgspec.json.encode(definition).decode()


def _container(database: Database, row: Sequence[Any]) -> Container:
    no, rid, name, definition, ts, etag, throughput = row
    known = msgspec.json.decode(definition)
    paths = tuple(_segments(path) for path in known["partitionKey"]["paths"])
    return Container(no, rid, name, database, known, paths, ts, etag, throughput)


def _name(body: Mapping[str, Any]) -> str:
    name = body.get("id")
    if not isinstance(name, str) or not name:
        raise bad_request("The input content is invalid because the required properties - 'id; ' - are missing")
    if len(name) > _NAME_LIMIT or set(name) & set("/\\?#") or name.endswith(" "):
        raise bad_request(
            "The input name is invalid. Ensure to provide a unique non-empty string less than '255' "
            "characters without '/', '\\', '?', '#' and without a trailing space."
        )
    return name


def _definition(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the client asked for, checked, completed with what the service fills in."""
    known = {name: value for name, value in body.items() if not name.startswith("_")}
    known["id"] = _name(body)
    key = known.get("partitionKey")
    paths = key.get("paths") if isinstance(key, dict) else None
    if not isinstance(key, dict) or not isinstance(paths, list) or not 0 < len(paths) <= _MAX_LEVELS:
        raise bad_request("The partition key definition is missing or has no path (one to three are allowed).")
    kind = key.get("kind", "Hash")
    if kind not in {"Hash", "MultiHash"} or (kind == "Hash" and len(paths) > 1):
        raise bad_request(f"The partition key kind {kind!r} does not go with {len(paths)} paths.")
    if key.get("version", 2) != 2:  # noqa: PLR2004 - the version of the hash
        raise bad_request("Version 1 of the partition key hash is not served by this emulator: use version 2.")
    if any(not isinstance(path, str) or not path.startswith("/") or len(path) < 2 for path in paths):  # noqa: PLR2004
        raise bad_request("A partition key path must start with '/' and name a property.")
    if any(set(path) & set("\"'*") for path in paths):
        raise bad_request("Quoted names in partition key paths are not served by this emulator.")
    known["partitionKey"] = {"paths": paths, "kind": kind, "version": 2}
    _check_ttl(known.get("defaultTtl"))
    retention = (known.get("changeFeedPolicy") or {}).get("retentionDuration", 0)
    if not isinstance(retention, int) or retention < 0:
        raise bad_request(f"The retention of the change feed policy, {retention!r}, is not a number of minutes.")
    known.setdefault("indexingPolicy", {"indexingMode": "consistent", "automatic": True})
    known.setdefault("conflictResolutionPolicy", {"mode": "LastWriterWins", "conflictResolutionPath": "/_ts"})
    known.setdefault("geospatialConfig", {"type": "Geography"})
    return known


def _check_ttl(ttl: Any) -> None:
    if ttl is not None and (not isinstance(ttl, int) or isinstance(ttl, bool) or (ttl < 1 and ttl != -1)):
        raise Refused(400, f"The input ttl '{ttl}' is invalid. Ensure to provide a nonzero positive number, or -1.")


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.strip("/").split("/"))


def _at(item: Mapping[str, Any], path: Sequence[str]) -> epk.Scalar:
    value: Any = item
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return epk.UNDEFINED
        value = value[part]
    if isinstance(value, (dict, list)):
        raise bad_request("PartitionKey extracted from document doesn't match the one specified in the header", 1001)
    return value  # type: ignore[no-any-return]

"""Partition key ranges: which physical partition holds which part of the hash space; splits and merges.

A range is never changed: a split or a merge ends its range(s) and makes others, which name all their ancestors as
`parents`. Who still asks for an ended one gets 410/1002 and reads the list again, of which `If-None-Match` with the
last etag brings only what is new.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from cosmos import epk
from cosmos.errors import bad_request, gone
from cosmos.resources import Container, range_rid
from cosmos.store import Store

__all__ = ["Range", "Ranges"]

_COLUMNS: Final = "id, low, high, parents, lsn, version, gone, pruned, ts"


@dataclass(frozen=True, slots=True)
class Range:
    """One partition key range, [low, high) of effective partition keys. `lsn`: of its last transaction.

    `pruned`: the highest LSN whose change is no longer in the history; 0 for none. `version`: of the container's
    list of ranges in which it appeared.
    """

    no: int
    low: str
    high: str
    parents: tuple[str, ...]
    lsn: int
    version: int
    gone: bool
    pruned: int
    ts: int

    @property
    def id(self) -> str:
        """As requests name it."""
        return str(self.no)


class Ranges:
    """The ranges of the containers of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def current(self, container: Container) -> list[Range]:
        """Those that serve, in the order of the hash space, without gap or overlap."""
        rows = self._store.db.execute(
            f"select {_COLUMNS} from ranges where container = ? and not gone order by low", (container.no,)
        )
        return [_range(row) for row in rows]

    def by_id(self, container: Container, name: str) -> Range:
        """410/1002 when it was split or merged, or never was."""
        row = self._store.db.execute(
            f"select {_COLUMNS} from ranges where container = ? and id = ?",
            (container.no, int(name) if name.isdecimal() else -1),
        ).fetchone()
        if row is None or row[6]:
            raise gone(name)
        return _range(row)

    def holding(self, container: Container, key: str) -> Range:
        """The one that holds the effective partition key."""
        row = self._store.db.execute(
            f"select {_COLUMNS} from ranges where container = ? and not gone and low <= ? order by low desc limit 1",
            (container.no, key),
        ).fetchone()
        return _range(row)

    def next_lsn(self, container: Container, within: Range) -> int:
        """The LSN of a transaction that is being written to the range."""
        (lsn,) = self._store.db.execute(
            "update ranges set lsn = lsn + 1 where container = ? and id = ? returning lsn", (container.no, within.no)
        ).fetchone()
        return int(lsn)

    def split(self, container: Container, name: str, at: str | None = None) -> list[Range]:
        """End the range `name` for two, divided at the effective partition key `at`, by default in the middle."""
        with self._store.transaction():
            parent = self.by_id(container, name)
            at = at.upper() if at else epk.middle(parent.low, parent.high)
            if set(at) - set("0123456789ABCDEF") or not parent.low < at < parent.high:
                raise bad_request(f"{at} is not inside [{parent.low}, {parent.high}): name a boundary that is.")
            return self._replace(container, [parent], [(parent.low, at), (at, parent.high)])

    def merge(self, container: Container, names: Sequence[str]) -> list[Range]:
        """End neighbouring ranges for one. Its items come in the order of their LSN, so `_ts` may go backwards."""
        with self._store.transaction():
            merged = sorted((self.by_id(container, name) for name in names), key=lambda one: one.low)
            if len(merged) < 2:  # noqa: PLR2004 - of one there is nothing to merge
                raise bad_request("A merge takes two or more partition key ranges.")
            if any(left.high != right.low for left, right in itertools.pairwise(merged)):
                raise bad_request("Only neighbouring partition key ranges can be merged.")
            return self._replace(container, merged, [(merged[0].low, merged[-1].high)])

    def _replace(self, container: Container, ended: list[Range], bounds: list[tuple[str, str]]) -> list[Range]:
        db, no = self._store.db, container.no
        (version,) = db.execute(
            "update containers set ranges_version = ranges_version + 1 where no = ? returning ranges_version", (no,)
        ).fetchone()
        (first,) = db.execute("select max(id) + 1 from ranges where container = ?", (no,)).fetchone()
        parents = sorted({name for one in ended for name in (*one.parents, one.id)}, key=int)
        lsn, pruned = max(one.lsn for one in ended), max(one.pruned for one in ended)
        made = [
            Range(first + i, low, high, tuple(parents), lsn, version, gone=False, pruned=pruned, ts=self._store.now())
            for i, (low, high) in enumerate(bounds)
        ]
        for one in ended:
            db.execute("update ranges set gone = 1 where container = ? and id = ?", (no, one.no))
        for one in made:
            db.execute(
                "insert into ranges values (?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
                (no, one.no, one.low, one.high, msgspec.json.encode(parents).decode(), lsn, version, pruned, one.ts),
            )
            for table in ("items", "changes"):
                for old in ended:
                    db.execute(
                        f"update {table} set range = ? where container = ? and range = ? and epk >= ? and epk < ?",
                        (one.no, no, old.no, one.low, one.high),
                    )
        return made

    def listing(self, container: Container, since: str | None) -> tuple[dict[str, Any] | None, str]:
        """The body of /pkranges, null when nothing is new since the etag `since`; and the etag of the list."""
        (version,) = self._store.db.execute(
            "select ranges_version from containers where no = ?", (container.no,)
        ).fetchone()
        known = _version(since)
        shown = [one for one in self.current(container) if one.version > known]
        etag = f'"{version}"'
        if not shown:
            return None, etag
        bodies = [_body(container, one, len(shown)) for one in shown]
        return {"_rid": container.rid, "PartitionKeyRanges": bodies, "_count": len(bodies)}, etag


def _range(row: Sequence[Any]) -> Range:
    no, low, high, parents, lsn, version, ended, pruned, ts = row
    return Range(no, low, high, tuple(msgspec.json.decode(parents)), lsn, version, bool(ended), pruned, ts)


def _version(etag: str | None) -> int:
    text = (etag or "").strip('"')
    return int(text) if text.isdecimal() else 0


def _body(container: Container, one: Range, count: int) -> dict[str, Any]:
    rid = range_rid(container, one.no)
    return {
        "_rid": rid,
        "id": one.id,
        "_etag": f'"{one.version}"',
        "minInclusive": one.low,
        "maxExclusive": one.high,
        "ridPrefix": one.no,
        "_self": f"{container.link}pkranges/{rid}/",
        "throughputFraction": 1 / count,
        "status": "online",
        "parents": list(one.parents),
        "lsn": one.lsn,
        "_ts": one.ts,
    }

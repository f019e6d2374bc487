"""The change feed of one partition key range, in both modes.

A continuation is the LSN of the last transaction that was read, quoted as an etag. All changes of a transaction come in
one page, so a page may hold more than was asked for. Nothing new is 304, with the continuation to go on from.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, Final

from cosmos.errors import bad_request
from cosmos.ranges import Range
from cosmos.resources import Container
from cosmos.store import Store

__all__ = ["PAGE_BYTES", "Page", "Slice", "full_fidelity", "latest_version", "page_limit", "prune"]

PAGE_BYTES: Final = 4 * 1024 * 1024  # a page ends at the first transaction that goes beyond

_DEFAULT_PAGE, _DYNAMIC_PAGE = 100, 1000


@dataclass(frozen=True, slots=True)
class Slice:
    """What is asked for: of a range, the part [low, high) of the hash space; null bounds for all of it.

    `after`: the continuation as sent, `*` for now, null for the beginning. `since`: seconds; what is older is left out.
    """

    within: Range
    low: str | None
    high: str | None
    after: str | None
    since: int | None
    limit: int


@dataclass(frozen=True, slots=True)
class Page:
    """`documents`: JSON texts; none for 304. `continuation`: the LSN to go on after."""

    documents: list[bytes]
    continuation: int


def page_limit(header: str | None) -> int:
    """Of `x-ms-max-item-count`: 100 when it is missing, 1,000 for -1, which leaves it to the service."""
    try:
        limit = int(header) if header else _DEFAULT_PAGE
    except ValueError:
        limit = 0
    if limit == 0 or limit < -1:
        raise bad_request(f"The page size {header!r} is invalid: a positive number, or -1.")
    return _DYNAMIC_PAGE if limit == -1 else limit


def latest_version(store: Store, container: Container, asked: Slice) -> Page:
    """Mode LatestVersion: of each item that is there the last change, each with its `_lsn`."""
    after = _start(asked)
    if asked.since is not None and asked.after is None:
        # A start from a time is looked up first: the answer is its place in the feed, and no items.
        (first,) = store.db.execute(
            "select min(lsn) from items where container = ? and range = ? and ts >= ?",
            (container.no, asked.within.no, asked.since),
        ).fetchone()
        return Page([], asked.within.lsn if first is None else first - 1)
    rows = store.db.execute(
        f"select lsn, body from items where container = ? and range = ? and lsn > ?{_bounds(asked)} order by lsn, seq",
        (container.no, asked.within.no, after, *_values(asked)),
    )
    documents, last = _transactions(rows, asked.limit)
    return Page([b'%s,"_lsn":%d}' % (body[:-1], lsn) for lsn, body in documents], last or max(after, asked.within.lsn))


def full_fidelity(store: Store, container: Container, asked: Slice) -> Page:
    """Mode AllVersionsAndDeletes: every change, from a continuation within the retention, or from now.

    Raises:
        Refused: 400, for a start from the beginning or from a time, and for a continuation older than the history.
    """
    if asked.after is None:
        raise bad_request("The all versions and deletes change feed starts from now or from a continuation.")
    after = _start(asked)
    if after < asked.within.pruned:
        raise bad_request(
            "The continuation is older than the retention of the all versions and deletes change feed: changes after it"
            " are no longer kept. Start from now."
        )
    rows = store.db.execute(
        f"select lsn, change from changes where container = ? and range = ? and lsn > ?{_bounds(asked)}"
        " order by lsn, seq",
        (container.no, asked.within.no, after, *_values(asked)),
    )
    documents, last = _transactions(rows, asked.limit)
    return Page([change for _, change in documents], last or max(after, asked.within.lsn))


def prune(store: Store, container: Container, before: int) -> None:
    """Forget the history from before the time `before`, and remember up to which LSN it is gone."""
    old = "from changes where container = ? and ts < ?"
    if store.db.execute(f"select 1 {old} limit 1", (container.no, before)).fetchone() is None:
        return
    with store.transaction() as db:
        rows = db.execute(f"select range, max(lsn) {old} group by range", (container.no, before)).fetchall()
        for number, lsn in rows:
            db.execute(
                "update ranges set pruned = max(pruned, ?) where container = ? and id = ?", (lsn, container.no, number)
            )
        db.execute(f"delete {old}", (container.no, before))


def _start(asked: Slice) -> int:
    if asked.after is None:
        return 0
    if asked.after == "*":
        return asked.within.lsn
    text = asked.after.strip('"')
    if not text.isdecimal():
        raise bad_request(f"The continuation {asked.after!r} is not one of this feed.")
    return int(text)


def _bounds(asked: Slice) -> str:
    return (" and epk >= ? and epk < ?" if asked.low is not None else "") + (
        " and ts >= ?" if asked.since is not None else ""
    )


def _values(asked: Slice) -> list[Any]:
    bounds = [] if asked.low is None else [asked.low, asked.high]
    return [*bounds, *([] if asked.since is None else [asked.since])]


def _transactions(rows: sqlite3.Cursor, limit: int) -> tuple[list[tuple[int, bytes]], int | None]:
    """Whole transactions until `limit` documents or the page's bytes are reached; the last LSN, null at the end."""
    page: list[tuple[int, bytes]] = []
    size = 0
    for lsn, body in rows:
        if page and lsn != page[-1][0] and (len(page) >= limit or size >= PAGE_BYTES):
            rows.close()
            return page, page[-1][0]
        page.append((lsn, body))
        size += len(body)
    return page, None

"""Reading many items: all of them, or those of a query, of a partition key, a partition key range or the container.

Items come in the order of the hash space and a continuation is a place in it, so it survives splits and merges.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from cosmos import epk
from cosmos.errors import Refused, bad_request, gone
from cosmos.feed import PAGE_BYTES, page_limit
from cosmos.keys import ItemKey
from cosmos.query import Query, parsed
from cosmos.ranges import Range, Ranges
from cosmos.resources import Container
from cosmos.store import Store
from cosmos.wire import Call, Reply, feed_reply, json_reply

__all__ = ["Scope", "read_items", "scope_of"]

_NEEDS_PLAN: Final = 1004


@dataclass(frozen=True, slots=True)
class Scope:
    """What a request is about: [low, high) of the hash space, `key` for one partition key, `within` for one range."""

    low: str
    high: str
    key: ItemKey | None
    within: Range | None

    @property
    def whole(self) -> bool:
        """Neither a partition key nor a range is named."""
        return self.key is None and self.within is None


def scope_of(call: Call, container: Container, ranges: Ranges) -> Scope:
    """By the headers. 410/1002 for a range that is gone, or that does not hold the bounds that are asked for."""
    low, high, key, within = epk.MINIMUM, epk.MAXIMUM, None, None
    named = call.headers.get("x-ms-documentdb-partitionkeyrangeid")
    if named is not None:
        within = ranges.by_id(container, named.rpartition(",")[2])
        low, high = within.low, within.high
    start, end = call.headers.get("x-ms-start-epk"), call.headers.get("x-ms-end-epk")
    if start is not None and end is not None:
        if within is not None and not (low <= start <= end <= high):
            raise gone(within.id)
        low, high = start, end
    values = call.partition_key()
    if values:
        if len(values) > len(container.paths):
            raise bad_request("The partition key has more levels than the container's.", 1001)
        if len(values) == len(container.paths):
            key = ItemKey.of(values)
            low, high = max(low, key.place), min(high, key.place + "0")
        else:
            first, last = epk.prefix_range(values)
            low, high = max(low, first), min(high, last)
    return Scope(low, high, key, within)


def read_items(store: Store, call: Call, container: Container, scope: Scope) -> Reply:
    """One page. A query over partitions whose parts the client must put together is refused with its plan, 400/1004."""
    query = parsed(call.json()) if call.is_query else Query(None, None)
    if call.flag("x-ms-cosmos-is-query-plan-request"):
        return json_reply(query.plan())
    if call.is_query and scope.whole:
        _check_fan_out(call, query)
    limit = page_limit(call.headers.get("x-ms-max-item-count"))
    sql, values = _selection(container, scope, call.headers.get("x-ms-continuation"))
    if query.count:
        return _counted(store, container, query, sql, values)
    documents: list[bytes] = []
    size = read = 0
    place, more = None, False
    for row in store.db.execute(f"select epk, key, id, body {sql} order by epk, key, id", values):
        if len(documents) >= limit or size >= PAGE_BYTES:
            more = True
            break
        place, body = row[:3], row[3]
        read += len(body)
        shown = _shown(query, body)
        if shown is not None:
            documents.append(shown)
            size += len(shown)
    reply = feed_reply(container, documents, charge=2.3 + read / 1024 * 0.5)
    if more:
        reply.headers["x-ms-continuation"] = urlsafe_b64encode(msgspec.json.encode(place)).decode()
    return reply


def _check_fan_out(call: Call, query: Query) -> None:
    if not call.flag("x-ms-documentdb-query-enablecrosspartition"):
        raise bad_request(
            "Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to"
            " true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception."
        )
    if query.count:
        raise Refused(
            400,
            "The provided cross partition query can not be directly served by the gateway. This is a first chance"
            " (internal) exception that all newer clients will know how to handle gracefully.",
            substatus=_NEEDS_PLAN,
            details={"additionalErrorInfo": msgspec.json.encode(query.plan()).decode()},
        )


def _selection(container: Container, scope: Scope, continuation: str | None) -> tuple[str, list[Any]]:
    sql, values = "from items where container = ? and epk >= ? and epk < ?", [container.no, scope.low, scope.high]
    if scope.key is not None:
        sql, values = f"{sql} and key = ?", [*values, scope.key.text]
    if continuation:
        try:
            place = msgspec.json.decode(urlsafe_b64decode(continuation), type=tuple[str, str, str])
        except ValueError:
            raise bad_request("The continuation is not one of this emulator.") from None
        sql, values = f"{sql} and (epk, key, id) > (?, ?, ?)", [*values, *place]
    return sql, values


def _shown(query: Query, body: bytes) -> bytes | None:
    if query.where is None and query.select is None:
        return body
    item = msgspec.json.decode(body)
    if query.where is not None and query.where(item) is not True:
        return None
    return body if query.select is None else msgspec.json.encode(query.select(item))


def _counted(store: Store, container: Container, query: Query, sql: str, values: list[Any]) -> Reply:
    where = query.where
    if where is None:
        (count,) = store.db.execute(f"select count(*) {sql}", values).fetchone()
    else:
        rows = store.db.execute(f"select body {sql}", values)
        count = sum(where(msgspec.json.decode(body)) is True for (body,) in rows)
    shown = [{"item": count}] if query.partial else count
    return feed_reply(container, [msgspec.json.encode(shown)], charge=2.8)

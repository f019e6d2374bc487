"""The `docs` of a container over the wire: items one by one, in transactions, in queries, in change feeds."""

from __future__ import annotations

from calendar import timegm
from collections.abc import Mapping
from email.utils import parsedate
from typing import Any, Final

import msgspec

from cosmos import feed
from cosmos.errors import Refused, bad_request, gone, too_large
from cosmos.items import LIMIT, Item, Items, Unit
from cosmos.keys import ItemKey, key_values, partition_key
from cosmos.ranges import Range, Ranges
from cosmos.reading import read_items, scope_of
from cosmos.resources import Container
from cosmos.store import Store
from cosmos.wire import Call, Reply, content_path, feed_reply

__all__ = ["Documents"]

_BATCH: Final = 100  # operations of one transaction
_KB: Final = 1024


class Documents:
    """`retention`: seconds for which an account with continuous backup keeps its history; null without it."""

    def __init__(self, store: Store, ranges: Ranges, retention: int | None) -> None:
        self._store, self._ranges, self.retention = store, ranges, retention
        self.items = Items(store, ranges, history=retention is not None)

    def serve(self, call: Call, container: Container) -> tuple[Reply, Range | None]:
        """The answer, and the range that it came from, if it was one."""
        _check_modelled(call)
        self.items.expire(container)
        if len(call.path) > 5:  # noqa: PLR2004 - dbs/D/colls/C/docs/ID
            return self._one(call, container, call.path[5])
        if call.verb == "GET" and "a-im" in call.headers:
            return self._change_feed(call, container)
        if call.verb == "GET" or call.is_query:
            scope = scope_of(call, container, self._ranges)
            within = scope.within or (self._ranges.holding(container, scope.key.place) if scope.key else None)
            return read_items(self._store, call, container, scope), within
        if call.verb != "POST":
            raise Refused(405, f"{call.verb} is not for a feed of items.")
        if call.flag("x-ms-cosmos-is-batch-request"):
            if len(call.body) > LIMIT:
                raise too_large()
            if not call.flag("x-ms-cosmos-batch-atomic"):
                return self._bulk(call, container)
            key = self._key(call, container)
            return self.transaction(container, key, call.json(), limit=_BATCH)
        return self._create(call, container)

    def transaction(
        self, container: Container, key: ItemKey, operations: Any, *, limit: int | None
    ) -> tuple[Reply, Range]:
        """All operations or none, under one LSN: 200, or 207 when one was refused and so all were."""
        if not isinstance(operations, list) or not operations:
            raise bad_request("A transaction takes a list of operations.")
        if limit is not None and len(operations) > limit:
            raise bad_request(f"Batch request has more operations than what is supported: {limit}.")
        unit = self.items.unit(container, key)
        results: list[dict[str, Any]] = []
        try:
            with self._store.transaction():
                for operation in operations:
                    results.append(self._operation(container, unit, operation))  # noqa: PERF401 - the refused one's place
        except Refused as refused:
            others = {"statusCode": 424, "requestCharge": 0.0}
            answers = [_failed(refused) if i == len(results) else others for i in range(len(operations))]
            return Reply(207, msgspec.json.encode(answers), content_path(container)), unit.range
        charge = sum(result["requestCharge"] for result in results)
        return Reply(200, msgspec.json.encode(results), content_path(container), charge), unit.range

    def _bulk(self, call: Call, container: Container) -> tuple[Reply, Range]:
        """Operations on a range, each with its partition key and a transaction of its own, as SDKs' bulk modes send."""
        within = scope_of(call, container, self._ranges).within
        operations = call.json()
        if within is None or not isinstance(operations, list) or not 0 < len(operations) <= _BATCH:
            raise bad_request(f"A bulk request names its range and has 1 to {_BATCH} operations.")
        results: list[dict[str, Any]] = []
        for operation in operations:
            try:
                key = partition_key(container, key_values(str(operation.get("partitionKey"))))
                unit = self.items.unit(container, key)
                if unit.range.no != within.no:
                    raise gone(within.id)
                with self._store.transaction():
                    results.append(self._operation(container, unit, operation))
            except Refused as refused:
                results.append(_failed(refused))
        charge = sum(result["requestCharge"] for result in results)
        status = 200 if all(result["statusCode"] < 400 for result in results) else 207  # noqa: PLR2004
        return Reply(status, msgspec.json.encode(results), content_path(container), charge), within

    def _operation(self, container: Container, unit: Unit, operation: Any) -> dict[str, Any]:
        if not isinstance(operation, dict):
            raise bad_request("An operation of a transaction is an object.")
        kind, name, body = operation.get("operationType"), operation.get("id", ""), operation.get("resourceBody")
        if_match, status, factor = operation.get("ifMatch"), 200, 10.3
        if kind == "Create":
            item, status, factor = self.items.create(container, unit, body or {}), 201, 5.3
        elif kind == "Upsert":
            item, new = self.items.upsert(container, unit, body or {}, if_match)
            status, factor = (201, 5.3) if new else (200, 10.3)
        elif kind == "Replace":
            item = self.items.replace(container, unit, name, body or {}, if_match)
        elif kind == "Patch":
            item = self.items.patch(container, unit, name, body or {}, if_match)
        elif kind == "Read":
            item, factor = self.items.find(container, unit.key, name), 1.0
        elif kind == "Delete":
            self.items.delete(container, unit, name, if_match)
            return {"statusCode": 204, "requestCharge": 5.3}
        else:
            raise bad_request(f"{kind!r} is not an operation of a transaction.")
        return {
            "statusCode": status,
            "requestCharge": _charge(factor, item),
            "eTag": item.etag,
            "resourceBody": msgspec.Raw(item.body),
        }

    def _create(self, call: Call, container: Container) -> tuple[Reply, Range]:
        unit = self.items.unit(container, self._key(call, container))
        with self._store.transaction():
            if call.flag("x-ms-documentdb-is-upsert"):
                item, new = self.items.upsert(container, unit, call.json(), call.headers.get("if-match"))
            else:
                item, new = self.items.create(container, unit, call.json()), True
        return self._written(call, container, item, 201 if new else 200, 5.3 if new else 10.3), unit.range

    def _one(self, call: Call, container: Container, name: str) -> tuple[Reply, Range]:
        unit = self.items.unit(container, self._key(call, container))
        if_match = call.headers.get("if-match")
        if call.verb == "GET":
            return self._read(call, container, unit, name), unit.range
        with self._store.transaction():
            if call.verb == "DELETE":
                self.items.delete(container, unit, name, if_match)
                return Reply(204, b"", content_path(container), 5.3), unit.range
            if call.verb == "PUT":
                item = self.items.replace(container, unit, name, call.json(), if_match)
            elif call.verb == "PATCH":
                item = self.items.patch(container, unit, name, call.json(), if_match)
            else:
                raise Refused(405, f"{call.verb} is not for an item.")
        return self._written(call, container, item, 200, 10.3), unit.range

    def _read(self, call: Call, container: Container, unit: Unit, name: str) -> Reply:
        item = self.items.find(container, unit.key, name)
        headers = {"etag": item.etag, "x-ms-item-lsn": str(item.lsn), **content_path(container)}
        if call.headers.get("if-none-match") in {"*", item.etag}:
            return Reply(304, b"", headers)
        return Reply(200, item.body, headers, _charge(1.0, item))

    def _written(self, call: Call, container: Container, item: Item, status: int, factor: float) -> Reply:
        minimal = call.headers.get("prefer", "").lower() == "return=minimal"
        headers = {"etag": item.etag, "x-ms-item-lsn": str(item.lsn), **content_path(container)}
        return Reply(status, b"" if minimal else item.body, headers, _charge(factor, item))

    def _key(self, call: Call, container: Container) -> ItemKey:
        values = call.partition_key()
        if values is None:
            raise bad_request("PartitionKey value must be supplied for this operation.")
        return partition_key(container, values)

    def _change_feed(self, call: Call, container: Container) -> tuple[Reply, Range]:
        retention = self._retention_of(container)
        if retention is not None:
            feed.prune(self._store, container, self._store.now() - retention)
        scope = scope_of(call, container, self._ranges)
        within = scope.within
        if within is None:
            ranges = self._ranges.current(container)
            if scope.key is None and len(ranges) > 1:
                raise bad_request(
                    "A change feed of a container with several partition key ranges is read of one of them:"
                    " x-ms-documentdb-partitionkeyrangeid must be given."
                )
            within = self._ranges.holding(container, scope.key.place) if scope.key else ranges[0]
        narrow = (scope.low, scope.high) != (within.low, within.high)
        asked = feed.Slice(
            within,
            scope.low if narrow else None,
            scope.high if narrow else None,
            call.headers.get("if-none-match"),
            _since(call.headers),
            feed.page_limit(call.headers.get("x-ms-max-item-count")),
        )
        page = self._page(call, container, asked)
        read = feed_reply(container, page.documents, charge=1 + sum(map(len, page.documents)) / _KB)
        if not page.documents:
            read = Reply(304, b"", content_path(container), 1.0)
        read.headers["etag"] = f'"{page.continuation}"'
        return read, within

    def _page(self, call: Call, container: Container, asked: feed.Slice) -> feed.Page:
        mode = call.headers["a-im"].lower()
        if mode == "incremental feed":
            return feed.latest_version(self._store, container, asked)
        if mode != "full-fidelity feed":
            raise bad_request(f"A-IM: {mode} is not a change feed.")
        if self._retention_of(container) is None:
            raise bad_request("The all versions and deletes change feed needs an account with continuous backup.")
        return feed.full_fidelity(self._store, container, asked)

    def _retention_of(self, container: Container) -> int | None:
        policy = container.definition.get("changeFeedPolicy") or {}
        minutes = policy.get("retentionDuration")
        return self.retention if minutes is None or self.retention is None else int(minutes) * 60


def _failed(refused: Refused) -> dict[str, Any]:
    return {"statusCode": refused.status, "subStatusCode": refused.substatus, "requestCharge": 1.0}


def _check_modelled(call: Call) -> None:
    """400 for what would be answered wrongly if it were passed over."""
    if "x-ms-documentdb-pre-trigger-include" in call.headers or "x-ms-documentdb-post-trigger-include" in call.headers:
        raise bad_request("This emulator has no triggers.")
    if call.kind == "write" and "if-none-match" in call.headers:
        raise bad_request("This emulator does not serve If-None-Match on a write: create refuses what exists.")


def _since(headers: Mapping[str, str]) -> int | None:
    header = headers.get("if-modified-since")
    parts = parsedate(header) if header else None
    if header and parts is None:
        raise bad_request(f"If-Modified-Since: {header} is not a date (RFC 1123, UTC).")
    return timegm(parts) if parts else None


def _charge(factor: float, item: Item) -> float:
    return factor * max(1.0, len(item.body) / _KB)

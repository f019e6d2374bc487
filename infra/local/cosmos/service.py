"""Which answer a request gets: the account, databases, containers, offers, partition key ranges, items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from cosmos.documents import Documents
from cosmos.errors import Refused, bad_request
from cosmos.faults import Budget
from cosmos.keys import ItemKey
from cosmos.query import parsed
from cosmos.ranges import Range, Ranges
from cosmos.resources import Container, Resources
from cosmos.store import Store
from cosmos.wire import Call, Reply, content_path, json_reply

__all__ = ["Service"]

_OTHER_CONTAINER: Final = 1024
_UNITS_PER_RANGE: Final = 10_000  # request units per second that one physical partition serves
_LEVELS: Final = 4  # dbs/D/colls/C


class Service:
    """The parts of one account. `retention`: see `Documents`; `ranges`: how many a new container gets."""

    def __init__(self, store: Store, *, retention: int | None, ranges: int) -> None:
        self.store, self._initial = store, ranges
        self.resources, self.ranges, self.budget = Resources(store), Ranges(store), Budget()
        self.documents = Documents(store, self.ranges, retention)

    def answer(self, call: Call) -> Reply:
        """The answer to an authorised request.

        Raises:
            Refused: whatever is not a success.
        """
        path, size = call.path, len(call.path)
        if not path:
            return json_reply(_account(call.base, backup=self.documents.retention is not None), charge=0.0)
        if path[0] == "offers":
            return self._offers(call)
        if path[0] != "dbs" or (size > 2 and path[2] != "colls"):  # noqa: PLR2004 - dbs/D/colls
            raise bad_request(f"This emulator does not serve {'/'.join(path)!r}, see its README.")
        if size < 3:  # noqa: PLR2004
            return self._databases(call)
        if size <= _LEVELS:
            return self._containers(call)
        container = self.resources.container(path[1], path[3], owner=True)
        intended = call.headers.get("x-ms-cosmos-intended-collection-rid")
        if intended not in {None, container.rid}:
            raise bad_request(
                "Collection rid sent in the request does not match the one of the container.", _OTHER_CONTAINER
            )
        if path[4] == "pkranges" and call.verb == "GET" and size == _LEVELS + 1:
            return self._pkranges(call, container)
        if path[4] == "docs" and size <= _LEVELS + 2:
            return self._documents(call, container)
        raise bad_request(f"This emulator does not serve {'/'.join(path[4:])!r} of a container, see its README.")

    def _documents(self, call: Call, container: Container) -> Reply:
        rate = container.throughput
        if rate is None:
            reply, within = self.documents.serve(call, container)
        else:
            ranges = self.ranges.current(container)
            share, at = rate / len(ranges), self._range_of(call, container, ranges)
            self.budget.admit(container.no, at.no, share)
            reply, within = self.documents.serve(call, container)
            self.budget.spend(container.no, (within or at).no, share, reply.charge)
        if within is not None:
            lsn = self.ranges.by_id(container, within.id).lsn
            reply.headers["x-ms-session-token"] = f"{within.id}:-1#{lsn}"
            reply.headers["lsn"] = str(lsn)
            # Clients read their list of ranges again when this is one that they do not know.
            reply.headers["x-ms-documentdb-partitionkeyrangeid"] = within.id
        return reply

    def _range_of(self, call: Call, container: Container, ranges: list[Range]) -> Range:
        named = call.headers.get("x-ms-documentdb-partitionkeyrangeid", "").rpartition(",")[2]
        for one in ranges:
            if one.id == named:
                return one
        values = call.partition_key()
        if values and len(values) == len(container.paths):
            return self.ranges.holding(container, ItemKey.of(values).place)
        return ranges[0]

    def _databases(self, call: Call) -> Reply:
        if len(call.path) == 1:
            if call.verb == "GET" or call.is_query:
                found = _chosen(call, [one.body() for one in self.resources.databases()])
                return json_reply({"_rid": "", "Databases": found, "_count": len(found)})
            if call.verb == "POST":
                return json_reply(self.resources.create_database(_object(call)).body(), 201)
        else:
            database = self.resources.database(call.path[1])
            if call.verb == "GET":
                return json_reply(database.body())
            if call.verb == "DELETE":
                self.resources.delete_database(database)
                return Reply(204)
        raise Refused(405, f"{call.verb} is not for databases.")

    def _containers(self, call: Call) -> Reply:
        database = self.resources.database(call.path[1], owner=True)
        if len(call.path) == _LEVELS:
            return self._container(call, self.resources.container(call.path[1], call.path[3]))
        if call.verb == "GET" or call.is_query:
            found = _chosen(call, [one.body() for one in self.resources.containers(database)])
            return json_reply({"_rid": database.rid, "DocumentCollections": found, "_count": len(found)})
        if call.verb != "POST":
            raise Refused(405, f"{call.verb} is not for containers.")
        throughput = _throughput(call)
        ranges = self._initial if throughput is None else -(-throughput // _UNITS_PER_RANGE)
        # The throughput asked for decides the number of partitions; it becomes a limit only by the admin endpoint.
        container = self.resources.create_container(
            database, _object(call), ranges=max(ranges, self._initial), throughput=None
        )
        return json_reply(container.body(), 201, content_path(container))

    def _container(self, call: Call, container: Container) -> Reply:
        if call.verb == "GET":
            return json_reply(container.body(), headers=content_path(container))
        if call.verb == "PUT":
            self.documents.items.forget_due(container)
            return json_reply(
                self.resources.replace_container(container, _object(call)).body(), headers=content_path(container)
            )
        if call.verb == "DELETE":
            self.resources.delete_container(container)
            return Reply(204)
        raise Refused(405, f"{call.verb} is not for a container.")

    def _pkranges(self, call: Call, container: Container) -> Reply:
        body, etag = self.ranges.listing(container, call.headers.get("if-none-match"))
        if body is None:
            return Reply(304, b"", {"etag": etag, **content_path(container)})
        return json_reply(body, headers={"etag": etag, **content_path(container)})

    def _offers(self, call: Call) -> Reply:
        if call.verb != "GET" and not call.is_query:
            raise bad_request("This emulator does not change throughput: its admin endpoint sets a budget.")
        offers = [_offer(one) for database in self.resources.databases() for one in self.resources.containers(database)]
        found = _chosen(call, [one for one in offers if one["content"]["offerThroughput"] is not None])
        return json_reply({"_rid": "", "Offers": found, "_count": len(found)})


def _account(base: str, *, backup: bool) -> dict[str, Any]:
    location = [{"name": "Local", "databaseAccountEndpoint": f"{base}/"}]
    replication = {"minReplicaSetSize": 1, "maxReplicasetSize": 4, "asyncReplication": False}
    return {
        "_self": "",
        "id": "local",
        "_rid": "local",
        "media": "//media/",
        "addresses": "//addresses/",
        "_dbs": "//dbs/",
        "writableLocations": location,
        "readableLocations": location,
        "enableMultipleWriteLocations": False,
        "continuousBackupEnabled": backup,
        "enableNRegionSynchronousCommit": False,
        "enablePerPartitionFailoverBehavior": False,
        "userReplicationPolicy": replication,
        "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
        "systemReplicationPolicy": replication,
        "readPolicy": {"primaryReadCoefficient": 1, "secondaryReadCoefficient": 1},
        "queryEngineConfiguration": msgspec.json.encode(
            {"maxSqlQueryInputLength": 262_144, "maxJoinsPerSqlQuery": 5, "allowNewKeywords": True}
        ).decode(),
    }


def _object(call: Call) -> Mapping[str, Any]:
    body = call.json()
    if not isinstance(body, dict):
        raise bad_request("The request payload is invalid. Ensure to provide a valid request payload.")
    return body


def _throughput(call: Call) -> int | None:
    header = call.headers.get("x-ms-offer-throughput")
    if header is None:
        return None
    if not header.isdecimal() or int(header) < 400 or int(header) % 100:  # noqa: PLR2004 - the least of a container
        raise bad_request(f"The offer throughput {header} is invalid: 400 or more, in steps of 100.")
    return int(header)


def _offer(container: Container) -> dict[str, Any]:
    return {
        "id": container.rid,
        "_rid": container.rid,
        "_self": f"offers/{container.rid}/",
        "resource": container.link,
        "offerResourceId": container.rid,
        "offerVersion": "V2",
        "content": {"offerThroughput": container.throughput},
    }


def _chosen(call: Call, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not call.is_query:
        return bodies
    query = parsed(_object(call))
    return [body for body in bodies if query.where is None or query.where(body) is True]

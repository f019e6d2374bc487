"""The admin endpoint, `/_emulator/…`: splits, merges, faults, the clock, budgets, large transactions, what was used."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from cosmos.auth import issue
from cosmos.errors import bad_request, not_found
from cosmos.faults import Fault, Faults
from cosmos.keys import partition_key
from cosmos.ranges import Range
from cosmos.resources import Container
from cosmos.service import Service
from cosmos.wire import Call, Reply, json_reply

__all__ = ["Control", "Usage"]

_Kind = TypeVar("_Kind")


@dataclasses.dataclass(slots=True)
class Usage:
    """Requests and request units since the start or the last reset; refusals by status."""

    requests: dict[str, int] = dataclasses.field(default_factory=dict)
    units: dict[str, float] = dataclasses.field(default_factory=dict)
    statuses: dict[str, int] = dataclasses.field(default_factory=dict)

    def add(self, kind: str, reply: Reply) -> None:
        """One request was answered."""
        self.requests[kind] = self.requests.get(kind, 0) + 1
        self.units[kind] = self.units.get(kind, 0.0) + reply.charge
        self.statuses[str(reply.status)] = self.statuses.get(str(reply.status), 0) + 1


class Control:
    """What the operator of the emulator may do, and no client of the service can."""

    def __init__(self, service: Service, faults: Faults) -> None:
        self._service, self._faults = service, faults
        self.usage = Usage()
        self._posts: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "split": self._split,
            "merge": self._merge,
            "fault": self._fault,
            "clock": self._clock,
            "budget": self._budget,
            "transaction": self._transaction,
            "token": self._token,
        }

    def answer(self, call: Call) -> Reply:
        """Of a request whose path begins with `_emulator`."""
        name = call.path[1] if len(call.path) > 1 else ""
        if call.verb == "POST" and name in self._posts:
            return json_reply(self._posts[name](call.json()))
        if name == "faults":
            if call.verb == "DELETE":
                self._faults.clear()
            return json_reply(self._faults.waiting())
        if name == "usage":
            shown = dataclasses.asdict(self.usage)
            if call.verb == "DELETE":
                self.usage = Usage()
            return json_reply(shown)
        if name == "ranges" and call.verb == "GET" and len(call.path) == 4:  # noqa: PLR2004 - _emulator/ranges/D/C
            container = self._service.resources.container(call.path[2], call.path[3])
            return json_reply([_shown(one) for one in self._service.ranges.current(container)])
        raise not_found(f"{call.verb} {'/'.join(call.path)} is not of the emulator, see its README.")

    def _container(self, body: Mapping[str, Any]) -> Container:
        return self._service.resources.container(_field(body, "database", str), _field(body, "container", str))

    def _split(self, body: Mapping[str, Any]) -> Any:
        made = self._service.ranges.split(self._container(body), _field(body, "range", str), body.get("at"))
        return [_shown(one) for one in made]

    def _merge(self, body: Mapping[str, Any]) -> Any:
        return [_shown(one) for one in self._service.ranges.merge(self._container(body), _field(body, "ranges", list))]

    def _fault(self, body: Mapping[str, Any]) -> Any:
        fault = Fault.of(body)
        self._faults.add(fault)
        return fault

    def _clock(self, body: Mapping[str, Any]) -> Any:
        store = self._service.store
        store.offset = float(body.get("offset", store.offset)) + float(body.get("advance", 0))
        self._service.documents.items.forget_all_due()
        return {"offset": store.offset, "now": store.now()}

    def _budget(self, body: Mapping[str, Any]) -> Any:
        units = body.get("units")
        if units is not None and (not isinstance(units, int) or units <= 0):
            raise bad_request("A budget is a positive number of request units per second, or null for none.")
        container = self._container(body)
        self._service.resources.set_throughput(container, units)
        return {"units": units}

    def _transaction(self, body: Mapping[str, Any]) -> Any:
        container = self._container(body)
        key = partition_key(container, _field(body, "partitionKey", list))
        reply, _ = self._service.documents.transaction(container, key, body.get("operations"), limit=None)
        return msgspec.json.decode(reply.body)

    def _token(self, body: Mapping[str, Any]) -> Any:
        return {"token": issue(self._service.store.key, float(body.get("seconds", 3600)))}


def _shown(one: Range) -> dict[str, Any]:
    return {"id": one.id, "low": one.low, "high": one.high, "parents": list(one.parents), "lsn": one.lsn}


def _field(body: Mapping[str, Any], name: str, kind: type[_Kind]) -> _Kind:
    value = body.get(name)
    if not isinstance(value, kind):
        raise bad_request(f"{name!r} is missing, or not what it should be.")
    return value

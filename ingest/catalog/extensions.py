"""The custom properties: what a contract says to Lakepost and ODCS has no word for.

One with a foreign `vendor` belongs to another tool and is left alone. Every other must be known here; those of a
column are read by `columns`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

from ingest.catalog.custom import is_of_a_column, named, places
from ingest.catalog.document import Document, Path, shown, suggestion
from ingest.catalog.values import choice, mapping, whole
from ingest.model.container import ContainerBinding
from ingest.model.contract import (
    UNKNOWN_DATE,
    Column,
    Contract,
    Gate,
    Identity,
    LogicalType,
    QueueBinding,
    UnknownFields,
)

__all__ = ["read_extensions"]


def read_extensions(
    document: Document,
    columns: tuple[Column, ...],
    queues: tuple[QueueBinding, ...],
    container: ContainerBinding | None,
) -> dict[str, Any]:
    """The root's custom properties as fields of `Contract`; those left out keep the contract's defaults.

    Raises:
        ContractError: for an unknown one anywhere in the document, a wrong value, or one given twice.
    """
    for place in places(document.value, ()):
        if place != ("customProperties",) and place[:1] != ("servers",) and not is_of_a_column(place):
            named(document, place, ())
    given = named(document, ("customProperties",), tuple(_READERS))
    fields = {_READERS[name][0]: _READERS[name][1](document, path, value) for name, (path, value) in given.items()}
    defaults: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(Contract)}
    first, last = (defaults | fields)["first_date"], (defaults | fields)["last_date"]
    if first > last:
        path, _ = given.get("firstDate") or given["lastDate"]
        raise document.wrong(path, f"firstDate {first} is after lastDate {last}", remedy="write the earlier date first")
    for index, source in enumerate(fields.get("event_time", ())):
        _event_time_exists(document, (*given["eventTime"][0], index), source, columns)
    if "erasure_key" in fields:
        _erasure_key_exists(document, given["erasureKey"][0], fields["erasure_key"], columns, container)
    if fields.get("wake_on_messages"):
        _can_wake(document, given["wakeOnMessages"][0], fields, queues)
    return fields


def _identity(document: Document, path: Path, value: Any) -> Identity:
    return Identity(choice(document, path, value, tuple(Identity)))


def _event_time(document: Document, path: Path, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise document.wrong(path, f"{shown(value)} is not a list", remedy="write `[envelope]` or `[body:FIELD]`")
    for index, source in enumerate(value):
        if not isinstance(source, str) or not re.fullmatch(r"envelope|body:[^.]+(\.[^.]+)*", source):
            remedy = "write `envelope`, or `body:FIELD.FIELD` with the payload's own names"
            raise document.wrong((*path, index), f"{shown(source)} is not a place of the event time", remedy=remedy)
    return tuple(value)


def _event_time_exists(document: Document, path: Path, source: str, columns: tuple[Column, ...]) -> None:
    """A misspelt field would file every event under the unknown date, and nobody would be told."""
    if source == "envelope":
        return
    fields, found = source.removeprefix("body:").split("."), None
    for name in fields:
        found = next((column for column in columns if column.field == name), None)
        if found is None:
            remedy = suggestion(name, [column.field for column in columns])
            raise document.wrong(path, f"the contract has no field {shown(name)}", remedy=remedy)
        columns = found.children
    if found is None or found.type not in {LogicalType.TIMESTAMP, LogicalType.DATE}:
        problem = f"{source} is neither timestamp nor date"
        raise document.wrong(path, problem, remedy="name a field whose logicalType is timestamp or date")


def _column_name(document: Document, path: Path, value: Any) -> str:
    if not isinstance(value, str):
        remedy = "write the name of one column, for example `customer_id`"
        raise document.wrong(path, f"{shown(value)} is not a column", remedy=remedy)
    return value


def _erasure_key_exists(
    document: Document, path: Path, name: str, columns: tuple[Column, ...], container: ContainerBinding | None
) -> None:
    """Whose rows `lakepost erase` takes out is told by one column of the table itself, and by deletes too."""
    found = next((column for column in columns if column.name == name), None)
    if found is None:
        remedy = suggestion(name, [column.name for column in columns])
        raise document.wrong(path, f"the contract has no column {shown(name)}", remedy=remedy)
    if found.type not in {LogicalType.STRING, LogicalType.INTEGER}:
        problem = f"{name} is of type {found.type}, which does not name a person"
        raise document.wrong(path, problem, remedy="name a column whose logicalType is string or integer")
    if container is not None and found.field not in container.key_fields:
        problem = f"a delete has no {found.field}: it would not tell whose it is"
        told = [column.name for column in columns if column.field in container.key_fields]
        remedy = f"name the column of the item's id or partition key: {', '.join(told) or 'none yet'}"
        raise document.wrong(path, problem, remedy=remedy)


def _date(document: Document, path: Path, value: Any) -> dt.date:
    try:
        date = dt.date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)) else None
    except ValueError:
        date = None
    if date is None or date <= UNKNOWN_DATE:
        problem = f"{shown(value)} is not a date after {UNKNOWN_DATE}"
        raise document.wrong(path, problem, remedy="write YYYY-MM-DD, for example 2020-01-01")
    return date


def _unknown_fields(document: Document, path: Path, value: Any) -> UnknownFields:
    return UnknownFields(choice(document, path, value, tuple(UnknownFields)))


def _dedupe_days(document: Document, path: Path, value: Any) -> int:
    return whole(document, path, value, 0, 3650)


def _gate(document: Document, path: Path, value: Any) -> Gate:
    mapping(document, path, value)
    document.only(path, value, ("maxRejectedShare", "minRows"))
    default = Gate()
    share = value.get("maxRejectedShare", default.max_rejected_share)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        at = (*path, "maxRejectedShare")
        raise document.wrong(at, f"{shown(share)} is not a share", remedy="write a number from 0 to 1, such as 0.05")
    min_rows = whole(document, (*path, "minRows"), value.get("minRows", default.min_rows), 1, 10**9)
    return Gate(float(share), min_rows)


_CRON = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
)
_WEEKDAYS = (0, 7, ["sun", "mon", "tue", "wed", "thu", "fri", "sat"])


def _schedule(document: Document, path: Path, value: Any) -> str | None:
    """A cron line of five fields, in UTC; null for a dataset that only runs by hand."""
    if value is None:
        return None
    fields = value.split() if isinstance(value, str) else []
    limits = (*_CRON, _WEEKDAYS)
    if len(fields) != len(limits) or not all(
        _cron_field(part, low, high, names)
        for field, (low, high, names) in zip(fields, limits, strict=True)
        for part in field.lower().split(",")
    ):
        remedy = 'write minute, hour, day, month, weekday in quotes, for example "*/15 * * * *"'
        raise document.wrong(path, f"{shown(value)} is not a cron line", remedy=remedy)
    return " ".join(fields)


def _flag(document: Document, path: Path, value: Any) -> bool:
    if not isinstance(value, bool):
        raise document.wrong(path, f"{shown(value)} is neither true nor false", remedy="write `true` or `false`")
    return value


def _can_wake(document: Document, path: Path, fields: dict[str, Any], queues: tuple[QueueBinding, ...]) -> None:
    """A trigger counts what waits in queues; where it cannot look, the schedule runs alone."""
    if fields.get("schedule") is None:
        problem = "wakeOnMessages without a schedule: messages would wait for ever while the trigger cannot look"
        raise document.wrong(path, problem, remedy='add a `schedule`, for example "*/15 * * * *"')
    if not queues:
        problem = "a container's change feed tells nobody that there is something new"
        raise document.wrong(path, problem, remedy="leave wakeOnMessages out, and let the schedule run more often")
    if any(source.queue_type == "stream" for source in queues):
        problem = "a stream keeps what was read, so that messages always wait there"
        raise document.wrong(path, problem, remedy="leave wakeOnMessages out, and let the schedule run more often")


def _cron_field(part: str, low: int, high: int, names: Any) -> bool:
    """`*`, `5`, `mon`, `1-5`, each perhaps with a step `/n`."""
    span, slash, step = part.partition("/")
    if slash and not (step.isdecimal() and int(step) > 0):
        return False
    if span == "*":
        return True
    ends = [list(names).index(end) + low if end in names else end for end in span.split("-", 1)]
    if not all(str(end).isdecimal() and low <= int(end) <= high for end in ends):
        return False
    return int(ends[0]) <= int(ends[-1])


_Reader = Callable[[Document, Path, Any], Any]
_READERS: Mapping[str, tuple[str, _Reader]] = {
    "identity": ("identity", _identity),
    "eventTime": ("event_time", _event_time),
    "firstDate": ("first_date", _date),
    "lastDate": ("last_date", _date),
    "dedupeDays": ("dedupe_days", _dedupe_days),
    "gate": ("gate", _gate),
    "unknownFields": ("unknown_fields", _unknown_fields),
    "schedule": ("schedule", _schedule),
    "wakeOnMessages": ("wake_on_messages", _flag),
    "erasureKey": ("erasure_key", _column_name),
}

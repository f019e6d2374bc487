"""Two versions of a contract, compared: what a change does to the rows that are there and to those who send and read.

============  ==================================================================  =====================================
effect        changes                                                             what then
============  ==================================================================  =====================================
in place      a new nullable column, a new field in an object; a rule loosened    nothing: curated gains the columns,
              or dropped; description, tags, owner, schedule, gate, latency,      old rows read null; `rebuild` fills
              classification, routing keys, consumers, a new queue; a new         them from bodies that had the field
              dataset
rebuild       a wider type: more digits of a decimal; an integer as a number, or  `lakepost rebuild DATASET --all`;
              as a decimal of 19 digits before the point                          until then curate waits
breaking      a rule added or tightened, `required` too; a new required column;   `lakepost rebuild DATASET --all`
              physicalName, identity, dedupeDays; unknownFields that refuse more
breaking      a column gone, renamed, of another type or protected otherwise;     a new dataset, or the old one's tables
              eventTime, firstDate, lastDate                                      begun anew
breaking      erasureKey taken away or another                                    it is restored
breaking      exchange, queue, the queue's kind or its arguments, which           the old queue is drained first
              `deadLetter` adds to unless a policy says it
breaking      another container, mode or partition key                            a new dataset, or the tables anew
breaking      the dataset gone                                                    its status was deprecated or retired
============  ==================================================================  =====================================

A wider type holds every value of the old one and reads every body that was valid. So neither a date becomes a
timestamp (its bodies have no clock), nor a number a decimal or the reverse (0.1 is another value). What was valid
stays valid and no column changes its meaning: that is what analysts and producers are promised within a major
version. Breaking changes are refused, but under a raised major version, and then they say what has to follow. Every
change raises the version.

Plain Python: `ingest.lake.growth` says the same of tables, and a test holds the two together.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ingest.catalog import stricter
from ingest.catalog.document import read_json, read_yaml
from ingest.model.change import Change, Effect
from ingest.model.container import ContainerBinding
from ingest.model.contract import Column, Contract, LogicalType, QueueBinding, UnknownFields

__all__ = ["compare", "removed"]

_INTEGER_DIGITS = 19  # of int64
_TEXTS = frozenset({LogicalType.STRING, LogicalType.TIME})  # one type to the table, not to who reads it
_REBUILD = "run `lakepost rebuild {dataset} --all`"
_ANEW = "add a new dataset, or begin the tables of {dataset} anew"
_KEEP_KEY = "once somebody was erased from {dataset}, nothing lands until it is restored"
_DRAIN = "land what waits in the old queue first; what comes again by the new one counts as a new event"

_Effect = Callable[[Any, Any], Effect]


def _in_place(_old: Any, _new: Any) -> Effect:
    return Effect.IN_PLACE


def _breaking(_old: Any, _new: Any) -> Effect:
    return Effect.BREAKING


def _if_refusing(old: Any, new: Any) -> Effect:
    levels = {UnknownFields.QUARANTINE: 1, UnknownFields.FREEZE: 2}
    return Effect.BREAKING if levels.get(new, 0) > levels.get(old, 0) else Effect.IN_PLACE


def _if_taken_away(old: Any, _new: Any) -> Effect:
    return Effect.BREAKING if old else Effect.IN_PLACE


_OF_COLUMN: Mapping[str, tuple[_Effect, str]] = {
    "description": (_in_place, ""),
    "classification": (_in_place, ""),
    "assume_utc": (_if_taken_away, _REBUILD),
    "field": (_breaking, _REBUILD),
    "protection": (_breaking, _ANEW),
}
"""Column's fields that are neither its type nor an expectation. One that is not listed anywhere is breaking."""

_TYPE = frozenset({"name", "type", "precision", "scale", "children", "items"})
_RULES = frozenset({"required", "minimum", "maximum", "min_length", "max_length", "pattern"})
"""They are expectations, and compared as such: moving one to the suite changes nothing."""

_OF_CONTRACT: Mapping[str, tuple[_Effect, str]] = {
    **dict.fromkeys(
        ("description", "schedule", "wake_on_messages", "owner", "tags", "gate", "latency"), (_in_place, "")
    ),
    **dict.fromkeys(("identity", "dedupe_days"), (_breaking, _REBUILD)),
    "unknown_fields": (_if_refusing, _REBUILD),
    "erasure_key": (_if_taken_away, _KEEP_KEY),
    **dict.fromkeys(("event_time", "first_date", "last_date"), (_breaking, _ANEW)),
}
_OF_BINDING: Mapping[str, tuple[_Effect, str]] = {
    **dict.fromkeys(("routing_keys", "consumers", "dead_letters_by_policy"), (_in_place, "")),
    **dict.fromkeys(("exchange", "queue", "exchange_type", "queue_type", "arguments"), (_breaking, _DRAIN)),
}
_OF_CONTAINER: Mapping[str, tuple[_Effect, str]] = {
    "feed_ranges": (_in_place, ""),  # chosen once: it counts for a lake that is new
    **dict.fromkeys(("database", "container", "mode", "partition_key"), (_breaking, _ANEW)),
}
_ELSEWHERE = frozenset(
    {
        "dataset",
        "version",
        "learned",
        "columns",
        "queues",
        "container",
        "expectations",
        "digest",
        "document",
        "suite_document",
    }
)


def compare(old: Contract, new: Contract) -> tuple[Change, ...]:
    """Every change from `old` to `new`, breaking ones first, those refused marked."""
    if old.dataset != new.dataset:
        raise ValueError(f"{old.dataset} and {new.dataset} are two datasets")
    found = [
        *_fields(old, new, "contract", _OF_CONTRACT, _ELSEWHERE),
        *_queues(old.queues, new.queues),
        *_containers(old.container, new.container),
        *_columns(old.columns, new.columns, "", _needed(new)),
        *stricter.changes(old, new, then=_REBUILD),
    ]
    if not found and old.digest != new.digest and _values(old) != _values(new):
        found.append(Change(Effect.IN_PLACE, "contract", "documentation changed"))
    raised = _major(new.version) > _major(old.version)
    refused = [dataclasses.replace(one, refused=one.effect is Effect.BREAKING and not raised) for one in found]
    said = [dataclasses.replace(one, then=one.then.format(dataset=new.dataset)) for one in refused]
    return tuple(sorted([*_version(old, new, changed=bool(found)), *said], key=lambda one: -one.effect.weight))


def removed(old: Contract) -> Change:
    """The change that a dataset without its folder is; refused unless it was said to end."""
    ended = read_yaml(old.document, old.dataset).value.get("status") in {"deprecated", "retired"}
    then = f"write `status: retired` in its contract first; the tables of {old.dataset} stay in the lake"
    return Change(Effect.BREAKING, "dataset", "removed", then="" if ended else then, refused=not ended)


def _version(old: Contract, new: Contract, *, changed: bool) -> Iterator[Change]:
    if changed and new.version == old.version:
        then = "raise the version: the major one for a breaking change"
        yield Change(Effect.BREAKING, "version", f"still {old.version}", then=then, refused=True)
    elif _numbers(new.version) < _numbers(old.version):
        then = f"write a version above {old.version}"
        yield Change(Effect.BREAKING, "version", f"{old.version} → {new.version}", then=then, refused=True)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _major(version: str) -> int:
    return next(iter(_numbers(version)), 0)


def _values(contract: Contract) -> tuple[Any, Any]:
    """What the two files say, without comments and layout."""
    document, suite = contract.document, contract.suite_document
    return read_yaml(document, contract.dataset).value, read_json(suite, contract.dataset).value


def _fields(
    old: Any, new: Any, what: str, effects: Mapping[str, tuple[_Effect, str]], others: frozenset[str]
) -> Iterator[Change]:
    """The changed fields of a dataclass but for `others`."""
    for field in dataclasses.fields(new):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if field.name not in others and before != after:
            effect, then = effects.get(field.name, (_breaking, _REBUILD))
            name = {"field": "physicalName"}.get(field.name, field.name)
            told = f"{name} changed" if name == "description" else f"{name}: {_shown(before)} → {_shown(after)}"
            decided = effect(before, after)
            yield Change(decided, what, told, then=then if decided is Effect.BREAKING else "")


def _shown(value: Any) -> str:
    shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return shown or "nothing"


def _queues(old: tuple[QueueBinding, ...], new: tuple[QueueBinding, ...]) -> Iterator[Change]:
    """A queue is another one when it has another name, unless it is the only one of its kind before and after."""
    for dead in (False, True):
        before, after = ([one for one in some if one.holds_dead_letters is dead] for some in (old, new))
        pairs = _pairs(before, after)
        for one in before:
            if one not in pairs:
                yield Change(Effect.BREAKING, "binding", f"queue: {one.queue} removed", then=_DRAIN)
        for one in after:
            if one not in pairs.values():
                yield Change(Effect.IN_PLACE, "binding", f"queue: {one.queue} added")
        found: dict[Change, None] = {}
        for one, other in pairs.items():
            found |= dict.fromkeys(_fields(one, other, "binding", _OF_BINDING, frozenset()))
        yield from found


def _containers(old: ContainerBinding | None, new: ContainerBinding | None) -> Iterator[Change]:
    if old is not None and new is not None:
        yield from _fields(old, new, "container", _OF_CONTAINER, frozenset())
    elif old != new:
        yield Change(Effect.BREAKING, "container", "added" if new else "removed", then=_ANEW)


def _pairs(before: list[QueueBinding], after: list[QueueBinding]) -> dict[QueueBinding, QueueBinding]:
    if len(before) == len(after) == 1:
        return {before[0]: after[0]}
    named = {one.queue: one for one in after}
    return {one: named[one.queue] for one in before if one.queue in named}


def _needed(contract: Contract) -> frozenset[str]:
    """Columns whose value no row may lack."""
    return frozenset(
        str(one.column)
        for one in contract.expectations
        if one.type == "expect_column_values_to_not_be_null" and one.mostly == 1
    )


def _columns(
    old: tuple[Column, ...], new: tuple[Column, ...], path: str, needed: frozenset[str] = frozenset()
) -> Iterator[Change]:
    """The changes of a table's columns, or of an object's fields, whose names begin with `path`."""
    before, after = {column.name: column for column in old}, {column.name: column for column in new}
    renamed: set[str] = set()
    for name in sorted(before.keys() - after.keys()):
        same = [one.name for one in new if one.field == before[name].field and one.name not in before]
        renamed.update(same)
        told = f"renamed to {same[0]}" if same else "removed"
        yield Change(Effect.BREAKING, f"column {path}{name}", told, then=_ANEW)
    for column in new:
        what = f"column {path}{column.name}"
        if column.name in before:
            yield from _column(before[column.name], column, path)
        elif column.name in needed:
            yield Change(Effect.BREAKING, what, "added, required: events of before do not have it", then=_REBUILD)
        elif column.name not in renamed:
            yield Change(Effect.IN_PLACE, what, f"added, {_type(column)}")


def _column(old: Column, new: Column, path: str) -> Iterator[Change]:
    what = f"column {path}{new.name}"
    if old.type is new.type is LogicalType.OBJECT:
        yield from _columns(old.children, new.children, f"{path}{new.name}.")
    elif old.items is not None and new.items is not None:
        # Elements have no name of their own: `items[].sku`.
        before, after = (dataclasses.replace(one, name=f"{new.name}[]", field="") for one in (old.items, new.items))
        yield from _column(before, after, path)
    elif _type(old) != _type(new):
        effect = Effect.REBUILD if _wider(old, new) else Effect.BREAKING
        kept = effect is Effect.REBUILD or {old.type, new.type} <= _TEXTS
        yield Change(effect, what, f"type {_type(old)} → {_type(new)}", then=_REBUILD if kept else _ANEW)
    yield from _fields(old, new, what, _OF_COLUMN, _TYPE | _RULES)


def _type(column: Column) -> str:
    digits = f"({column.precision},{column.scale})" if column.type is LogicalType.DECIMAL else ""
    return f"{column.type}{digits}"


def _wider(old: Column, new: Column) -> bool:
    """Whether the new type holds every value of the old one."""
    whole = new.precision - new.scale
    match old.type, new.type:
        case LogicalType.INTEGER, LogicalType.NUMBER:
            return True
        case LogicalType.INTEGER, LogicalType.DECIMAL:
            return whole >= _INTEGER_DIGITS
        case LogicalType.DECIMAL, LogicalType.DECIMAL:
            return new.scale >= old.scale and whole >= old.precision - old.scale
    return False

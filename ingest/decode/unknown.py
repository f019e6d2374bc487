"""The fields of a body that the contract does not name: cut out as they are written, so that nothing is rounded.

For bodies that Arrow's reader accepts. Goes down only where the contract does and passes over everything else
without recursion, so that no nesting is too deep for it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ingest.model.contract import Column

__all__ = ["Fields", "Member", "cut", "unknown_members", "written"]

_TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_MEMBER = re.compile(rf"[\s,]*({_TEXT})\s*:\s*(?:({_TEXT}|[^\s{{}}\[\],\"]+)|(?=[{{\[]))")
_ELEMENT = re.compile(rf"[\s,]*(?:({_TEXT}|[^\s{{}}\[\],\"]+)|(?=[{{\[]))")
_NESTING = re.compile(rf"{_TEXT}|[{{}}\[\]]")
_NAME_LIMIT = 100
_SCALAR_TEXT = rf'(?:{_TEXT}|[^\s{{}}\[\],"]++)'
_MOST_SKIPPED = 200  # names that an expression tells apart faster than a look at each member


@dataclass(frozen=True, slots=True)
class Fields:
    """What the contract names at one place: `members` of an object by payload field, `items` of an array.

    `known` matches members of the object, as many as follow each other, in which nothing is unknown.
    """

    members: Mapping[str, Fields] | None = None
    items: Fields | None = None
    known: re.Pattern[str] = re.compile("")

    @classmethod
    def of(cls, columns: tuple[Column, ...]) -> Fields:
        """The fields of the body itself."""
        members = {column.field: cls._of(column) for column in columns}
        return cls(members=members, known=re.compile(_known_members(members) or ""))

    @classmethod
    def _of(cls, column: Column) -> Fields:
        if column.children:
            return cls.of(column.children)
        return cls(items=None if column.items is None else cls._of(column.items))


_SCALAR = Fields()


def _known_members(members: Mapping[str, Fields]) -> str | None:
    """An expression for members of JSON that hold nothing unknown; null where there are too many names.

    Possessive throughout: what it has matched it never looks at again.
    """
    if len(members) > _MOST_SKIPPED:
        return None
    names: dict[str, list[str]] = {}
    for name, fields in members.items():
        names.setdefault(_known_value(fields), []).append(re.escape(json.dumps(name, ensure_ascii=False)))
    told = "|".join(rf"(?:{'|'.join(some)})\s*+:\s*+{value}" for value, some in names.items())
    return rf"(?:[\s,]*+(?:{told}))*+"


def _known_value(fields: Fields) -> str:
    """An expression for values that hold nothing unknown."""
    if fields.members is not None and (inner := _known_members(fields.members)) is not None:
        return rf"(?:\{{{inner}\s*+\}}|{_SCALAR_TEXT})"
    if fields.items is not None:
        return rf"(?:\[(?:[\s,]*+{_known_value(fields.items)})*+\s*+\]|{_SCALAR_TEXT})"
    return _SCALAR_TEXT


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an object with what is unknown of it: `key` and `text` as they are written, `name` decoded."""

    name: str
    key: str
    text: str
    is_unknown: bool


def unknown_members(text: str, fields: Fields, seen: Counter[str]) -> list[Member]:
    """The members of the body `text` that `fields` does not name, or that hold some, in their order.

    `seen` counts each unknown field by its path, `address.floor` or `items[].colour`, names cut at 100 characters. Of
    an array each element is told, null where it holds none; the last ones of those are left out.
    """
    return _members(text, text.index("{"), fields, "", seen)[0]


def written(members: Iterable[Member]) -> str | None:
    """The members as a JSON object; null for none."""
    found = [f"{member.key}:{member.text}" for member in members]
    return f"{{{','.join(found)}}}" if found else None


def _members(text: str, start: int, fields: Fields, path: str, seen: Counter[str]) -> tuple[list[Member], int]:
    """What is unknown in the object that begins at `start`, and where the object ends."""
    found = []
    at = _after_known(text, start + 1, fields)
    while member := _MEMBER.match(text, at):
        key, scalar = member.groups()
        at = member.end()
        name = json.loads(key) if "\\" in key else key[1:-1]
        known = (fields.members or {}).get(name)
        if known is None:
            begin = at if scalar is None else member.start(2)
            at = at if scalar else _end(text, at)
            seen[cut(path, name)] += 1
            found.append(Member(name, key, text[begin:at], is_unknown=True))
        elif scalar is None:
            inner, at = _known(text, at, known, path + name, seen)
            if inner is not None:
                found.append(Member(name, key, inner, is_unknown=False))
        at = _after_known(text, at, fields)
    return found, text.index("}", at) + 1


def _after_known(text: str, at: int, fields: Fields) -> int:
    known = fields.known.match(text, at)
    return at if known is None else known.end()


def cut(path: str, name: str) -> str:
    """How an unknown field is told: a name without end does not make the account one."""
    return f"{path}{name[:_NAME_LIMIT]}"


def _array(text: str, start: int, items: Fields, path: str, seen: Counter[str]) -> tuple[str | None, int]:
    """What is unknown in the array that begins at `start`, and where the array ends."""
    found: list[str | None] = []
    at = start + 1
    while element := _ELEMENT.match(text, at):
        inner, at = None, element.end()
        if element[1] is None:
            inner, at = _known(text, at, items, path, seen)
        found.append(inner)
    while found and found[-1] is None:
        found.pop()
    return (f"[{','.join(inner or 'null' for inner in found)}]" if found else None), text.index("]", at) + 1


def _known(text: str, start: int, fields: Fields, path: str, seen: Counter[str]) -> tuple[str | None, int]:
    if text[start] == "{" and fields.members is not None:
        members, end = _members(text, start, fields, f"{path}.", seen)
        return written(members), end
    if text[start] == "[" and fields.items is not None and fields.items != _SCALAR:
        return _array(text, start, fields.items, f"{path}[]", seen)
    return None, _end(text, start)


def _end(text: str, start: int) -> int:
    """Where the object or array ends that begins at `start`."""
    depth = 0
    for token in _NESTING.finditer(text, start):
        mark = token[0]
        depth += (mark in "{[") - (mark in "}]")
        if not depth:
            return token.end()
    raise ValueError("the body is not JSON")

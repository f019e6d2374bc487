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


@dataclass(frozen=True, slots=True)
class Fields:
    """What the contract names at one place: `members` of an object by payload field, `items` of an array."""

    members: Mapping[str, Fields] | None = None
    items: Fields | None = None

    @classmethod
    def of(cls, columns: tuple[Column, ...]) -> Fields:
        """The fields of the body itself."""
        return cls(members={column.field: cls._of(column) for column in columns})

    @classmethod
    def _of(cls, column: Column) -> Fields:
        if column.children:
            return cls.of(column.children)
        return cls(items=None if column.items is None else cls._of(column.items))


_SCALAR = Fields()


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
    at = start + 1
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
    return found, text.index("}", at) + 1


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

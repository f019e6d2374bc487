"""The fields of a body that the contract does not name: cut out as they are written, so that nothing is rounded.

For bodies that Arrow's reader accepts. Goes down only where the contract does and passes over everything else
without recursion, so that no nesting is too deep for it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ingest.model.contract import Column

__all__ = ["Fields", "rescue"]

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


def rescue(text: str, fields: Fields, seen: Counter[str]) -> str | None:
    """The members of `text` that `fields` does not name, as a JSON object nested as they were; null for none.

    An element of an array without any is null there, and the last ones are left out. `seen` counts each field by
    its path, `address.floor` or `items[].colour`, names cut at 100 characters.
    """
    return _object(text, text.index("{"), fields, "", seen)[0]


def _object(text: str, start: int, fields: Fields, path: str, seen: Counter[str]) -> tuple[str | None, int]:
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
            seen[f"{path}{name[:_NAME_LIMIT]}"] += 1
            found.append(f"{key}:{text[begin:at]}")
        elif scalar is None:
            inner, at = _known(text, at, known, path + name, seen)
            if inner is not None:
                found.append(f"{key}:{inner}")
    return (f"{{{','.join(found)}}}" if found else None), text.index("}", at) + 1


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
        return _object(text, start, fields, f"{path}.", seen)
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

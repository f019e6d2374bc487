"""A contract or suite file as plain JSON values that know where in the file they stand.

YAML is read strictly: a contract means the same to every reader, so whatever YAML 1.1 would quietly make
of a value (`NO` → false, `010` → 8, the second of two equal keys) is an error instead.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from ingest.errors import ContractError

__all__ = ["Document", "Path", "read_json", "read_yaml", "shown", "suggestion"]

Path = tuple[str | int, ...]
"""Keys and list positions from the root of a file to a value."""

_LABELS = {"properties": "name", "customProperties": "property", "expectations": "type"}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)?\.?[0-9]+([eE][-+]?[0-9]+)?")
_DEEPEST = 40


@dataclass(frozen=True, slots=True)
class Document:
    """One file: `where` as errors name it, `value` its root, `lines` (counted from 1) of the paths that are known."""

    where: str
    value: Mapping[str, Any]
    lines: Mapping[Path, int] = field(default_factory=dict, repr=False)

    def wrong(self, path: Path, problem: str, *, remedy: str) -> ContractError:
        """The error about the value at `path`, for the caller to raise: file, line, field, problem and remedy."""
        line = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)
        place = self.where if line is None else f"{self.where}:{line}"
        label = ".".join(self._labels(path))
        named = (_dotted(path) + (f" ({label})" if label else "")) if path else "the file"
        return ContractError(f"{place}: {named}: {problem}", remedy=remedy)

    def only(self, path: Path, value: Mapping[str, Any], known: Iterable[str]) -> None:
        """Check that the mapping at `path` has no keys but `known`.

        Raises:
            ContractError: for the first other key, with the nearest known one.
        """
        names = sorted(known)
        for key in value:
            if key not in names:
                raise self.wrong((*path, key), f"unknown key {shown(key)}", remedy=suggestion(key, names))

    def _labels(self, path: Path) -> Iterable[str]:
        """The names of the columns, custom properties or expectations that `path` passes."""
        value: Any = self.value
        for depth, step in enumerate(path):
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return
            key = _LABELS.get(str(path[depth - 1])) if depth and isinstance(step, int) else None
            if key and isinstance(value, dict) and isinstance(value.get(key), str):
                yield value[key]


def _dotted(path: Path) -> str:
    """`schema[0].properties[3].logicalType`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def shown(value: Any) -> str:
    """A value as the file would write it, cut at 60 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"  # noqa: PLR2004 - as the docstring says


def suggestion(word: Any, choices: Iterable[str]) -> str:
    """What to write instead of `word`: the nearest of `choices`, or all of them when none is near."""
    names = list(choices)
    lower = {name.lower(): name for name in reversed(names)}
    near = difflib.get_close_matches(str(word).lower(), lower, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{lower[near[0]]}`?"
    return "write one of: " + ", ".join(f"`{name}`" for name in names) if names else "remove it"


def read_yaml(text: str, where: str) -> Document:
    """Read a YAML mapping.

    Raises:
        ContractError: for anything but one mapping of plain values without duplicate keys, with its line.
    """
    lines: dict[Path, int] = {}
    try:
        loader = yaml.CSafeLoader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = where if mark is None else f"{where}:{mark.line + 1}"
        problem = f"{at}: not readable as YAML: {error.problem or error.context}"
        raise ContractError(problem, remedy="correct that line, or the indentation just above it") from None
    except yaml.YAMLError as error:
        problem = f"{where}: not readable as YAML: {' '.join(str(error).split())}"
        raise ContractError(problem, remedy="write plain UTF-8 text without control characters") from None
    if not isinstance(root, yaml.MappingNode):
        kind = "empty" if root is None else "not a mapping"
        raise ContractError(f"{where}: the file is {kind}", remedy="start with `apiVersion: v3.2.0`, one key per line")
    return Document(where, _Plain(where, lines).value(root, ()), lines)


class _Plain:
    """YAML nodes → JSON values. Notes the line of each path on the way."""

    def __init__(self, where: str, lines: dict[Path, int]) -> None:
        self.where = where
        self.lines = lines
        self.seen: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = node.start_mark.line + 1
        if len(path) > _DEEPEST:
            raise self._wrong(path, "nested too deeply", f"keep to {_DEEPEST} levels")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self.seen:
            raise self._wrong(path, "an alias (`*name`) repeats a value", "write the value out in both places")
        self.seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._mapping(node, path)

    def _mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            at = (*path, str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?")
            self.lines[at] = key_node.start_mark.line + 1
            key = self._scalar(key_node, at) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise self._wrong(at, "a key must be text", "put the key in quotes")
            if key in result:
                raise self._wrong(at, "duplicate key", "keep one of the two")
            result[key] = self.value(value_node, at)
            self.lines[at] = key_node.start_mark.line + 1
        return result

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text, tag = str(node.value), node.tag.rpartition(":")[2]
        if tag in {"str", "timestamp"}:  # a date stays the text it was written as
            return text
        if tag == "null":
            return None
        if tag == "bool" and text.lower() in {"true", "false"}:
            return text.lower() == "true"
        if tag == "int" and _INTEGER.fullmatch(text):
            return int(text)
        if tag == "float" and _DECIMAL.fullmatch(text):
            return float(text)
        remedy = f'write text in quotes ("{text}"), numbers in decimal, and true or false for a boolean'
        raise self._wrong(path, f"{shown(text)} would be read as {tag}", remedy)

    def _wrong(self, path: Path, problem: str, remedy: str) -> ContractError:
        return Document(self.where, {}, self.lines).wrong(path, problem, remedy=remedy)


def read_json(text: str, where: str) -> Document:
    """Read a JSON object.

    Raises:
        ContractError: for anything but one JSON object without duplicate keys, NaN or infinities.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in items:
            if key in result:
                raise ContractError(f"{where}: {key}: duplicate key", remedy="keep one of the two")
            result[key] = value
        return result

    def constant(name: str) -> None:
        raise ContractError(f"{where}: {name} is not a JSON number", remedy="write a number, or leave the bound out")

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        problem = f"{where}:{error.lineno}: not readable as JSON: {error.msg} (column {error.colno})"
        raise ContractError(problem, remedy="correct that line, or the comma just above it") from None
    except (RecursionError, ValueError):  # ValueError: an integer of thousands of digits
        raise ContractError(f"{where}: not readable as JSON", remedy="write plain, shallow JSON") from None
    if not isinstance(value, dict):
        raise ContractError(f"{where}: the file is not a JSON object", remedy="start with `{`")
    return Document(where, value)

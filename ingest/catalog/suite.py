"""`suite.json`, a Great Expectations suite in GX's own serialisation → expectations, after those of the contract.

GX itself is not imported: it takes seconds, and drops what it does not know. Here that is an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ingest.catalog.document import Document, Path, shown, suggestion
from ingest.catalog.pattern import check_pattern
from ingest.model.contract import Column, LogicalType
from ingest.model.expectation import Expectation
from ingest.model.supported import IGNORE_ROW_IF, KWARGS, REQUIRED

__all__ = ["derived", "read_suite"]

_NUMERIC = frozenset({LogicalType.INTEGER, LogicalType.NUMBER, LogicalType.DECIMAL})
_TEXT = frozenset({LogicalType.STRING})
_NESTED = frozenset({LogicalType.OBJECT, LogicalType.ARRAY})
_ANY = frozenset(LogicalType)
_FITS: Mapping[str, frozenset[LogicalType]] = {
    "expect_column_values_to_not_be_null": _ANY,
    "expect_column_values_to_be_null": _ANY,
    "expect_column_values_to_be_in_set": _NUMERIC | _TEXT | {LogicalType.BOOLEAN},
    "expect_column_values_to_not_be_in_set": _NUMERIC | _TEXT | {LogicalType.BOOLEAN},
    "expect_column_values_to_match_regex": _TEXT,
    "expect_column_values_to_not_match_regex": _TEXT,
    "expect_column_value_lengths_to_be_between": _TEXT,
    "expect_column_value_lengths_to_equal": _TEXT,
    "expect_column_pair_values_a_to_be_greater_than_b": _ANY - _NESTED - {LogicalType.BOOLEAN},
    "expect_column_pair_values_to_be_equal": _ANY - _NESTED,
    "expect_column_unique_value_count_to_be_between": _ANY - _NESTED,
}
"""The types of column that each expectation judges; numbers where it is not listed."""

_COUNTS = frozenset(
    {
        "expect_column_value_lengths_to_be_between",
        "expect_column_unique_value_count_to_be_between",
        "expect_table_row_count_to_be_between",
    }
)
"""Those whose bounds are whole numbers."""


def derived(columns: Sequence[Column]) -> tuple[Expectation, ...]:
    """The expectations that the contract's own rules amount to, in the order of its columns."""
    return tuple(expectation for column in columns for expectation in _of(column))


def _of(column: Column) -> Iterator[Expectation]:
    about = {"column": column.name}
    if column.required:
        yield Expectation("expect_column_values_to_not_be_null", about, derived=True)
    if column.pattern is not None:
        yield Expectation("expect_column_values_to_match_regex", {**about, "regex": column.pattern}, derived=True)
    for kind, low, high in (
        ("expect_column_value_lengths_to_be_between", column.min_length, column.max_length),
        ("expect_column_values_to_be_between", column.minimum, column.maximum),
    ):
        bounds = {name: value for name, value in (("min_value", low), ("max_value", high)) if value is not None}
        if bounds:
            yield Expectation(kind, {**about, **bounds}, derived=True)


def read_suite(document: Document, columns: Sequence[Column], dataset: str) -> tuple[Expectation, ...]:
    """The suite's expectations, in the file's order.

    Raises:
        ContractError: for an entry that Lakepost cannot judge by, or that says something a second time.
    """
    suite = document.value
    document.only((), suite, ("name", "id", "expectations", "meta", "notes"))
    if suite.get("name") != dataset:
        raise document.wrong(("name",), f"{shown(suite.get('name'))} is not the dataset", remedy=f'write "{dataset}"')
    entries = suite.get("expectations")
    if not isinstance(entries, list):
        raise document.wrong(("expectations",), "not a list", remedy='write "expectations": [ … ]')
    by_name = {column.name: column for column in columns}
    said = {(e.type, _key(e.kwargs)): "the contract" for e in derived(columns)}
    result = []
    for index, entry in enumerate(entries):
        expectation = _expectation(document, ("expectations", index), entry, by_name)
        key = (expectation.type, _key(expectation.kwargs))
        if key in said:
            problem = f"{expectation} is said by {said[key]} already"
            raise document.wrong(("expectations", index), problem, remedy="remove the entry")
        said[key] = f"expectations[{index}]"
        result.append(expectation)
    return tuple(result)


def _key(kwargs: Mapping[str, Any]) -> str:
    """Equal for equal kwargs, whether numbers are written 1 or 1.0."""
    return repr(sorted((name, float(v) if type(v) is int else v) for name, v in kwargs.items()))


def _expectation(document: Document, path: Path, entry: Any, columns: Mapping[str, Column]) -> Expectation:
    if not isinstance(entry, dict):
        raise document.wrong(path, f"{shown(entry)} is not an expectation", remedy='write {"type": …, "kwargs": {…}}')
    document.only(path, entry, ("type", "kwargs", "meta", "id", "notes", "description", "severity"))
    kind, kwargs = entry.get("type"), entry.get("kwargs")
    if not isinstance(kind, str) or kind not in KWARGS:
        problem = "missing" if kind is None else f"unknown expectation {shown(kind)}"
        raise document.wrong((*path, "type"), problem, remedy=suggestion(kind, sorted(KWARGS)))
    if entry.get("severity", "critical") != "critical":
        remedy = 'write "critical" or leave it out; use `mostly` for what may be broken at times'
        raise document.wrong((*path, "severity"), f"{shown(entry['severity'])} is not supported", remedy=remedy)
    at = (*path, "kwargs")
    if not isinstance(kwargs, dict):
        raise document.wrong(at, "not an object", remedy=f'write {{"{min(REQUIRED[kind], default="min_value")}": …}}')
    document.only(at, kwargs, KWARGS[kind])
    for name in sorted(REQUIRED[kind] - kwargs.keys()):
        raise document.wrong((*at, name), "missing", remedy=f'add "{name}" to the kwargs')
    if "min_value" in KWARGS[kind] and not {"min_value", "max_value"} & kwargs.keys():
        raise document.wrong(at, "no bound", remedy="add min_value, max_value or both")
    _columns_fit(document, at, kind, kwargs, columns)
    for name, value in kwargs.items():
        if name not in {"column", "column_A", "column_B"}:
            _value(document, (*at, name), kind, value, columns.get(kwargs.get("column", "")))
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None and high is not None and low > high:
        raise document.wrong((*at, "min_value"), f"{low} is above max_value", remedy="swap the two")
    return Expectation(kind, kwargs)


def _columns_fit(
    document: Document, path: Path, kind: str, kwargs: Mapping[str, Any], columns: Mapping[str, Column]
) -> None:
    """Each column exists and has a type that the expectation judges; a pair has one kind of value."""
    found = []
    for name in ("column", "column_A", "column_B"):
        if name not in kwargs:
            continue
        column = columns.get(kwargs[name]) if isinstance(kwargs[name], str) else None
        if column is None:
            problem = f"the contract has no column {shown(kwargs[name])}"
            raise document.wrong((*path, name), problem, remedy=suggestion(kwargs[name], columns))
        fits = _FITS.get(kind, _NUMERIC)
        if column.type not in fits:
            remedy = "it judges columns of type " + ", ".join(sorted(fits))
            raise document.wrong((*path, name), f"{column.name} is of type {column.type}", remedy=remedy)
        found.append(column)
    kinds = {"number" if column.type in _NUMERIC else column.type for column in found}
    if len(kinds) > 1:
        problem = f"{found[0].name} and {found[1].name} cannot be compared"
        raise document.wrong((*path, "column_B"), problem, remedy=f"name a column of type {found[0].type}")


def _value(document: Document, path: Path, kind: str, value: Any, column: Column | None) -> None:
    """One kwarg that is not a column's name."""
    name = path[-1]
    if name == "regex" and isinstance(value, str):
        check_pattern(document, path, value)
        return
    if name == "value_set":
        _set(document, path, value, column)
        return
    whole = name == "value" or kind in _COUNTS
    right, remedy = _SHAPES.get(str(name), (_is_count if whole else _is_number, "write a finite number"))
    if not right(value):
        remedy = "write a whole number from 0" if whole and str(name) not in _SHAPES else remedy
        raise document.wrong(path, f"{shown(value)} is not supported", remedy=remedy)


def _set(document: Document, path: Path, value: Any, column: Column | None) -> None:
    if not isinstance(value, list) or not value:
        raise document.wrong(path, f"{shown(value)} is not a list of values", remedy='write ["first", "second"]')
    right: Callable[[Any], bool] = _is_number
    if column is not None and column.type not in _NUMERIC:
        right = _is_text if column.type is LogicalType.STRING else _is_boolean
    for index, item in enumerate(value):
        if not right(item):
            problem = f"{shown(item)} does not fit the column"
            kind = column.type if column else "number"
            raise document.wrong((*path, index), problem, remedy=f"write values of type {kind}; null passes anyway")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 < value <= 1


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_ignore_rule(value: Any) -> bool:
    return value in IGNORE_ROW_IF


_SHAPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "mostly": (_is_share, "write a share above 0 and up to 1, such as 0.95"),
    "strict_min": (_is_boolean, "write true or false"),
    "strict_max": (_is_boolean, "write true or false"),
    "or_equal": (_is_boolean, "write true or false"),
    "regex": (_is_text, "write a regular expression as text"),
    "ignore_row_if": (_is_ignore_rule, "write one of: " + ", ".join(IGNORE_ROW_IF)),
}

"""`suite.json`, a Great Expectations suite in GX's own serialisation → expectations, after those of the contract.

GX itself is not imported: it takes seconds, and drops what it does not know. Here that is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ingest.catalog.document import Document, Path, shown, suggestion
from ingest.catalog.kwargs import NUMERIC, check_kwargs
from ingest.model.contract import Column, LogicalType
from ingest.model.expectation import Expectation
from ingest.model.supported import KWARGS, REFUSED, REQUIRED

__all__ = ["derived", "read_suite"]

_TEXT = frozenset({LogicalType.STRING})
_NESTED = frozenset({LogicalType.OBJECT, LogicalType.ARRAY})
_ANY = frozenset(LogicalType)
_FITS: Mapping[str, frozenset[LogicalType]] = {
    "expect_column_values_to_not_be_null": _ANY,
    "expect_column_values_to_be_null": _ANY,
    "expect_column_values_to_be_in_set": NUMERIC | _TEXT | {LogicalType.BOOLEAN},
    "expect_column_values_to_not_be_in_set": NUMERIC | _TEXT | {LogicalType.BOOLEAN},
    "expect_column_values_to_match_regex": _TEXT,
    "expect_column_values_to_not_match_regex": _TEXT,
    "expect_column_value_lengths_to_be_between": _TEXT,
    "expect_column_value_lengths_to_equal": _TEXT,
    "expect_column_pair_values_a_to_be_greater_than_b": _ANY - _NESTED - {LogicalType.BOOLEAN},
    "expect_column_pair_values_to_be_equal": _ANY - _NESTED,
    "expect_column_unique_value_count_to_be_between": _ANY - _NESTED,
    "expect_column_values_to_match_regex_list": _TEXT,
    "expect_column_values_to_not_match_regex_list": _TEXT,
    "expect_column_values_to_be_dateutil_parseable": _TEXT,
    "expect_column_values_to_be_json_parseable": _TEXT,
    "expect_column_values_to_match_strftime_format": _TEXT,
    # GX judges these by doubles and Python objects: decimals would not be compared as they are.
    "expect_column_pair_values_to_be_in_set": _TEXT | {LogicalType.INTEGER, LogicalType.BOOLEAN},
    "expect_multicolumn_sum_to_equal": frozenset({LogicalType.INTEGER}),
    "expect_multicolumn_values_to_be_equal": _ANY - _NESTED - {LogicalType.DECIMAL},
    "expect_select_column_values_to_be_unique_within_record": _ANY - _NESTED - {LogicalType.DECIMAL},
}
"""The types of column that each expectation judges; numbers where it is not listed."""

_OF_ANY_PAIR = frozenset({"expect_column_pair_values_to_be_in_set"})
"""Those that do not compare the columns with each other."""


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
    kind, kwargs = _kind(document, (*path, "type"), entry.get("type")), entry.get("kwargs")
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
    check_kwargs(document, at, kind, kwargs, columns)
    return Expectation(kind, kwargs)


def _kind(document: Document, path: Path, kind: Any) -> str:
    """A type that a verdict can be given by."""
    if isinstance(kind, str) and kind in KWARGS:
        return kind
    if isinstance(kind, str) and kind in REFUSED:
        remedy = "remove the entry, or use one of: " + ", ".join(f"`{name}`" for name in sorted(KWARGS))
        raise document.wrong(path, f"{kind} is not supported: {REFUSED[kind]}", remedy=remedy)
    problem = "missing" if kind is None else f"unknown expectation {shown(kind)}"
    raise document.wrong(path, problem, remedy=suggestion(kind, sorted(KWARGS)))


def _columns_fit(
    document: Document, path: Path, kind: str, kwargs: Mapping[str, Any], columns: Mapping[str, Column]
) -> None:
    """Each column exists and has a type that the expectation judges; several have one kind of value."""
    found: list[Column] = []
    for at, name in _named(document, path, kwargs):
        column = columns.get(name) if isinstance(name, str) else None
        if column is None:
            problem = f"the contract has no column {shown(name)}"
            raise document.wrong(at, problem, remedy=suggestion(name, columns))
        fits = _FITS.get(kind, NUMERIC)
        if column.type not in fits:
            remedy = "it judges columns of type " + ", ".join(sorted(fits))
            raise document.wrong(at, f"{column.name} is of type {column.type}", remedy=remedy)
        other = found[0] if found else column
        if kind not in _OF_ANY_PAIR and _comparable(other) != _comparable(column):
            problem = f"{other.name} and {column.name} cannot be compared"
            raise document.wrong(at, problem, remedy=f"name a column of type {other.type}")
        found.append(column)


def _named(document: Document, path: Path, kwargs: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The names of the columns that the kwargs give, each with its path."""
    for key in ("column", "column_A", "column_B"):
        if key in kwargs:
            yield (*path, key), kwargs[key]
    if "column_list" in kwargs:
        listed = kwargs["column_list"]
        if not isinstance(listed, list) or len(listed) < 2 or len({str(name) for name in listed}) < len(listed):  # noqa: PLR2004
            at = (*path, "column_list")
            raise document.wrong(at, f"{shown(listed)} is not a list of columns", remedy='write ["first", "second"]')
        yield from (((*path, "column_list", index), name) for index, name in enumerate(listed))


def _comparable(column: Column) -> str:
    return "number" if column.type in NUMERIC else str(column.type)

"""What the kwargs of an expectation may say, beside the names of columns."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from typing import Any

from ingest.catalog.document import Document, Path, shown
from ingest.catalog.pattern import check_pattern
from ingest.model.contract import Column, LogicalType
from ingest.model.supported import IGNORE_ROW_IF

__all__ = ["NUMERIC", "check_kwargs"]

NUMERIC = frozenset({LogicalType.INTEGER, LogicalType.NUMBER, LogicalType.DECIMAL})
"""The types whose values are numbers."""

_COUNTS = frozenset(
    {
        "expect_column_value_lengths_to_be_between",
        "expect_column_unique_value_count_to_be_between",
        "expect_table_row_count_to_be_between",
    }
)
"""Those whose bounds are whole numbers."""


def check_kwargs(
    document: Document, path: Path, kind: str, kwargs: Mapping[str, Any], columns: Mapping[str, Column]
) -> None:
    """Hold each kwarg, but those that name columns, against what the expectation and its columns allow.

    Raises:
        ContractError: for the first one that Great Expectations would refuse, or read in another way than meant.
    """
    of = [columns[str(kwargs[key])] for key in ("column", "column_A", "column_B") if key in kwargs]
    for name, value in kwargs.items():
        if name not in {"column", "column_A", "column_B", "column_list"}:
            _value(document, (*path, name), kind, value, of)
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None and high is not None and low > high:
        raise document.wrong((*path, "min_value"), f"{low} is above max_value", remedy="swap the two")


def _value(document: Document, path: Path, kind: str, value: Any, of: list[Column]) -> None:
    name = path[-1]
    if name == "regex" and isinstance(value, str):
        check_pattern(document, path, value)
    elif name == "regex_list":
        _patterns(document, path, value)
    elif name == "value_set":
        _set(document, path, value, of[0])
    elif name == "value_pairs_set":
        _pairs(document, path, value, of)
    elif name == "ignore_row_if":
        if value not in IGNORE_ROW_IF[kind]:
            remedy = "write one of: " + ", ".join(IGNORE_ROW_IF[kind])
            raise document.wrong(path, f"{shown(value)} is not supported", remedy=remedy)
    else:
        _scalar(document, path, kind, value)


def _scalar(document: Document, path: Path, kind: str, value: Any) -> None:
    name = path[-1]
    whole = name == "value" or kind in _COUNTS
    right, remedy = _SHAPES.get(str(name), (_is_count if whole else _is_number, "write a finite number"))
    if not right(value):
        remedy = "write a whole number from 0" if whole and str(name) not in _SHAPES else remedy
        raise document.wrong(path, f"{shown(value)} is not supported", remedy=remedy)


def _set(document: Document, path: Path, value: Any, column: Column) -> None:
    if not isinstance(value, list) or not value:
        raise document.wrong(path, f"{shown(value)} is not a list of values", remedy='write ["first", "second"]')
    for index, item in enumerate(value):
        _member(document, (*path, index), item, column)


def _pairs(document: Document, path: Path, value: Any, of: list[Column]) -> None:
    if not isinstance(value, list) or not value:
        raise document.wrong(path, f"{shown(value)} is not a list of pairs", remedy='write [["a", 1], ["b", 2]]')
    for index, pair in enumerate(value):
        if not isinstance(pair, list) or len(pair) != len(of):
            raise document.wrong((*path, index), f"{shown(pair)} is not a pair", remedy='write ["a", 1]')
        for place, (item, column) in enumerate(zip(pair, of, strict=True)):
            _member(document, (*path, index, place), item, column)


def _member(document: Document, path: Path, item: Any, column: Column) -> None:
    right: Callable[[Any], bool] = _is_number
    if column.type not in NUMERIC:
        right = _is_text if column.type is LogicalType.STRING else _is_boolean
    if not right(item):
        remedy = f"write values of type {column.type}; null passes anyway"
        raise document.wrong(path, f"{shown(item)} does not fit the column", remedy=remedy)


def _patterns(document: Document, path: Path, value: Any) -> None:
    if not isinstance(value, list) or not value or not all(map(_is_text, value)):
        raise document.wrong(path, f"{shown(value)} is not a list of patterns", remedy='write ["^a", "^b"]')
    for index, pattern in enumerate(value):
        check_pattern(document, (*path, index), pattern)


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


def _is_whole(value: Any) -> bool:
    return _is_number(value) and value == int(value)


def _is_match_rule(value: Any) -> bool:
    return value in {"any", "all"}


def _is_time_format(value: Any) -> bool:
    """Can a moment be written by it and be read again?"""
    try:
        dt.datetime.strptime(dt.datetime(2026, 11, 21, 10, 11, 12, tzinfo=dt.UTC).strftime(value), value)  # noqa: DTZ007 - thrown away
    except (TypeError, ValueError):
        return False
    return "%" in value


_SHAPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "mostly": (_is_share, "write a share above 0 and up to 1, such as 0.95"),
    "strict_min": (_is_boolean, "write true or false"),
    "strict_max": (_is_boolean, "write true or false"),
    "or_equal": (_is_boolean, "write true or false"),
    "regex": (_is_text, "write a regular expression as text"),
    "match_on": (_is_match_rule, 'write "any" or "all"'),
    "sum_total": (_is_whole, "write a whole number"),
    "strftime_format": (_is_time_format, "write a format of Python's strptime, such as %Y-%m-%d"),
}

"""An expectation, and what it found in a row, in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ingest.model.expectation import Expectation

__all__ = ["rule"]

_LISTED = 12
"""Members of a value set that a sentence names."""


_OF_SEVERAL = {
    "expect_column_pair_values_to_be_in_set": "be one of the pairs that the suite lists",
    "expect_multicolumn_sum_to_equal": "sum to {sum_total}",
    "expect_multicolumn_values_to_be_equal": "be equal",
    "expect_select_column_values_to_be_unique_within_record": "differ from each other",
}


def rule(expectation: Expectation) -> str:
    """What the expectation asks for: `total must be between 0 and 100000`."""
    kwargs = expectation.kwargs
    if expectation.type in _OF_SEVERAL:
        return f"{' and '.join(expectation.columns)} must {_OF_SEVERAL[expectation.type].format_map(kwargs)}"
    if "column_A" in kwargs:
        equal = expectation.type == "expect_column_pair_values_to_be_equal"
        asks = "equal" if equal else "be at least" if kwargs.get("or_equal") else "be greater than"
        return f"{kwargs['column_A']} must {asks} {kwargs['column_B']}"
    return f"{kwargs['column']} must {_asks(expectation.type, kwargs)}"


def _asks(kind: str, kwargs: Mapping[str, Any]) -> str:
    asks = _ASKS.get(kind)
    return f"be {_range(kwargs)}" if asks is None else asks(kwargs)


_ASKS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "expect_column_values_to_not_be_null": lambda _: "be there",
    "expect_column_values_to_be_null": lambda _: "be null",
    "expect_column_values_to_be_in_set": lambda kwargs: f"be one of {_members(kwargs['value_set'])}",
    "expect_column_values_to_not_be_in_set": lambda kwargs: f"be none of {_members(kwargs['value_set'])}",
    "expect_column_values_to_match_regex": lambda kwargs: f"match {kwargs['regex']}",
    "expect_column_values_to_not_match_regex": lambda kwargs: f"not match {kwargs['regex']}",
    "expect_column_values_to_match_regex_list": lambda kwargs: (
        f"match {'all' if kwargs.get('match_on') == 'all' else 'one'} of {_members(kwargs['regex_list'])}"
    ),
    "expect_column_values_to_not_match_regex_list": lambda kwargs: f"match none of {_members(kwargs['regex_list'])}",
    "expect_column_value_lengths_to_equal": lambda kwargs: f"have a length of {_number(kwargs['value'])}",
    "expect_column_value_lengths_to_be_between": lambda kwargs: f"have a length {_range(kwargs)}",
    "expect_column_values_to_be_dateutil_parseable": lambda _: "be a date or a time that dateutil can read",
    "expect_column_values_to_be_json_parseable": lambda _: "be JSON",
    "expect_column_values_to_match_strftime_format": lambda kwargs: f"be written as {kwargs['strftime_format']}",
}


def _range(kwargs: Mapping[str, Any]) -> str:
    parts = []
    if kwargs.get("min_value") is not None:
        parts.append(("above " if kwargs.get("strict_min") else "at least ") + _number(kwargs["min_value"]))
    if kwargs.get("max_value") is not None:
        parts.append(("below " if kwargs.get("strict_max") else "at most ") + _number(kwargs["max_value"]))
    return " and ".join(parts)


def _number(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _members(values: Any) -> str:
    shown = [value if isinstance(value, str) else json.dumps(value) for value in list(values)[:_LISTED]]
    return ", ".join(shown) + (", …" if len(values) > _LISTED else "")

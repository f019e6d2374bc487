"""An expectation, and what it found in a row, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ingest.model.expectation import Expectation

__all__ = ["rule"]

_LISTED = 12
"""Members of a value set that a sentence names."""


def rule(expectation: Expectation) -> str:
    """What the expectation asks for: `total must be between 0 and 100000`."""
    kwargs = expectation.kwargs
    if "column_A" in kwargs:
        equal = expectation.type == "expect_column_pair_values_to_be_equal"
        asks = "equal" if equal else "be at least" if kwargs.get("or_equal") else "be greater than"
        return f"{kwargs['column_A']} must {asks} {kwargs['column_B']}"
    return f"{kwargs['column']} must {_asks(expectation.type, kwargs)}"


def _asks(kind: str, kwargs: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one per type
    match kind:
        case "expect_column_values_to_not_be_null":
            return "be there"
        case "expect_column_values_to_be_null":
            return "be null"
        case "expect_column_values_to_be_in_set":
            return f"be one of {_members(kwargs['value_set'])}"
        case "expect_column_values_to_not_be_in_set":
            return f"be none of {_members(kwargs['value_set'])}"
        case "expect_column_values_to_match_regex":
            return f"match {kwargs['regex']}"
        case "expect_column_values_to_not_match_regex":
            return f"not match {kwargs['regex']}"
        case "expect_column_value_lengths_to_equal":
            return f"have a length of {_number(kwargs['value'])}"
        case "expect_column_value_lengths_to_be_between":
            return f"have a length {_range(kwargs)}"
        case _:
            return f"be {_range(kwargs)}"


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

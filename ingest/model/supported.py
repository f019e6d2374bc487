"""The Great Expectations types a suite may use: those for which a row's verdict, or the batch's, is computed.

Both sides read this page: `ingest.catalog` refuses a suite that says more, `ingest.validate` judges by it.
GX drops an expectation it does not know and goes on; here it is an error with the nearest name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["IGNORE_ROW_IF", "KWARGS", "REQUIRED", "ROW_LEVEL", "TABLE_LEVEL"]

_BOUNDS = ("min_value", "max_value", "strict_min", "strict_max")
_PAIR = ("column_A", "column_B", "ignore_row_if", "mostly")

_ROW: dict[str, tuple[str, ...]] = {
    "expect_column_values_to_not_be_null": ("column", "mostly"),
    "expect_column_values_to_be_null": ("column", "mostly"),
    "expect_column_values_to_be_between": ("column", *_BOUNDS, "mostly"),
    "expect_column_values_to_be_in_set": ("column", "value_set", "mostly"),
    "expect_column_values_to_not_be_in_set": ("column", "value_set", "mostly"),
    "expect_column_values_to_match_regex": ("column", "regex", "mostly"),
    "expect_column_values_to_not_match_regex": ("column", "regex", "mostly"),
    "expect_column_value_lengths_to_be_between": ("column", *_BOUNDS, "mostly"),
    "expect_column_value_lengths_to_equal": ("column", "value", "mostly"),
    "expect_column_pair_values_a_to_be_greater_than_b": (*_PAIR, "or_equal"),
    "expect_column_pair_values_to_be_equal": _PAIR,
}

_TABLE: dict[str, tuple[str, ...]] = {
    "expect_table_row_count_to_be_between": _BOUNDS,
    "expect_column_unique_value_count_to_be_between": ("column", *_BOUNDS),
    "expect_column_mean_to_be_between": ("column", *_BOUNDS),
    "expect_column_sum_to_be_between": ("column", *_BOUNDS),
    "expect_column_min_to_be_between": ("column", *_BOUNDS),
    "expect_column_max_to_be_between": ("column", *_BOUNDS),
}

_NEEDED = frozenset({"column", "column_A", "column_B", "value_set", "regex", "value"})

ROW_LEVEL: frozenset[str] = frozenset(_ROW)
"""Types that give each row its own verdict. Null passes all of them but the not-null one, as in GX."""

TABLE_LEVEL: frozenset[str] = frozenset(_TABLE)
"""Types that judge the valid, unique rows of a batch as a whole."""

KWARGS: Mapping[str, frozenset[str]] = MappingProxyType(
    {name: frozenset(kwargs) for name, kwargs in (_ROW | _TABLE).items()}
)
"""Each type's allowed kwargs. Where `min_value` and `max_value` are allowed, one of them must be given."""

REQUIRED: Mapping[str, frozenset[str]] = MappingProxyType({name: kwargs & _NEEDED for name, kwargs in KWARGS.items()})
"""Each type's kwargs that must be given."""

IGNORE_ROW_IF: tuple[str, ...] = ("both_values_are_missing", "either_value_is_missing")
"""What `ignore_row_if` of a column pair may say; the first is the default. GX's `neither` compares with null."""

"""The Great Expectations types a suite may use: those for which a row's verdict, or the batch's, is computed.

Both sides read this page: `ingest.catalog` refuses a suite that says more, `ingest.validate` judges by it.
GX drops an expectation it does not know and goes on; here it is an error with the nearest name. A test holds the
names against GX's registry, which takes seconds to import: whatever GX knows is judged here, or refused with why.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["BY_GX", "IGNORE_ROW_IF", "KWARGS", "REFUSED", "REQUIRED", "ROW_LEVEL", "TABLE_LEVEL"]

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
    "expect_column_values_to_match_regex_list": ("column", "regex_list", "match_on", "mostly"),
    "expect_column_values_to_not_match_regex_list": ("column", "regex_list", "mostly"),
    "expect_column_value_lengths_to_be_between": ("column", *_BOUNDS, "mostly"),
    "expect_column_value_lengths_to_equal": ("column", "value", "mostly"),
    "expect_column_pair_values_a_to_be_greater_than_b": (*_PAIR, "or_equal"),
    "expect_column_pair_values_to_be_equal": _PAIR,
}

_COLUMNS = ("column_list", "ignore_row_if", "mostly")

_SLOW: dict[str, tuple[str, ...]] = {
    "expect_column_values_to_be_dateutil_parseable": ("column", "mostly"),
    "expect_column_values_to_be_json_parseable": ("column", "mostly"),
    "expect_column_values_to_match_strftime_format": ("column", "strftime_format", "mostly"),
    "expect_column_pair_values_to_be_in_set": (*_PAIR, "value_pairs_set"),
    "expect_multicolumn_sum_to_equal": (*_COLUMNS, "sum_total"),
    "expect_multicolumn_values_to_be_equal": _COLUMNS,
    "expect_select_column_values_to_be_unique_within_record": _COLUMNS,
}

_TABLE: dict[str, tuple[str, ...]] = {
    "expect_table_row_count_to_be_between": _BOUNDS,
    "expect_column_unique_value_count_to_be_between": ("column", *_BOUNDS),
    "expect_column_mean_to_be_between": ("column", *_BOUNDS),
    "expect_column_sum_to_be_between": ("column", *_BOUNDS),
    "expect_column_min_to_be_between": ("column", *_BOUNDS),
    "expect_column_max_to_be_between": ("column", *_BOUNDS),
}

_OPTIONAL = frozenset({*_BOUNDS, "mostly", "ignore_row_if", "or_equal", "match_on"})

ROW_LEVEL: frozenset[str] = frozenset(_ROW)
"""Types that give each row its own verdict, by a mask. Null passes all of them but the not-null one, as in GX."""

BY_GX: frozenset[str] = frozenset(_SLOW)
"""Types that give each row its own verdict and have no mask: GX itself judges every row, many times slower."""

TABLE_LEVEL: frozenset[str] = frozenset(_TABLE)
"""Types that judge the valid, unique rows of a batch as a whole."""

KWARGS: Mapping[str, frozenset[str]] = MappingProxyType(
    {name: frozenset(kwargs) for name, kwargs in (_ROW | _SLOW | _TABLE).items()}
)
"""Each type's allowed kwargs. Where `min_value` and `max_value` are allowed, one of them must be given."""

REQUIRED: Mapping[str, frozenset[str]] = MappingProxyType({name: kwargs - _OPTIONAL for name, kwargs in KWARGS.items()})
"""Each type's kwargs that must be given."""

_OF_PAIRS = ("both_values_are_missing", "either_value_is_missing")
_OF_LISTS = ("all_values_are_missing", "any_value_is_missing")

IGNORE_ROW_IF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        name: _OF_LISTS if "column_list" in kwargs else _OF_PAIRS
        for name, kwargs in KWARGS.items()
        if "ignore_row_if" in kwargs
    }
)
"""What `ignore_row_if` of each type may say; the first is the default. GX's others compare with null."""

_WHY: dict[str, tuple[str, ...]] = {
    "a row's verdict would depend on the order of the rows": (
        "expect_column_values_to_be_decreasing",
        "expect_column_values_to_be_increasing",
    ),
    "a row's verdict would depend on the other rows of its batch": (
        "expect_column_value_z_scores_to_be_less_than",
        "expect_column_values_to_be_unique",
        "expect_column_values_to_not_be_outliers",
        "expect_compound_columns_to_be_unique",
    ),
    "the contract's columns and their types say it": (
        "expect_column_to_exist",
        "expect_column_type_to_be",
        "expect_column_values_to_be_in_type_list",
        "expect_column_values_to_be_of_type",
        "expect_table_column_count_to_be_between",
        "expect_table_column_count_to_equal",
        "expect_table_columns_to_match_ordered_list",
        "expect_table_columns_to_match_set",
    ),
    "Great Expectations has it for databases only; a regular expression says the same": (
        "expect_column_values_to_match_like_pattern",
        "expect_column_values_to_match_like_pattern_list",
        "expect_column_values_to_not_match_like_pattern",
        "expect_column_values_to_not_match_like_pattern_list",
    ),
    "Great Expectations gives up on a text that is no JSON; give the column the type of an object": (
        "expect_column_values_to_match_json_schema",
    ),
    "it asks a database": (
        "expect_query_results_to_match_comparison",
        "expect_table_row_count_to_equal_other_table",
        "unexpected_rows_expectation",
    ),
    "a batch has no verdict by it": (
        "expect_column_distinct_values_to_be_in_set",
        "expect_column_distinct_values_to_contain_set",
        "expect_column_distinct_values_to_equal_set",
        "expect_column_kl_divergence_to_be_less_than",
        "expect_column_median_to_be_between",
        "expect_column_most_common_value_to_be_in_set",
        "expect_column_proportion_of_non_null_values_to_be_between",
        "expect_column_proportion_of_unique_values_to_be_between",
        "expect_column_quantile_values_to_be_between",
        "expect_column_stdev_to_be_between",
        "expect_table_row_count_to_equal",
    ),
}

REFUSED: Mapping[str, str] = MappingProxyType({name: why for why, names in _WHY.items() for name in names})
"""Types that GX knows and a suite may not use, and why not."""

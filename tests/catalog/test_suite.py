"""A suite's entries are loaded as they stand, or refused with what to write instead."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingest.model.expectation import Expectation
from ingest.model.supported import BY_GX, KWARGS, REFUSED, REQUIRED, ROW_LEVEL, TABLE_LEVEL
from tests.catalog.orders import SUITE, SUITE_FILE, assert_says, parsed, refused


class TestSuite:
    @staticmethod
    def with_entry(entry: Any) -> str:
        suite = json.loads(SUITE)
        suite["expectations"].append(entry)
        return json.dumps(suite)

    @pytest.mark.parametrize(
        ("kind", "kwargs", "field", "remedy"),
        [
            ("expect_column_values_to_be_in_sett", {}, "type", "`expect_column_values_to_be_in_set`"),
            ("expect_column_values_to_be_increasing", {"column": "total"}, "order of the rows", "remove the entry"),
            ("expect_compound_columns_to_be_unique", {"column_list": ["note", "status"]}, "other rows", "remove"),
            ("expect_column_values_to_match_like_pattern", {"column": "note"}, "regular expression", "match_regex`"),
            ("expect_column_values_to_be_json_parsable", {}, "type", "`expect_column_values_to_be_json_parseable`"),
            ("expect_multicolumn_sum_to_equal", {"sum_total": 1}, "column_list", 'add "column_list"'),
            (
                "expect_multicolumn_sum_to_equal",
                {"column_list": ["item_count"], "sum_total": 1},
                "column_list",
                '["first", "second"]',
            ),
            (
                "expect_multicolumn_sum_to_equal",
                {"column_list": ["item_count", "item_count"], "sum_total": 1},
                "column_list",
                '["first", "second"]',
            ),
            (
                "expect_multicolumn_sum_to_equal",
                {"column_list": ["item_count", "total"], "sum_total": 1},
                "column_list[1]",
                "integer",
            ),
            (
                "expect_multicolumn_sum_to_equal",
                {"column_list": ["item_count", "loyalty_points"], "sum_total": 1.5},
                "sum_total",
                "whole number",
            ),
            (
                "expect_multicolumn_values_to_be_equal",
                {"column_list": ["note", "item_count"]},
                "cannot be compared",
                "type string",
            ),
            (
                "expect_multicolumn_values_to_be_equal",
                {"column_list": ["note", "status"], "ignore_row_if": "never"},
                "ignore_row_if",
                "all_values_are_missing",
            ),
            (
                "expect_column_values_to_match_strftime_format",
                {"column": "note", "strftime_format": "YYYY-MM-DD"},
                "strftime_format",
                "%Y-%m-%d",
            ),
            (
                "expect_column_values_to_match_strftime_format",
                {"column": "note", "strftime_format": "%Q"},
                "strftime_format",
                "%Y-%m-%d",
            ),
            (
                "expect_column_pair_values_to_be_in_set",
                {"column_A": "status", "column_B": "item_count", "value_pairs_set": [["placed"]]},
                "value_pairs_set[0]",
                '["a", 1]',
            ),
            (
                "expect_column_pair_values_to_be_in_set",
                {"column_A": "status", "column_B": "item_count", "value_pairs_set": [["placed", "1"]]},
                "value_pairs_set[0][1]",
                "integer",
            ),
            ("expect_column_values_to_match_regex_list", {"column": "note", "regex_list": []}, "regex_list", "^a"),
            ("expect_column_values_to_match_regex_list", {"column": "note", "regex_list": ["("]}, "list[0]", "pattern"),
            (
                "expect_column_values_to_match_regex_list",
                {"column": "note", "regex_list": ["a"], "match_on": "some"},
                "match_on",
                '"any" or "all"',
            ),
            ("expect_column_values_to_be_between", {"column": "totl", "min_value": 1}, "kwargs.column", "`total`"),
            ("expect_column_values_to_be_between", {"min_value": 1}, "kwargs.column", 'add "column"'),
            ("expect_column_values_to_be_between", {"column": "total"}, "kwargs", "min_value"),
            ("expect_column_values_to_be_between", {"column": "total", "min": 1}, "kwargs.min", "min_value"),
            ("expect_column_values_to_be_between", {"column": "note", "min_value": 1}, "kwargs.column", "decimal"),
            ("expect_column_values_to_be_between", {"column": "total", "min_value": "1"}, "min_value", "number"),
            ("expect_column_values_to_be_between", {"column": "total", "min_value": True}, "min_value", "number"),
            ("expect_column_values_to_be_between", {"column": "total", "min_value": None}, "min_value", "number"),
            ("expect_column_values_to_be_between", {"column": "total", "min_value": 1e999}, "", "number"),
            ("expect_column_values_to_be_between", {"column": "total", "min_value": 2, "max_value": 1}, "min", "swap"),
            (
                "expect_column_values_to_be_between",
                {"column": "total", "min_value": 2, "strict_min": 1},
                "strict_min",
                "true or false",
            ),
            ("expect_column_values_to_be_null", {"column": "note", "mostly": 0}, "kwargs.mostly", "above 0"),
            ("expect_column_values_to_be_null", {"column": "note", "mostly": 95}, "kwargs.mostly", "up to 1"),
            ("expect_column_values_to_match_regex", {"column": "note"}, "kwargs.regex", "regex"),
            ("expect_column_values_to_match_regex", {"column": "note", "regex": "("}, "kwargs.regex", "pattern"),
            ("expect_column_values_to_match_regex", {"column": "total", "regex": "a"}, "kwargs.column", "string"),
            ("expect_column_values_to_not_match_regex", {"column": "note", "regex": r"(a)\1"}, "regex", "referring"),
            ("expect_column_values_to_be_in_set", {"column": "status", "value_set": []}, "value_set", "["),
            ("expect_column_values_to_be_in_set", {"column": "status", "value_set": ["a", 1]}, "set[1]", "string"),
            ("expect_column_values_to_be_in_set", {"column": "is_gift", "value_set": ["a"]}, "set[0]", "boolean"),
            ("expect_column_values_to_be_in_set", {"column": "address", "value_set": [1]}, "kwargs.column", "string"),
            ("expect_column_value_lengths_to_equal", {"column": "note", "value": 1.5}, "kwargs.value", "whole number"),
            (
                "expect_column_value_lengths_to_be_between",
                {"column": "note", "min_value": -1},
                "min_value",
                "whole number",
            ),
            (
                "expect_column_pair_values_to_be_equal",
                {"column_A": "note", "column_B": "total"},
                "kwargs.column_B",
                "string",
            ),
            (
                "expect_column_pair_values_to_be_equal",
                {"column_A": "note", "column_B": "status", "ignore_row_if": "neither"},
                "ignore_row_if",
                "both_values_are_missing",
            ),
            ("expect_table_row_count_to_be_between", {"column": "note", "min_value": 1}, "kwargs.column", "min_value"),
            ("expect_column_unique_value_count_to_be_between", {"column": "items", "min_value": 1}, "column", "string"),
        ],
    )
    def test_an_entry_that_cannot_be_judged(self, kind: str, kwargs: Any, field: str, remedy: str) -> None:
        error = refused(suite=self.with_entry({"type": kind, "kwargs": kwargs, "meta": {}}))
        assert_says(error, SUITE_FILE, field, remedy=remedy)
        assert "expectations[5]" in error.message or "JSON" in error.message

    @pytest.mark.parametrize(
        ("entry", "field", "remedy"),
        [
            ({"type": "expect_column_values_to_be_null", "kwarg": {}}, "kwarg", "`kwargs`"),
            ({"type": "expect_column_values_to_be_null"}, "kwargs", '"column"'),
            ({"kwargs": {}}, "type", "expect_"),
            ({"type": ["a"], "kwargs": {}}, "type", "expect_"),
            ("expect_column_values_to_be_null", "expectations[5]", '"type"'),
            (
                {
                    "type": "expect_column_values_to_be_null",
                    "kwargs": {"column": "note"},
                    "severity": "warning",
                },
                "severity",
                "mostly",
            ),
        ],
    )
    def test_an_entry_of_the_wrong_form(self, entry: Any, field: str, remedy: str) -> None:
        assert_says(refused(suite=self.with_entry(entry)), SUITE_FILE, "expectations[5]", field, remedy=remedy)

    def test_what_the_contract_says_is_not_repeated(self) -> None:
        entry = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "item_count", "min_value": 1.0}}
        assert_says(refused(suite=self.with_entry(entry)), "expectations[5]", "by the contract", remedy="remove")

    def test_nothing_is_said_twice(self) -> None:
        entry = json.loads(SUITE)["expectations"][3]
        assert_says(refused(suite=self.with_entry(entry)), "[5]", "by expectations[3]", remedy="remove")

    @pytest.mark.parametrize(
        ("text", "words", "remedy"),
        [
            ("", [":1: not readable as JSON"], "correct"),
            (SUITE.replace(",\n", "\n", 1), [":3: not readable as JSON"], "comma"),
            ("[]", ["not a JSON object"], "{"),
            (SUITE.replace('"name": "orders"', '"name": "order"'), ["name", "order"], '"orders"'),
            (SUITE.replace('"expectations"', '"expectation"'), ["expectation"], "`expectations`"),
            ('{"name": "orders"}', ["expectations: not a list"], "[ … ]"),
            (SUITE.replace('"mostly": 0.5', '"mostly": NaN'), ["NaN"], "number"),
            (SUITE.replace('"mostly": 0.5', '"mostly": 0.5, "mostly": 0.1'), ["mostly: duplicate key"], "keep one"),
            ("[" * 100_000, ["JSON"], "shallow"),
        ],
        ids=["empty", "no comma", "list", "name", "key", "no list", "NaN", "duplicate", "deep"],
    )
    def test_a_file_that_is_no_suite(self, text: str, words: list[str], remedy: str) -> None:
        assert_says(refused(suite=text), SUITE_FILE, *words, remedy=remedy)

    @pytest.mark.parametrize(
        ("kind", "kwargs"),
        [
            ("expect_column_values_to_not_be_in_set", {"column": "loyalty_points", "value_set": [1, 2.0]}),
            ("expect_column_value_lengths_to_equal", {"column": "currency", "value": 3.0}),
            ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "total", "column_B": "item_count"}),
            ("expect_table_row_count_to_be_between", {"min_value": 1}),
            ("expect_column_mean_to_be_between", {"column": "total", "max_value": 500, "strict_max": True}),
            ("expect_column_values_to_match_regex", {"column": "note", "regex": r"\\1[(?=]"}),
            (
                "expect_column_values_to_match_regex_list",
                {"column": "note", "regex_list": ["a", "^b"], "match_on": "all"},
            ),
            ("expect_column_values_to_match_strftime_format", {"column": "note", "strftime_format": "%Y-%m-%d"}),
            (
                "expect_column_pair_values_to_be_in_set",
                {"column_A": "status", "column_B": "item_count", "value_pairs_set": [["placed", 1]]},
            ),
            (
                "expect_multicolumn_sum_to_equal",
                {"column_list": ["item_count", "loyalty_points"], "sum_total": 9, "mostly": 0.9},
            ),
        ],
    )
    def test_other_supported_entries_are_loaded_as_they_stand(self, kind: str, kwargs: dict[str, Any]) -> None:
        loaded = parsed(suite=self.with_entry({"type": kind, "kwargs": kwargs})).expectations[-1]
        assert loaded == Expectation(kind, kwargs)

    def test_the_supported_types_are_complete(self) -> None:
        assert set(KWARGS) == ROW_LEVEL | BY_GX | TABLE_LEVEL == set(REQUIRED)
        assert not ROW_LEVEL & TABLE_LEVEL
        assert not BY_GX & (ROW_LEVEL | TABLE_LEVEL)
        assert not REFUSED.keys() & KWARGS.keys()
        assert all(REQUIRED[kind] <= KWARGS[kind] for kind in KWARGS)

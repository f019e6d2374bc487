"""Expectations without a mask: Great Expectations judges every row, in slices, and the report says so."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pyarrow as pa
import pytest
from structlog.testing import capture_logs

from ingest.errors import ContractError
from ingest.model.contract import Contract
from ingest.model.expectation import Expectation
from ingest.model.ports import Batch
from ingest.model.supported import BY_GX, KWARGS, REFUSED, ROW_LEVEL, TABLE_LEVEL
from ingest.validate import Suite, great, slow
from ingest.validate import suite as suites
from tests.contracts import column, contract

_TEXTS = ["2026-11-20", "20. November", '{"a": 1}', None, "7", ""]
_ROWS = pa.table(
    {
        "s": pa.array(_TEXTS, pa.string()),
        "s2": pa.array(["x", "20. November", None, None, "7", "y"], pa.string()),
        "i": pa.array([1, 2, 2**60, None, 4, 5], pa.int64()),
        "j": pa.array([9, 8, -(2**60) + 10, None, 4, None], pa.int64()),
        "b": pa.array([True, False, None, True, True, None], pa.bool_()),
    }
)
_COLUMNS = (
    column("s", "string"),
    column("s2", "string"),
    column("i", "integer"),
    column("j", "integer"),
    column("b", "boolean"),
)
_PAIRS = [["2026-11-20", "x"], ["7", "7"]]

BROKEN: list[tuple[Expectation, list[int]]] = [
    (Expectation("expect_column_values_to_be_dateutil_parseable", {"column": "s"}), [2, 5]),
    (Expectation("expect_column_values_to_be_json_parseable", {"column": "s"}), [0, 1, 5]),
    (
        Expectation("expect_column_values_to_match_strftime_format", {"column": "s", "strftime_format": "%Y-%m-%d"}),
        [1, 2, 4, 5],
    ),
    (
        Expectation(
            "expect_column_pair_values_to_be_in_set", {"column_A": "s", "column_B": "s2", "value_pairs_set": _PAIRS}
        ),
        [1, 2, 5],
    ),
    (
        Expectation(
            "expect_column_pair_values_to_be_in_set",
            {
                "column_A": "i",
                "column_B": "b",
                "value_pairs_set": [[1, True], [2, False], [2**60, True]],
                "ignore_row_if": "either_value_is_missing",
            },
        ),
        [4],
    ),
    (Expectation("expect_multicolumn_sum_to_equal", {"column_list": ["i", "j"], "sum_total": 10}), [4, 5]),
    (
        Expectation(
            "expect_multicolumn_sum_to_equal",
            {"column_list": ["i", "j"], "sum_total": 10, "ignore_row_if": "any_value_is_missing"},
        ),
        [4],
    ),
    (Expectation("expect_multicolumn_values_to_be_equal", {"column_list": ["i", "j"]}), [0, 1, 2, 5]),
    (Expectation("expect_multicolumn_values_to_be_equal", {"column_list": ["s", "s2"]}), [0, 2, 5]),
    (Expectation("expect_select_column_values_to_be_unique_within_record", {"column_list": ["i", "j"]}), [4]),
]


def _contract(*expectations: Expectation, columns: Any = _COLUMNS) -> Contract:
    return contract(columns, expectations)


def test_whatever_great_expectations_knows_is_judged_or_refused_with_why() -> None:
    """The catalogue does not import GX, so its list of names is held against GX's registry here."""
    with great._quiet():
        great._library()
        from great_expectations.expectations import expectation, registry  # noqa: PLC0415

        known = {
            name: registry.get_expectation_impl(name) for name in registry.list_registered_expectation_implementations()
        }
    assert set(known) == KWARGS.keys() | REFUSED.keys()
    maps = (expectation.ColumnMapExpectation, expectation.ColumnPairMapExpectation,
            expectation.MulticolumnMapExpectation)  # fmt: skip
    assert {name for name in ROW_LEVEL | BY_GX if not issubclass(known[name], maps)} == set()
    assert {name for name in TABLE_LEVEL if issubclass(known[name], maps)} == set()


def test_every_type_without_a_mask_is_tried_here() -> None:
    assert {expectation.type for expectation, _ in BROKEN} == BY_GX


@pytest.mark.parametrize("size", [2, 50_000])
@pytest.mark.parametrize(("expectation", "broken"), BROKEN, ids=[f"{n}-{e}" for n, (e, _) in enumerate(BROKEN)])
def test_it_names_the_rows_whatever_the_slices_are(
    expectation: Expectation, broken: list[int], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow, "SLICE_ROWS", size)
    judged = Suite().rows(_ROWS, _contract(expectation))
    assert judged.rejects["index"].to_pylist() == broken
    assert judged.report["agrees"]
    (entry,) = judged.report["expectations"]
    assert (entry["judged_by"], entry["unexpected_count"], entry["broken"]) == (
        "great_expectations", len(broken), len(broken)
    )  # fmt: skip


def test_a_reject_says_what_was_asked_and_of_what() -> None:
    rule, _ = BROKEN[5]
    reject = Suite().rows(_ROWS, _contract(rule)).rejects.to_pylist()[0]
    assert (reject["expectation"], reject["column"], reject["value"]) == (rule.type, "i", "4, 4")
    assert reject["detail"] == "i and j must sum to 10."


@pytest.mark.parametrize(("mostly", "failed"), [(0.5, False), (0.51, True)])
def test_a_share_is_of_the_rows_that_are_not_passed_over(mostly: float, failed: bool) -> None:  # noqa: FBT001
    rule, _ = BROKEN[5]  # breaks 2 of 5, of which one has a null
    rule = dataclasses.replace(
        rule, kwargs={**rule.kwargs, "sum_total": 9, "ignore_row_if": "any_value_is_missing", "mostly": mostly}
    )
    rows = pa.table({"i": [4, 4, None, 1, 2], "j": [5, 5, 1, 1, 1]})
    judged = Suite().rows(rows, _contract(rule, columns=_COLUMNS[2:4]))
    assert judged.valid.to_pylist() == [True] * 5
    assert judged.failed == ({str(rule): 2} if failed else {})
    assert judged.report["success"] is not failed


def test_report_page_and_log_say_that_it_was_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suites, "EVALUATED_ROWS", 3)
    fast = Expectation("expect_column_values_to_not_be_null", {"column": "s"})
    mine = _contract(fast, BROKEN[0][0])
    with capture_logs() as logs:
        report = Suite().rows(_ROWS, mine).report
    (said,) = [line for line in logs if "row by row" in line["event"]]
    assert (said["expectation"], said["rows"], said["failed_on"]) == (str(BROKEN[0][0]), 6, 0)
    entries = json.loads(json.dumps(report))["expectations"]
    # Beside a sample of three rows, it is of all six.
    assert [(entry["judged_by"], entry["element_count"]) for entry in entries] == [
        ("mask", 3),
        ("great_expectations", 6),
    ]
    page = Suite().page(report, mine, Batch("orders", 0, 1, ""))
    assert "gave every row its verdict by expect_column_values_to_be_dateutil_parseable(s), which is slow" in page


def _failing(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """GX fails as a whole on frames that hold a word, as it has on texts that nobody thought of."""
    whole = great.unexpected

    def unexpected(frame: Any, expectation: Expectation, dataset: str) -> great.Broken:
        if frame["s"].str.contains(word, na=False).any():
            return great.Broken([], 0, f"cannot judge {word}")
        return whole(frame, expectation, dataset)

    monkeypatch.setattr(great, "unexpected", unexpected)


def test_a_value_on_which_great_expectations_fails_breaks_its_row_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    _failing(monkeypatch, "poison")
    rows = pa.table({"s": ["1", "2", "poison", "{", "3", None]})
    with capture_logs() as logs:
        judged = Suite().rows(rows, _contract(BROKEN[1][0], columns=_COLUMNS[:1]))
    assert judged.rejects["index"].to_pylist() == [2, 3]
    assert logs[0]["failed_on"] == 1


@pytest.mark.parametrize("classification", [None, "pii"])
def test_an_expectation_that_fails_on_many_rows_is_an_error_of_the_contract(
    monkeypatch: pytest.MonkeyPatch, classification: str | None
) -> None:
    """It quotes GX, unless GX may have quoted a value of a classified column."""
    _failing(monkeypatch, "poison")
    of = dataclasses.replace(_COLUMNS[0], classification=classification)
    with pytest.raises(ContractError, match="cannot be computed") as error:
        Suite().rows(pa.table({"s": ["poison"] * 30}), _contract(BROKEN[1][0], columns=(of,)))
    assert ("cannot judge poison" in error.value.message) is (classification is None)


def test_no_rows_need_no_great_expectations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(great, "unexpected", None)
    judged = Suite().rows(_ROWS.slice(0, 0), _contract(BROKEN[0][0]))
    assert (len(judged.valid), judged.rejects.num_rows) == (0, 0)

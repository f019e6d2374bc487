"""Verdicts per row, shares, table-level expectations, and the report."""

from __future__ import annotations

import dataclasses
import decimal
import json
import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest

from ingest.decoding import decode
from ingest.errors import ContractError
from ingest.model.contract import Contract
from ingest.model.expectation import Expectation
from ingest.model.tables import REJECTS
from ingest.validate import Suite, great
from ingest.validate import suite as module
from tests.contracts import ORDERS, column, contract

_COLUMNS = (
    column("id", "string"),
    column("n", "integer"),
    column("m", "integer"),
    column("price", "decimal", precision=8, scale=2),
    column("tags", "array", items=column("element", "string")),
)
_NOT_NULL = "expect_column_values_to_not_be_null"
_BETWEEN = "expect_column_values_to_be_between"


def _expect(kind: str, *, derived: bool = False, **kwargs: Any) -> Expectation:
    return Expectation(kind, kwargs, derived)


def _contract(*expectations: Expectation) -> Contract:
    return contract(_COLUMNS, expectations)


def _rows(**columns: list[Any]) -> pa.Table:
    size = len(next(iter(columns.values())))
    kinds = {
        "id": pa.string(),
        "n": pa.int64(),
        "m": pa.int64(),
        "price": pa.decimal128(8, 2),
        "tags": pa.list_(pa.string()),
    }
    return pa.table({name: pa.array(columns.get(name, [None] * size), kind) for name, kind in kinds.items()})


def test_the_first_broken_expectation_rejects_a_row_and_says_how_many_more_are_broken() -> None:
    judged = Suite().rows(
        _rows(id=["a", None, "b", None], n=[1, 1, 900, 901]),
        _contract(
            _expect(_NOT_NULL, derived=True, column="id"),
            _expect(_BETWEEN, column="n", min_value=1, max_value=500.0),
            _expect("expect_column_values_to_not_be_in_set", column="n", value_set=[901]),
        ),
    )
    assert judged.valid.to_pylist() == [True, False, False, False]
    assert judged.rejects.schema == REJECTS
    required, expectation = ("required", _NOT_NULL, "id", None), ("expectation", _BETWEEN, "n", "900")
    found = [tuple(reject.values()) for reject in judged.rejects.to_pylist()]
    assert found == [
        (1, *required, "id must be there."),
        (2, *expectation, "n must be at least 1 and at most 500."),
        (3, *required, "id must be there; 2 further expectations are broken."),
    ]
    assert judged.failed == {}
    assert judged.report["agrees"]
    assert not judged.report["success"]


def test_a_not_null_that_the_suite_says_is_an_expectation_and_not_a_requirement() -> None:
    judged = Suite().rows(_rows(n=[None]), _contract(_expect(_NOT_NULL, column="n")))
    assert judged.rejects.column("reason").to_pylist() == ["expectation"]


@pytest.mark.parametrize(("mostly", "failed"), [(0.5, {}), (0.51, {f"{_BETWEEN}(n)": 2})])
def test_an_expectation_with_mostly_rejects_no_row_and_is_named_when_its_share_is_missed(
    mostly: float, failed: dict[str, int]
) -> None:
    rows = _rows(n=[1, 2, 900, 901, None])
    judged = Suite().rows(rows, _contract(_expect(_BETWEEN, column="n", max_value=500, mostly=mostly)))
    assert judged.valid.to_pylist() == [True] * 5
    assert judged.failed == failed
    assert judged.report["success"] is (not failed)
    (entry,) = judged.report["expectations"]
    assert (entry["unexpected_count"], entry["mask_unexpected"], entry["element_count"]) == (2, 2, 5)


def test_a_pair_names_both_values() -> None:
    pair = _expect("expect_column_pair_values_a_to_be_greater_than_b", column_A="n", column_B="m", or_equal=True)
    judged = Suite().rows(_rows(n=[1, 1, None], m=[1, 2, 3]), _contract(pair))
    rejects = judged.rejects.to_pylist()
    assert [(r["index"], r["column"], r["value"]) for r in rejects] == [(1, "n", "1, 2"), (2, "n", "null, 3")]
    assert rejects[0]["detail"] == "n must be at least m."


def test_outcomes_come_back_to_the_expectations_that_asked_whatever_order_gx_gives_them() -> None:
    rows = _rows(id=["a", None, "b", None], n=[1, 2, 3, 4], m=[9, 9, 9, None])
    kinds = [("n", 1), ("id", 2), ("m", 3), ("n", 3), ("m", 9)]
    asked = [
        _expect(_BETWEEN, column=name, max_value=high) if name != "id" else _expect(_NOT_NULL, column="id")
        for name, high in kinds
    ]
    report = Suite().rows(rows, _contract(*asked)).report
    assert [(e["column"], e["unexpected_count"]) for e in report["expectations"]] == [
        ("n", 3),
        ("id", 2),
        ("m", 3),
        ("n", 1),
        ("m", 0),
    ]
    assert report["agrees"]


def test_values_are_text_cut_at_200_characters() -> None:
    rows = _rows(id=["ü" * 300], price=[decimal.Decimal("-1.50")], tags=[["a"]])
    for kind, kwargs, value in (
        ("expect_column_value_lengths_to_equal", {"column": "id", "value": 1}, "ü" * 200),
        (_BETWEEN, {"column": "price", "min_value": 0}, "-1.50"),
        ("expect_column_values_to_be_null", {"column": "tags"}, "['a']"),
    ):
        judged = Suite().rows(rows, _contract(_expect(kind, **kwargs)))
        assert judged.rejects.column("value").to_pylist() == [value]
        assert judged.report["agrees"]


def test_the_report_is_plain_json_and_names_what_was_asked() -> None:
    judged = Suite().rows(
        _rows(id=["a", "b"], n=[2**53 + 1, None]),
        _contract(
            _expect(_BETWEEN, column="n", max_value=2**53),
            _expect("expect_column_values_to_be_in_set", column="id", value_set=["a"]),
        ),
    )
    report = json.loads(json.dumps(judged.report))
    assert (report["rows"], report["evaluated"], report["sampled"], report["agrees"]) == (2, 2, False, True)
    assert report["gx_version"] == great.version()
    assert [(e["type"], e["column"], e["unexpected_count"]) for e in report["expectations"]] == [
        (_BETWEEN, "n", 1),
        ("expect_column_values_to_be_in_set", "id", 1),
    ]
    assert report["expectations"][1]["kwargs"] == {"column": "id", "value_set": ["a"]}


def test_a_large_batch_is_masked_whole_and_reported_by_the_same_sample_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "EVALUATED_ROWS", 50)
    rows = _rows(n=list(range(400)))
    suite, few = Suite(), _contract(_expect(_BETWEEN, column="n", max_value=199))
    first, second = suite.rows(rows, few), suite.rows(rows, few)
    assert first.rejects.num_rows == 200
    assert first.report == second.report
    (entry,) = first.report["expectations"]
    assert (first.report["evaluated"], first.report["sampled"], entry["element_count"]) == (50, True, 50)
    assert first.report["agrees"]
    assert 0 < entry["unexpected_count"] < 50


def test_disagreement_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "unexpected", lambda *_: pa.array([True]))
    judged = Suite().rows(_rows(n=[1]), _contract(_expect(_BETWEEN, column="n", max_value=5)))
    assert judged.report["agrees"] is False


def test_what_great_expectations_cannot_compute_is_in_the_report_and_the_mask_decides() -> None:
    """In pandas this pattern goes to RE2, which refuses it."""
    rule = _expect("expect_column_values_to_match_regex", column="id", regex="^a{1001}$")
    judged = Suite().rows(_rows(id=["a" * 1001, "a"]), _contract(rule))
    assert judged.valid.to_pylist() == [True, False]
    (entry,) = judged.report["expectations"]
    assert "repetition" in entry["error"]
    assert judged.report["agrees"] is False


def test_no_rows_need_no_great_expectations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(great, "judge", None)
    rows = _rows(n=[])
    judged = Suite().rows(rows, _contract(_expect(_BETWEEN, column="n", max_value=5)))
    assert (len(judged.valid), judged.rejects.num_rows, judged.failed) == (0, 0, {})
    assert judged.report["evaluated"] == 0
    assert Suite().whole(_rows(n=[1]), _contract(_expect(_BETWEEN, column="n", max_value=5))) == {}
    count = _expect("expect_table_row_count_to_be_between", min_value=1)
    assert Suite().whole(rows, _contract(count)) == {"expect_table_row_count_to_be_between()": 0}


def test_table_level_expectations_are_judged_over_all_rows() -> None:
    rows = _rows(n=[1, 2, 3, None], price=[decimal.Decimal(p) for p in ("0.10", "0.20", "0.30", "0.40")])
    held = [
        _expect("expect_table_row_count_to_be_between", min_value=4, max_value=4),
        _expect("expect_column_unique_value_count_to_be_between", column="n", min_value=3, max_value=3),
        _expect("expect_column_mean_to_be_between", column="n", min_value=2, max_value=2),
        _expect("expect_column_sum_to_be_between", column="price", min_value=0.99, max_value=1.01),
        _expect("expect_column_min_to_be_between", column="price", min_value=0.1),
        _expect("expect_column_max_to_be_between", column="price", max_value=0.4),
    ]
    assert Suite().whole(rows, _contract(*held)) == {}
    broken = [dataclasses.replace(e, kwargs={**e.kwargs, "min_value": 50, "max_value": 60}) for e in held]
    assert Suite().whole(rows, _contract(*broken)) == {str(e): 0 for e in broken}
    assert Suite().rows(rows, _contract(*broken)).valid.to_pylist() == [True] * 4


@pytest.mark.parametrize(
    "expectation",
    [
        _expect("expect_column_values_to_be_nice", column="n"),
        _expect(_BETWEEN, column="absent", max_value=1),
        _expect(_BETWEEN, column="n", max_value="many"),
        _expect(_BETWEEN, column="n", max_value=1, colour="red"),
        _expect("expect_column_values_to_match_regex", column="id", regex="["),
    ],
    ids=str,
)
def test_an_expectation_that_cannot_judge_is_an_error_of_the_contract(expectation: Expectation) -> None:
    with pytest.raises(ContractError, match=r"schemas/orders/suite\.json") as caught:
        Suite().rows(_rows(id=["a"], n=[1]), _contract(expectation))
    assert caught.value.remedy


def test_an_expectation_that_great_expectations_drops_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    gx = great._library()
    kept = gx.Suite
    monkeypatch.setattr(gx, "Suite", lambda name, expectations: kept(name=name, expectations=expectations[:-1]))
    two = (_expect(_NOT_NULL, column="id"), _expect(_NOT_NULL, column="n"), _expect(_BETWEEN, column="n", max_value=1))
    with pytest.raises(ContractError, match=f"dropped {_BETWEEN}"):
        Suite().rows(_rows(id=["a"], n=[1]), _contract(*two))


def test_great_expectations_comes_late_says_nothing_and_warns_of_nothing() -> None:
    """In a fresh process with warnings as errors: no import before the first row, no output, no log line."""
    program = """
import logging, sys
import pyarrow as pa
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
from ingest.validate import Suite
from tests.contracts import column, contract
from ingest.model.expectation import Expectation
assert "great_expectations" not in sys.modules
rule = Expectation("expect_column_values_to_not_be_null", {"column": "n"})
orders = contract((column("n", "integer"),), (rule,))
Suite().whole(pa.table({"n": [1]}), orders)
assert "great_expectations" not in sys.modules
assert Suite().rows(pa.table({"n": [1]}), orders).report["agrees"]
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_decoded_orders_are_judged() -> None:
    body = b'{"order_id":"o-00000001","customer_id":"c-000001","status":"lost","occurred_at":"2026-11-21T10:00:00Z",'
    body += b'"currency":"EUR","total":12.5,"item_count":2,"promised_on":"2026-11-23"}'
    nothing = dict.fromkeys(("content_type", "content_encoding", "headers"), pa.nulls(1, pa.string()))
    raw = pa.table({"body": [body], **nothing})
    judged = Suite().rows(decode(raw, ORDERS).rows, ORDERS)
    (reject,) = judged.rejects.to_pylist()
    assert (reject["expectation"], reject["column"], reject["value"]) == (
        "expect_column_values_to_be_in_set",
        "status",
        "lost",
    )

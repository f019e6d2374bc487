"""The masks say of every row what Great Expectations says of it."""

from __future__ import annotations

import datetime as dt
import decimal
import warnings
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ingest.model.expectation import Expectation
from ingest.model.supported import ROW_LEVEL
from ingest.validate import great
from ingest.validate.frame import to_frame
from ingest.validate.mask import unexpected
from ingest.validate.suite import _for_gx

_NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # a failure names its rows, and GX is slow
_TEXTS = st.text(st.sampled_from("ab-0 9٣é\n\0K\u017f😀"), max_size=4)
_INTS = st.integers(-4, 4) | st.sampled_from([2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), -(2**53) - 1])
_CENTS = st.integers(-500, 500) | st.sampled_from([9999999999999999, 9007199254740993])
_COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "i": (pa.int64(), _INTS),
    "i2": (pa.int64(), st.integers(-4, 4)),
    "f": (pa.float64(), st.integers(-8, 8).map(lambda n: n / 4) | st.just(0.1)),
    "d": (pa.decimal128(18, 2), _CENTS.map(lambda cents: decimal.Decimal(cents).scaleb(-2))),
    "d2": (pa.decimal128(12, 1), st.integers(-50, 50).map(lambda tenths: decimal.Decimal(tenths).scaleb(-1))),
    "s": (pa.string(), _TEXTS),
    "s2": (pa.string(), _TEXTS),
    "b": (pa.bool_(), st.booleans()),
    "b2": (pa.bool_(), st.booleans()),
    "t": (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(dt.UTC))),
    "t2": (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(dt.UTC))),
    "y": (pa.date32(), st.dates()),
    "y2": (pa.date32(), st.dates()),
    "l": (pa.list_(pa.int64()), st.lists(st.integers(0, 2), max_size=2)),
}
_PAIRS = [("i2", "i2"), ("i2", "d2"), ("d2", "f"), ("i2", "f"), ("s", "s2"), ("t", "t2"), ("y", "y2"), ("i", "i2")]
_NUMBERS = st.integers(-4, 4) | st.sampled_from(
    [0.1, 0.25, -1.5, 1.1, 99.99, 2**53, 2.0**53, 2.0**63, -(2.0**63), 1e30]
)
_PATTERNS = st.sampled_from(
    [
        r"^a",
        r"b$",
        r"^[ab]+$",
        r"\d",
        r"\w",
        r"\s",
        r"\bb",
        r"(?i)k",
        r"(?i)S",
        r".",
        r"^$",
        r"[[:a]",
        r"a|9$",
        r"[^a]",
        r"\Z",
        r"\u00e9",
        r"(a)\1",
        r"^(?!a)",
        r"é",
    ]
)


@st.composite
def _tables(draw: st.DrawFn) -> pa.Table:
    size = draw(st.integers(1, 6))
    columns = {}
    for name, (kind, values) in _COLUMNS.items():
        nulls = draw(st.booleans())
        column = draw(st.lists(st.none() | values if nulls else values, min_size=size, max_size=size))
        columns[name] = pa.array(column, kind)
    return pa.table(columns)


@st.composite
def _bounds(draw: st.DrawFn, numbers: st.SearchStrategy[Any]) -> dict[str, Any]:
    low, high = sorted([draw(numbers), draw(numbers)])
    given = draw(st.sampled_from([{"min_value": low}, {"max_value": high}, {"min_value": low, "max_value": high}]))
    strict = draw(st.fixed_dictionaries({}, optional={"strict_min": st.booleans(), "strict_max": st.booleans()}))
    return {**given, **strict}


@st.composite
def _expectations(draw: st.DrawFn) -> list[Expectation]:
    numeric = st.sampled_from(["i", "i2", "f", "d", "d2"])
    text, lengths = st.sampled_from(["s", "s2"]), st.integers(0, 4)
    left, right = draw(st.sampled_from(_PAIRS))
    ignore = draw(
        st.sampled_from([{}, *({"ignore_row_if": f"{w}_missing"} for w in ("both_values_are", "either_value_is"))])
    )
    pair = {"column_A": left, "column_B": right, **ignore}
    lists = st.lists(_PATTERNS, min_size=1, max_size=3)
    sets = st.lists(_NUMBERS, min_size=1, max_size=3)
    value_set = draw(
        st.sampled_from(
            [
                ("s", st.lists(_TEXTS, min_size=1, max_size=3)),
                ("b", st.just([True])),
                *((n, sets) for n in ("i", "i2", "f", "d", "d2")),
            ]
        )
    )
    column, members = value_set[0], draw(value_set[1])
    equal_pair = {**pair, **draw(st.sampled_from([{}, {"column_A": "b", "column_B": "b2"}]))}
    found = {
        "expect_column_values_to_not_be_null": {"column": draw(st.sampled_from(list(_COLUMNS)))},
        "expect_column_values_to_be_null": {"column": draw(st.sampled_from(list(_COLUMNS)))},
        "expect_column_values_to_be_between": {"column": draw(numeric), **draw(_bounds(_NUMBERS))},
        "expect_column_values_to_be_in_set": {"column": column, "value_set": members},
        "expect_column_values_to_not_be_in_set": {"column": column, "value_set": members},
        "expect_column_values_to_match_regex": {"column": draw(text), "regex": draw(_PATTERNS)},
        "expect_column_values_to_not_match_regex": {"column": draw(text), "regex": draw(_PATTERNS)},
        "expect_column_values_to_match_regex_list": {
            "column": draw(text),
            "regex_list": draw(lists),
            **draw(st.sampled_from([{}, {"match_on": "any"}, {"match_on": "all"}])),
        },
        "expect_column_values_to_not_match_regex_list": {"column": draw(text), "regex_list": draw(lists)},
        "expect_column_value_lengths_to_be_between": {"column": draw(text), **draw(_bounds(lengths))},
        "expect_column_value_lengths_to_equal": {"column": draw(text), "value": draw(lengths)},
        "expect_column_pair_values_a_to_be_greater_than_b": {**pair, "or_equal": draw(st.booleans())},
        "expect_column_pair_values_to_be_equal": equal_pair,
    }
    assert set(found) == ROW_LEVEL, "every supported expectation is held against GX"
    return [Expectation(kind, kwargs) for kind, kwargs in found.items()]


@given(_tables(), _expectations())
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), phases=_NO_SHRINKING)
def test_a_mask_names_the_rows_that_great_expectations_names(rows: pa.Table, expectations: list[Expectation]) -> None:
    for expectation, found in zip(expectations, _gx_rows(rows, expectations), strict=True):
        mask = unexpected(expectation, rows)
        assert mask.null_count == 0
        mine = [row for row, broken in enumerate(mask.to_pylist()) if broken]
        assert mine == found, (expectation, rows.select(list(dict.fromkeys(expectation.columns))).to_pylist())


def _gx_rows(rows: pa.Table, expectations: list[Expectation]) -> list[list[int]]:
    """The rows that GX itself finds unexpected, for each expectation."""
    frame = to_frame(rows, rows.column_names)
    with great._quiet():
        gx = great._library()
        loaded = [great._load(gx, _for_gx(e, rows, frame), at, "orders") for at, e in enumerate(expectations)]
        suite = gx.Suite(name="orders", expectations=loaded)
        batch = gx.batches().get_batch({"dataframe": frame})
        results = {
            r.expectation_config.meta["place"]: r for r in batch.validate(suite, result_format="COMPLETE").results
        }
    ordered = [results[at] for at in range(len(expectations))]
    assert [result.result.get("unexpected_index_list") for result in ordered].count(None) == 0, [
        result.exception_info for result in ordered if "unexpected_index_list" not in result.result
    ]
    return [sorted(result.result["unexpected_index_list"]) for result in ordered]


def _broken(values: list[Any], kind: pa.DataType, expectation: str, **kwargs: Any) -> list[bool]:
    rows = pa.table({"c": pa.array(values, kind)})
    found: list[bool] = unexpected(Expectation(expectation, {"column": "c", **kwargs}), rows).to_pylist()
    return found


def test_an_integer_beyond_the_doubles_is_compared_as_it_is() -> None:
    values = [2**53, 2**53 + 1, None, 2**63 - 1, -(2**63)]
    between = "expect_column_values_to_be_between"
    assert _broken(values, pa.int64(), between, max_value=2**53) == [False, True, False, True, False]
    assert _broken(values, pa.int64(), between, min_value=-(2.0**63), max_value=2.0**63) == [False] * 5
    assert _broken(values, pa.int64(), between, min_value=1e30) == [True, True, False, True, True]


@pytest.mark.parametrize("bound", [99.99, 0.1, 0.07])
def test_a_bound_means_the_decimal_that_is_written_and_not_the_double_beside_it(bound: float) -> None:
    value = decimal.Decimal(str(bound))
    for strict in (False, True):
        kwargs = {"min_value": bound, "max_value": bound, "strict_min": strict, "strict_max": strict}
        found = _broken([value], pa.decimal128(38, 2), "expect_column_values_to_be_between", **kwargs)
        assert found == [strict]


def test_a_pattern_is_read_as_python_reads_it() -> None:
    """RE2 alone would say no to the first, and no to the second."""
    match = "expect_column_values_to_match_regex"
    assert _broken(["o-1\n", "o-1", "o-1x"], pa.string(), match, regex=r"^o-[0-9]$") == [False, False, True]
    assert _broken(["٣", "3", "x"], pa.string(), match, regex=r"^\d$") == [False, False, True]


@pytest.mark.parametrize(
    ("pattern", "values", "broken"),
    [
        (r"a{1001}", ["a" * 1001, "a"], [False, True]),
        (r"^a{,2}b", ["b", "aab", "a{,2}b"], [False, False, True]),
        (r"\B", ["", "ab"], [True, False]),
    ],
)
def test_where_pandas_reads_a_pattern_as_re2_the_mask_still_reads_it_as_python(
    pattern: str, values: list[str], broken: list[bool]
) -> None:
    """RE2 refuses the first, takes the second's braces for text, and finds the third in the empty text."""
    assert _broken(values, pa.string(), "expect_column_values_to_match_regex", regex=pattern) == broken


def test_a_pattern_that_is_no_pattern_is_an_error_of_python() -> None:
    with warnings.catch_warnings(), pytest.raises(Exception, match="unterminated"):
        _broken(["a"], pa.string(), "expect_column_values_to_match_regex", regex="[")

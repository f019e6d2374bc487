"""The usual form proves what it says of a body, and a finding that is sure is one that Arrow's reader shares."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from ingest.decode.bulk import Reader
from ingest.decode.diagnose import diagnose
from ingest.decode.hint import Guess, guess
from ingest.decode.lines import number
from ingest.decode.usual import usual
from tests.contracts import column, contract
from tests.decode.bodies import NASTY, SMALL, bodies

_FULL = {
    "Id": 1,
    "share": 0.5,
    "price": 9.95,
    "label": 'ü \\ " \u0007 😀',
    "paid": True,
    "at": "2026-11-21T10:00:00Z",
    "day": "2026-11-21",
    "hour": "10:00",
    "place": {"City": "Köln", "since": None},
    "lines": [{"Amount": 1.5, "days": ["2026-11-21"]}, None, {}],
}
_LITERALS = (
    *("0", "-0", "1.0", "1e2", "9" * 19, "9" * 38, "9" * 39, "2e308", "1e999", "1e-400", "0e50", "0E-60", "1e-39"),
    *("0." + "1" * 39, "NaN", "-Infinity", "Inf", "nan", "01", "1.", ".5", "+1", "0x1F", "1e+", "null", "true", "True"),
    *(
        '""',
        '"1"',
        '"\\ud800"',
        '"\\x"',
        '"a\tb"',
        "'a'",
        "[1,]",
        "{,}",
        "/**/1",
        "1\0",
        "\ufeff1",
        "1\u00a0",
        "[]",
        "{}",
    ),
)
_KEYS = ("Id", "share", "price", "label", "paid", "at", "place", "lines", "other", "I\\u0064")


def _matches(sample: bytes, body: bytes) -> bool:
    return bool(usual(pa.array([sample, body], pa.binary()), SMALL.columns)[1])


def _written(value: Any, **how: Any) -> bytes:
    return json.dumps(value, **how).encode()


@pytest.mark.parametrize(
    "body",
    [
        _FULL,
        {"Id": 2},
        {"Id": None, "label": "", "lines": None},
        {"Id": -(10**18) + 1, "share": -1e-9, "place": {}, "lines": []},
        {"Id": 3, "place": {"City": "\\u0041"}, "lines": [{"Amount": 2, "days": [None]}]},
    ],
)
@pytest.mark.parametrize("how", [{}, {"indent": 2}, {"ensure_ascii": False}, {"separators": (",", ":")}])
def test_what_the_same_serialiser_writes_has_the_usual_form(body: dict[str, Any], how: dict[str, Any]) -> None:
    assert _matches(_written(_FULL), _written(body, **how))


def test_the_order_of_fields_is_the_producers() -> None:
    backwards = dict(reversed(_FULL.items()))
    assert _matches(_written(backwards), _written(backwards))
    assert not _matches(_written(_FULL), _written(backwards))


def test_a_body_of_the_usual_form_is_an_object_with_the_contracts_fields_each_once() -> None:
    """Every body that differs from a good one in one place by one character, and some that differ by more."""
    body = _written(_FULL)
    marks = [b"", *(mark.encode() for mark in '{}[]",:\\ 0e.-+\n\0')]
    damaged = [body[:at] + mark + body[at + cut :] for at in range(len(body)) for mark in marks for cut in range(3)]
    given = [body, *damaged, *NASTY]
    matching = [
        one for one, found in zip(given, usual(pa.array(given, pa.binary()), SMALL.columns), strict=True) if found
    ]
    assert 500 < len(matching) < len(damaged)
    assert (guess(matching, SMALL.columns) == Guess.GOOD).all()
    for one in matching:
        json.loads(one, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@pytest.mark.parametrize("field", ["a b", "ä/b", "(.*)", "[a-z]{2}$", "x" * 200])
def test_a_fields_name_is_no_expression(field: str) -> None:
    odd = contract((column("a", "string", field=field), column("b", "object", children=()))).columns
    found = usual(pa.array([_written({field: "x"}, ensure_ascii=False), b'{"z":"x"}'], pa.binary()), odd)
    assert found.tolist() == [True, False]


def test_a_chunk_without_a_good_body_and_a_contract_of_thousands_of_columns_have_no_usual_form() -> None:
    wide = contract(tuple(column(f"c{at}", "integer") for at in range(5000))).columns
    assert not usual(pa.array(NASTY[:5], pa.binary()), SMALL.columns).any()
    assert not usual(pa.array([b'{"c1":1}'], pa.binary()), wide).any()


@pytest.mark.parametrize("key", _KEYS)
def test_what_is_surely_wrong_arrow_refuses(key: str) -> None:
    for literal in _LITERALS:
        _arrow_refuses_what_is_sure(f'{{"{key}":{literal}}}')


@given(bodies)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_surely_wrong_with_any_body_arrow_refuses(body: bytes) -> None:
    text = body.decode(errors="replace")
    if text.startswith("{"):
        _arrow_refuses_what_is_sure(text)


def _arrow_refuses_what_is_sure(text: str) -> None:
    found = diagnose(text, SMALL.columns)
    if found is not None and found.sure:
        reader, numbers = Reader(SMALL.columns, "0123456789abcdef"), np.array([7], np.int32)
        assert not reader.parses(number(pa.array([text]), numbers, reader.key), numbers), text

"""A value is found however it is written, and not inside of a longer word."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from ingest.lake.needle import Needle

HOSTILE = 'O\'Brien "Bö" 100%_\\x 🍺 $(rm) [a-z]*'


def needle(value: str) -> Needle:
    return Needle(value, "customer_id", "customerId", is_integer=False, others=["k1:abcdef"])


@pytest.mark.parametrize("value", ["c-000001", HOSTILE, "ß", "a"])
def test_text_is_found_as_it_is_and_as_json_writes_it(value: str) -> None:
    for ascii_only in (True, False):
        assert needle(value).is_in(json.dumps({"x": [value]}, ensure_ascii=ascii_only).encode())
    assert needle(value).is_in(f"<x>{value}</x>".encode())


def test_text_is_found_with_every_character_escaped() -> None:
    value = "c-1/🍺"
    escaped = "".join(f"\\u{unit:04X}" for unit in memoryview(value.encode("utf-16-le")).cast("H"))
    assert needle(value).is_in(f'{{"a": "{escaped}"}}'.encode())
    assert needle(value).is_in('{"a": "c-1\\/🍺"}'.encode())


def test_a_part_of_a_longer_word_is_somebody_else() -> None:
    assert not needle("c-000001").is_in(b'"c-0000012", "xc-000001"')
    assert needle("c-000001").is_in(b"order-c-000001-7")


def test_what_stands_for_the_value_is_found_too() -> None:
    assert needle("c-000001").is_in(b'"k1:abcdef"')


def test_an_integer_is_found_under_its_name_and_in_its_column() -> None:
    number = Needle("17", "customer", "customerId", is_integer=True)
    assert number.is_in(b'{"customerId" : 17}')
    assert number.is_in(b'{"customerId":"17"}')
    assert not number.is_in(b'{"quantity": 17, "customerId": 170, "total": 17.5}')
    assert number.is_among("customer", pa.array([1, 17]))
    assert not number.is_among("quantity", pa.array([1, 17]))


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["no", None, "c-000001"]),
        pa.array(["c-000001"], pa.large_string()),
        pa.array(["c-000001"], pa.string_view()),
        pa.array([b"c-000001"], pa.binary()),
        pa.array([b"c-000001"], pa.binary_view()),
        pa.array([b"c-000001"], pa.binary(8)),
        pa.array(["c-000001"]).dictionary_encode(),
        pa.array([[{"a": [None, "c-000001"]}]]),
        pa.array([[("k", "c-000001")]], pa.map_(pa.string(), pa.string())),
        pa.array([["c-000001"]], pa.large_list(pa.string())),
    ],
    ids=lambda values: str(values.type),
)
def test_every_kind_of_column_is_searched(values: pa.Array) -> None:
    assert needle("c-000001").is_among("x", values)
    assert not needle("c-000002").is_among("x", values)


def test_the_value_is_not_in_its_repr() -> None:
    assert "c-000001" not in repr(needle("c-000001"))

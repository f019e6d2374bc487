"""What each kind of body becomes: its values, or its reason with column, value and a sentence."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import time
from typing import Any

import pyarrow as pa
import pytest

from ingest.decode import decode
from ingest.model.tables import decoded_schema
from tests.contracts import ORDERS, column, contract
from tests.decode.bodies import SMALL, raw


def _one(body: bytes, content_type: str | None = "application/json") -> Any:
    decoded = decode(raw([body], content_type), SMALL)
    return decoded.rejects.to_pylist()[0] if decoded.rejects.num_rows else decoded.rows.to_pylist()[0]


_REJECTED: list[tuple[bytes, str, str | None, str | None]] = [
    (b"", "empty", None, None),
    (b" \r\n", "empty", None, None),
    (b'{"label":"\xff"}', "encoding", None, None),
    (b'{"other":"\xff"}', "encoding", None, None),
    (b"\xef\xbb\xbf{}", "malformed", None, None),
    (b"}{", "malformed", None, None),
    (b"[]", "malformed", None, None),
    (b'{"Id":1}{"Id":2}', "malformed", None, None),
    (b'{"Id":1}\n{"Id":2}', "malformed", None, None),
    (b'{"Id":1}null', "malformed", None, None),
    (b'{"Id":1}\0', "malformed", None, None),
    (b'{"label":"a\nb"}', "malformed", None, None),
    (b'{"label":"\\ud800"}', "malformed", None, None),
    (b'{"Id":1,"Id":2}', "malformed", "id", None),
    (b'{"place":{"City":"a","City":"b"}}', "malformed", "place.city", None),
    (b'{"share":NaN}', "malformed", "share", "NaN"),
    (b'{"Id":NaN}', "malformed", "id", "NaN"),
    (b'{"other":1e999}', "malformed", None, None),
    (b'{"other":NaN}', "malformed", None, None),
    (b'{"other":[1, -Infinity]}', "malformed", None, None),
    (b'{"other":{"deep":Infinity},"label":"x"}', "malformed", None, None),
    (b'{"share":1e999}', "wrong_type", "share", "1e999"),
    (b'{"Id":1.0}', "wrong_type", "id", "1.0"),
    (b'{"Id":9223372036854775808}', "wrong_type", "id", "9223372036854775808"),
    (b'{"Id":"1"}', "wrong_type", "id", "1"),
    (b'{"Id":true}', "wrong_type", "id", "true"),
    (b'{"price":"1.5"}', "wrong_type", "price", "1.5"),
    (b'{"pr\\u0069ce":"1.5"}', "wrong_type", "price", "1.5"),
    (b'{"price":1.005}', "wrong_type", "price", "1.005"),
    (b'{"price":10000}', "wrong_type", "price", "10000"),
    (b'{"price":' + b"9" * 38 + b"}", "wrong_type", "price", "9" * 38),
    (b'{"price":' + b"9" * 39 + b"}", "wrong_type", "price", "9" * 39),
    (b'{"label":[1,2]}', "wrong_type", "label", "[1,2]"),
    (b'{"at":"2026-11-21T10:00:00"}', "wrong_type", "at", "2026-11-21T10:00:00"),
    (b'{"day":"2026-02-30"}', "wrong_type", "day", "2026-02-30"),
    (b'{"hour":"25:00"}', "wrong_type", "hour", "25:00"),
    (b'{"hour":7}', "wrong_type", "hour", "7"),
    (b'{"place":"Bonn"}', "wrong_type", "place", "Bonn"),
    (b'{"place":{"since":"now"}}', "wrong_type", "place.since", "now"),
    (b'{"lines":[null,{"days":[null,"x"]}]}', "wrong_type", "lines[].days[]", "x"),
    (b'{"lines":[{"Amount":0.25}]}', "wrong_type", "lines[].amount", "0.25"),
    (b'{"lines":[{"Amount":"1"}]}', "wrong_type", "lines[].amount", "1"),
    (b'{"Id":' + b"9" * 5000 + b"}", "wrong_type", "id", "9" * 200),
    (b'{"label":"\\ud83d\\ude00","Id":"' + "ü".encode() * 300 + b'"}', "wrong_type", "id", "ü" * 200),
]


@pytest.mark.parametrize(("body", "reason", "path", "value"), _REJECTED, ids=lambda part: repr(part)[:40])
def test_a_rejected_body_has_reason_column_value_and_one_sentence(
    body: bytes, reason: str, path: str | None, value: str | None
) -> None:
    found = _one(body)
    assert (found["reason"], found["column"], found["value"]) == (reason, path, value)
    assert found["expectation"] is None
    assert found["detail"].endswith(".")


_ACCEPTED: list[tuple[bytes, dict[str, Any]]] = [  # with what no column takes under `_rescued`
    (b"{}", {}),
    (b" {\n} ", {}),
    (b'{\n "Id" : 1,\r\n\t"label":"x"\n}\n', {"id": 1, "label": "x"}),
    (b'{"I\\u0064":1}', {"id": 1}),
    (b'{"Id":null,"place":null,"lines":null}', {}),
    (b'{"Id":-9223372036854775808}', {"id": -(2**63)}),
    (
        b'{"other":1,"other":{"Id":"x"},"0123456789abcdef":5}',
        {"_rescued": '{"other":1,"other":{"Id":"x"},"0123456789abcdef":5}'},
    ),
    (b'{"other":"[NaN, Infinity]"}', {"_rescued": '{"other":"[NaN, Infinity]"}'}),
    (b'{"other":"\\" ,NaN","label":"x"}', {"label": "x", "_rescued": '{"other":"\\" ,NaN"}'}),
    (
        b'{"Id":1, "n" : 1.50 ,"e":-1E+400000}'.replace(b"-1E+400000", b"1e0"),
        {"id": 1, "_rescued": '{"n":1.50,"e":1e0}'},
    ),
    (b'{"gone":null}', {"_rescued": '{"gone":null}'}),
    (b'{"id":5,"\\u0049d":1}', {"id": 1, "_rescued": '{"id":5}'}),
    (
        b'{"place":{"City":"a","geo":[{"x":1}, {} ]},"z":" } "}',
        {"place": {"city": "a", "since": None}, "_rescued": '{"place":{"geo":[{"x":1}, {} ]},"z":" } "}'},
    ),
    (
        b'{"lines":[{"Amount":1},{"Amount":2,"hue":"red"},{}]}',
        {
            "lines": [
                {"amount": decimal.Decimal(1), "days": None},
                {"amount": decimal.Decimal(2), "days": None},
                {"amount": None, "days": None},
            ],
            "_rescued": '{"lines":[null,{"hue":"red"}]}',
        },
    ),
    (b'{"label":"a\\u0000\\nb \\ud83d\\ude00"}', {"label": "a\0\nb 😀"}),
    (b'{"price":1.5000000000000000000000000000}', {"price": decimal.Decimal("1.50")}),
    (b'{"price":-1e2}', {"price": decimal.Decimal("-100.00")}),
    (b'{"at":"2026-11-21T12:00:00.1234567+02:00"}', {"at": dt.datetime(2026, 11, 21, 10, 0, 0, 123456, dt.UTC)}),
    (
        b'{"lines":[null,{"days":["0001-01-01",null]}]}',
        {"lines": [None, {"amount": None, "days": [dt.date(1, 1, 1), None]}]},
    ),
    (b'{"hour":"07:30"}', {"hour": "07:30:00.000000"}),
    (b'{"hour":"07:30:15.1234567"}', {"hour": "07:30:15.123456"}),
    (b'{"place":{"City":"K\xc3\xb6ln"}}', {"place": {"city": "Köln", "since": None}}),
]


@pytest.mark.parametrize(("body", "values"), _ACCEPTED, ids=lambda part: repr(part)[:40])
def test_an_accepted_body_has_its_values_and_null_elsewhere(body: bytes, values: dict[str, Any]) -> None:
    assert _one(body) == {name: values.get(name) for name in decoded_schema(SMALL).names}


@pytest.mark.parametrize("depth", [100, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_in_an_unknown_field_is_kept_and_in_a_known_one_is_a_wrong_type(
    depth: int, opening: bytes, closing: bytes
) -> None:
    nested = opening * depth + b"1" + closing * depth
    kept = _one(b'{"Id":1,"other":' + nested + b"}")
    assert (kept["id"], kept["_rescued"]) == (1, f'{{"other":{nested.decode()}}}')
    wrong = _one(b'{"Id":' + nested + b"}")
    assert (wrong["reason"], wrong["column"]) == ("wrong_type", "id")
    assert _one(b'{"Id":1,"other":' + nested)["reason"] == "malformed"


def test_a_long_text_and_a_body_larger_than_a_chunk_are_read_whole() -> None:
    note = "ü" * 500_000
    bodies = [json.dumps({"Id": i, "label": note if i == 1 else "x"}).encode() for i in range(3)]
    bodies.append(b'{"Id":3,"label":"' + b"y" * 50_000_000 + b'"}')
    decoded = decode(raw(bodies), SMALL)
    assert decoded.rows.column("id").to_pylist() == [0, 1, 2, 3]
    assert decoded.rows.column("label")[1].as_py() == note
    assert len(decoded.rows.column("label")[3].as_py()) == 50_000_000


def test_no_rows_are_no_rows() -> None:
    decoded = decode(raw([]), SMALL)
    assert (decoded.rows.num_rows, len(decoded.index), decoded.rejects.num_rows) == (0, 0, 0)


@pytest.mark.parametrize(
    ("content_type", "encoding", "readable"),
    [
        (None, None, True),
        ("", "", True),
        ("application/json", "identity", True),
        ('Application/JSON; Charset="UTF-8"', "utf-8", True),
        ("text/json;charset=utf8", "UTF8", True),
        ("application/vnd.shop.order+json; v=2", None, True),
        ("application/octet-stream", None, True),
        ("application/json; charset=utf-16", None, False),
        ("application/json", "gzip", False),
        ("application/xml", None, False),
        ("image/svg+json", None, False),
        ("text/plain", None, False),
        ("nonsense", None, False),
    ],
)
def test_only_json_in_utf8_has_a_reader(content_type: str | None, encoding: str | None, readable: bool) -> None:  # noqa: FBT001 - a parameter
    rows = raw([b'{"Id":1}', b'{"Id":2}'])
    rows = rows.set_column(1, "content_type", pa.array([content_type, "application/json"], pa.string()))
    rows = rows.set_column(2, "content_encoding", pa.array([encoding, None], pa.string()))
    decoded = decode(rows, SMALL)
    assert decoded.index.to_pylist() == ([0, 1] if readable else [1])
    assert decoded.rejects.column("reason").to_pylist() == ([] if readable else ["undecodable"])


def test_decimals_in_arrays_and_under_odd_names_must_be_numbers_too() -> None:
    odd = contract((column("a", "decimal", field="ä/b", precision=5, scale=1),))
    listed = contract((column("p", "array", items=column("element", "decimal", precision=5, scale=1)),))
    assert decode(raw([b'{"\xc3\xa4\\/b":"1"}', b'{"\xc3\xa4/b":1}']), odd).index.to_pylist() == [1]
    assert decode(raw([b'{"p":[1,"1"]}', b'{"p":[1]}']), listed).index.to_pylist() == [1]


def test_a_batch_of_only_bad_rows_takes_time_in_proportion() -> None:
    """Twice the rows may not take four times as long: nothing is read again and again."""
    kinds = [b'{"Id":1,"Id":2}', b'{"Id":"x"}', b'{"Id":1}{"Id":2}', b'{"Id":1', b'{"Id":1}null']

    def seconds(rows: int) -> float:
        batch = raw([kinds[i % len(kinds)] for i in range(rows)])
        started = time.process_time()
        assert decode(batch, SMALL).rejects.num_rows == rows
        return time.process_time() - started

    seconds(50)
    assert seconds(4000) < 8 * seconds(1000)


def test_a_clean_batch_never_looks_at_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Any:
        raise AssertionError("a clean batch was read row by row")

    for name in (
        "ingest.decode.bulk.guess",
        "ingest.decode.bulk.diagnose",
        "ingest.decode.bulk.Reader.parses",
    ):
        monkeypatch.setattr(name, never)
    body = json.dumps({"order_id": "o-00000001", "total": 1.5, "items": [{"unit_price": 2}]}, indent=2).encode()
    assert decode(raw([body] * 1000), ORDERS).rows.num_rows == 1000

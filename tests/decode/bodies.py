"""Bodies for the decode tests: a small contract, bodies of it, and many that are not."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from ingest.model.contract import Contract
from tests.contracts import column, contract

__all__ = ["NASTY", "SMALL", "bodies", "raw"]

SMALL: Contract = contract(
    (
        column("id", "integer", field="Id"),
        column("share", "number"),
        column("price", "decimal", precision=6, scale=2),
        column("label", "string"),
        column("paid", "boolean"),
        column("at", "timestamp"),
        column("day", "date"),
        column("hour", "time"),
        column("place", "object", children=(column("city", "string", field="City"), column("since", "timestamp"))),
        column(
            "lines",
            "array",
            items=column(
                "element",
                "object",
                children=(
                    column("amount", "decimal", field="Amount", precision=5, scale=1),
                    column("days", "array", items=column("element", "date")),
                ),
            ),
        ),
    )
)
"""Every type, nested ones, and names that differ from the payload's."""

NASTY: tuple[bytes, ...] = (
    b"",
    b" \r\n\t ",
    b"}{",
    b"{",
    b"}",
    b"{}",
    b"{ }",
    b" { \n } ",
    b"{}{}",
    b"{}\n{}",
    b'{"Id":1}{"Id":2}',
    b'{"Id":1}\n{"Id":2}\n',
    b'{"Id":1}null',
    b'{"Id":1},',
    b'{"Id":1}]',
    b'{"Id":1}}',
    b'{{"Id":1}}',
    b'{"Id":1,}',
    b'{,"Id":1}',
    b'{"Id":1} // no',
    b'{"Id":1}\0',
    b'{"Id":1}\0{"Id":',
    b'{"Id":1}\x0b',
    b'{"label":"a\0b"}',
    b'{"label":"a\\u0000b"}',
    b'{"label":"a\nb"}',
    b'{"label":"a\\nb"}',
    b'{\n  "Id": 1,\n  "label": "pretty"\n}\n',
    b"[",
    b"[1]",
    b"null",
    b"1",
    b'"text"',
    b'{"Id":1',
    b'{"Id":1,',
    b'{"Id":',
    b'{"place":',
    b'{"place":{',
    b'{"place":{"City":"a"}',
    b'{"lines":[',
    b'{"Id":2}]}',
    b'{"Id":2},',
    b'{"label":"open',
    b'{"label":"',
    b'"}',
    b'","Id":7}',
    b'{"Id":1,"Id":2}',
    b'{"Id":1,"\\u0049d":2}',
    b'{"place":{"City":"a","City":"b"}}',
    b'{"other":1,"other":2}',
    b'{"0123456789abcdef":5}',
    b'{"Id":NaN}',
    b'{"share":NaN}',
    b'{"share":-Infinity}',
    b'{"price":NaN}',
    b'{"other":NaN}',
    b'{"other":1e999}',
    b'{"share":1e999}',
    b'{"Id":1.0}',
    b'{"Id":1e2}',
    b'{"Id":9223372036854775807}',
    b'{"Id":9223372036854775808}',
    b'{"Id":' + b"9" * 5000 + b"}",
    b'{"Id":"1"}',
    b'{"price":"1.5"}',
    b'{"pric\\u0065":"1.5"}',
    b'{"lines":[{"Amount":"1"}]}',
    b'{"price":1.5000}',
    b'{"price":1.005}',
    b'{"price":9999.99}',
    b'{"price":10000}',
    b'{"price":' + b"9" * 38 + b"}",
    b'{"price":' + b"9" * 39 + b"}",
    b'{"price":1e400}',
    b'{"label":5}',
    b'{"label":"\\ud800"}',
    b'{"label":"\\ud83d\\ude00"}',
    b'{"paid":"true"}',
    b'{"at":"2026-11-21T10:00:00"}',
    b'{"at":"2026-11-21T10:00:00.1234567Z"}',
    b'{"at":0}',
    b'{"day":"2026-02-29"}',
    b'{"place":{"since":"yesterday"}}',
    b'{"hour":"7:30"}',
    b'{"hour":"07:30"}',
    b'{"lines":[{"days":["2026-01-01","x"]},null]}',
    b'{"lines":{}}',
    b'{"place":[]}',
    b"\xef\xbb\xbf{}",
    b'{"label":"\xff"}',
    b'{"other":"\xed\xa0\x80"}',
    b'{"other":' + b"[" * 100 + b"]" * 100 + b"}",
    b'{"Id":1,"other":null}',
    b'{"Id":1,"place":{"City":"a","floor":"3 , \\" }"}}',
    b'{"lines":[{"Amount":1},{"hue":"red"},{}],"oth\\u0065r":[{"Id":1.50}]}',
    b'{"place":' * 100 + b"1" + b"}" * 100,
)
"""Bodies that have broken, shifted or hidden rows somewhere."""


def raw(given: list[bytes], content_type: str | None = "application/json", chunk: int | None = None) -> pa.Table:
    """Raw rows with these bodies, in pieces of `chunk` rows."""
    table = pa.table(
        {
            "body": pa.array(given, pa.binary()),
            "content_type": pa.array([content_type] * len(given), pa.string()),
            "content_encoding": pa.nulls(len(given), pa.string()),
        }
    )
    return table if chunk is None else pa.concat_tables(table.slice(i, chunk) for i in range(0, len(given) or 1, chunk))


_moments = st.datetimes().map(lambda moment: moment.isoformat() + "Z")
_days = st.dates().map(str)
_prices = st.decimals(-9999, 9999, places=2).map(float)
_wrong: st.SearchStrategy[Any] = st.one_of(
    st.text(max_size=5), st.integers(), st.booleans(), st.just([1]), st.just({"a": 1}), st.floats(allow_nan=True)
)


def _mostly(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 19).flatmap(lambda dice: _wrong if dice == 0 else st.none() if dice == 1 else right)


_objects = st.fixed_dictionaries(
    {},
    optional={
        "Id": _mostly(st.integers(-(2**63), 2**63 - 1)),
        "share": _mostly(st.floats(allow_nan=False, allow_infinity=False)),
        "price": _mostly(_prices),
        "label": _mostly(st.text(max_size=8)),
        "paid": _mostly(st.booleans()),
        "at": _mostly(_moments),
        "day": _mostly(_days),
        "hour": _mostly(st.times().map(str)),
        "place": _mostly(
            st.fixed_dictionaries(
                {"City": _mostly(st.text(max_size=3)), "since": _mostly(_moments)}, optional={"floor": _wrong}
            )
        ),
        "lines": _mostly(
            st.lists(
                st.fixed_dictionaries(
                    {"Amount": _mostly(st.integers(0, 99)), "days": _mostly(st.lists(_days))}, optional={"hue": _wrong}
                ),
                max_size=2,
            )
        ),
        "other": _wrong,
    },
)


def _written(value: Any, pretty: bool, escaped: bool) -> bytes:  # noqa: FBT001 - called by hypothesis
    text = json.dumps(value, ensure_ascii=escaped, indent=1 if pretty else None)
    return text.encode("utf-8", "surrogatepass")


@st.composite
def _damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    body = draw(whole)
    at = draw(st.integers(0, len(body)))
    piece = draw(st.sampled_from([b"", b"{", b"}", b'"', b",", b"\n", b"\0", b"[", b"]", b"\xff", b"}{", b"1"]))
    return body[:at] + piece + body[at + draw(st.integers(0, 2)) :]


_whole = st.builds(_written, _objects, st.booleans(), st.booleans())
bodies: st.SearchStrategy[bytes] = st.one_of(_whole, _whole, _damaged(_whole), st.sampled_from(NASTY))
"""Half of them good."""

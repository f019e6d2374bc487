"""A row's verdict never depends on its neighbours, and what is accepted is what the body says."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import re
import secrets
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import decode as package
from ingest.decode import bulk, decode
from ingest.decode.hint import Guess
from ingest.model.contract import Column, LogicalType
from ingest.model.tables import REJECTS, RESCUED, decoded_schema
from tests.decode.bodies import NASTY, SMALL, bodies, raw

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_HOUR = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _verdicts(given: list[bytes], chunk: int | None = None) -> list[Any]:
    """Per row its values, or its reject without the row number."""
    table = raw(given, chunk=chunk)
    decoded = decode(table, SMALL)
    assert decoded.rows.schema == decoded_schema(SMALL)
    assert decoded.rejects.schema == REJECTS
    decoded.rows.validate(full=True)
    index, rejected = decoded.index.to_pylist(), decoded.rejects.column("index").to_pylist()
    assert rejected == sorted(rejected)
    assert sorted(index + rejected) == list(range(len(given)))
    found: list[Any] = [None] * len(given)
    for row, values in zip(index, decoded.rows.to_pylist(), strict=True):
        found[row] = values
    for reject in decoded.rejects.to_pylist():
        found[reject.pop("index")] = reject
    return found


@given(st.lists(bodies, max_size=12), st.integers(1, 5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_row_in_a_batch_gets_the_verdict_that_it_gets_alone(batch: list[bytes], chunk: int) -> None:
    alone = [_verdicts([body])[0] for body in batch]
    assert _verdicts(batch) == alone
    assert _verdicts(batch, chunk) == alone


def test_every_nasty_body_gets_the_same_verdict_alone_between_good_ones_and_among_its_like() -> None:
    good = b'{"Id":41,"label":"neighbour"}'
    alone = [_verdicts([body])[0] for body in NASTY]
    assert _verdicts(list(NASTY)) == alone
    assert _verdicts(list(reversed(NASTY))) == alone[::-1]
    between = _verdicts([body for nasty in NASTY for body in (good, nasty, good)])
    assert between[1::3] == alone
    assert all(row["id"] == 41 for row in between[0::3] + between[2::3])


@pytest.mark.parametrize("hint", Guess)
def test_the_hint_decides_nothing(monkeypatch: pytest.MonkeyPatch, hint: Guess) -> None:
    alone = [_verdicts([body])[0] for body in NASTY]
    monkeypatch.setattr(bulk, "guess", lambda texts, *_: np.full(len(texts), hint, dtype=np.int8))
    assert _verdicts(list(NASTY)) == alone


def test_where_the_parser_says_it_stopped_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [_verdicts([body])[0] for body in NASTY]
    monkeypatch.setattr(bulk, "_STOPPED", re.compile("(?!)"))
    assert _verdicts(list(NASTY)) == alone


def test_chunks_do_not_change_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [_verdicts([body])[0] for body in NASTY]
    monkeypatch.setattr(package, "CHUNK_BYTES", 40)
    monkeypatch.setattr(package, "CHUNK_ROWS", 3)
    assert _verdicts(list(NASTY), chunk=7) == alone


def test_a_body_that_knows_the_key_cannot_take_its_neighbours_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key that can be guessed a body claims another row's number, and is still found out."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "guessed")
    batch = [b'{"Id":1}', b'{"guessed":2}', b'{"Id":2}{"guessed":3,"Id":9}', b'{"Id":4}']
    found = _verdicts(batch)
    assert [row.get("id") for row in found] == [1, None, None, 4]
    assert found[1]["reason"] == found[2]["reason"] == "malformed"


@pytest.mark.parametrize("second", [b"{}", b'{"guessed":7}'])
def test_one_body_too_many_does_not_make_up_for_one_too_few(monkeypatch: pytest.MonkeyPatch, second: bytes) -> None:
    """Four bodies parse as four objects, shifted: counts prove nothing, even a guessed key does not help."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "guessed")
    found = _verdicts([b'{"Id":1}' + second, b'{"place":', b'{"City":"x"}}', b'{"Id":4}'])
    assert [row.get("id") for row in found] == [None, None, None, 4]
    assert [row.get("reason") for row in found] == ["malformed"] * 3 + [None]


@given(bodies)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_accepted_is_what_a_strict_decoder_reads(body: bytes) -> None:
    found = _verdicts([body])[0]
    expected = _oracle(body)
    if "reason" in found:
        assert expected is None, found
    else:
        kept = found.pop(RESCUED)
        assert (None if kept is None else _read(kept)) == (expected or {}).pop(RESCUED)
        assert found == expected


class _Not(Exception):
    """The oracle refuses the body."""


class _Object(list[tuple[str, Any]]):
    """The members of an object, in order, repeated keys included."""


def _oracle(body: bytes) -> dict[str, Any] | None:
    """Python's own reading of a body; null for one that must be rejected."""
    try:
        text = body.decode("utf-8")
        value = _read(text)
        text.encode()
        return {**_members(value, SMALL.columns), RESCUED: _beside(value, SMALL.columns)}
    except (ValueError, _Not, RecursionError):
        return None


def _read(text: str) -> Any:
    return json.loads(
        text, object_pairs_hook=_Object, parse_float=_number, parse_int=_number, parse_constant=_no_number
    )


def _beside(pairs: _Object, columns: tuple[Column, ...]) -> _Object | None:
    """The members that no column takes, nested as they were; null for none."""
    known = {column.field: column for column in columns}
    found = _Object()
    for key, value in pairs:
        inner = _inside(value, known[key]) if key in known else value
        if key not in known or inner is not None:
            found.append((key, inner))
    return found or None


def _inside(value: Any, column: Column) -> Any:
    if isinstance(value, _Object) and column.children:
        return _beside(value, column.children)
    if isinstance(value, list) and not isinstance(value, _Object) and column.items is not None:
        parts = [_inside(part, column.items) for part in value]
        while parts and parts[-1] is None:
            parts.pop()
        return parts or None
    return None


def _no_number(literal: str) -> NoReturn:
    raise _Not(literal)


class _Point(decimal.Decimal):
    """A number written with a point or an exponent: no integer, whatever its value."""


def _number(literal: str) -> decimal.Decimal:
    if abs(float(literal)) == float("inf"):
        raise _Not
    return decimal.Decimal(literal) if literal.lstrip("-").isdigit() else _Point(literal)


def _members(pairs: Any, columns: tuple[Column, ...]) -> dict[str, Any]:
    if not isinstance(pairs, _Object):
        raise _Not
    _no_surrogates(pairs)
    found = {}
    for column in columns:
        values = [value for key, value in pairs if key == column.field]
        if len(values) > 1:
            raise _Not
        found[column.name] = _value(values[0], column) if values else None
    return found


def _no_surrogates(value: Any) -> None:
    try:
        if isinstance(value, str):
            value.encode()
        for part in value if isinstance(value, list | tuple) else ():
            _no_surrogates(part)
    except UnicodeEncodeError:
        raise _Not from None


def _value(value: Any, column: Column) -> Any:  # noqa: C901, PLR0911, PLR0912 - one branch per type
    if value is None:
        return None
    kind = column.type
    if kind is LogicalType.OBJECT:
        return _members(value, column.children)
    if kind is LogicalType.ARRAY:
        if not isinstance(value, list) or isinstance(value, _Object):
            raise _Not
        assert column.items is not None
        return [_value(part, column.items) for part in value]
    right: dict[LogicalType, Any] = {
        LogicalType.STRING: str,
        LogicalType.BOOLEAN: bool,
        LogicalType.DATE: str,
        LogicalType.TIMESTAMP: str,
        LogicalType.TIME: str,
    }
    if not isinstance(value, right.get(kind, decimal.Decimal)):
        raise _Not
    if kind is LogicalType.INTEGER:
        if isinstance(value, _Point) or not -(2**63) <= int(value) < 2**63:
            raise _Not
        return int(value)
    if kind is LogicalType.NUMBER:
        return float(value)
    if kind is LogicalType.DECIMAL:
        if len(value.as_tuple().digits) > 38 or abs(value) >= 10 ** (column.precision - column.scale):
            raise _Not
        if value != round(value, column.scale):
            raise _Not
        return round(value, column.scale)
    if kind is LogicalType.DATE:
        return dt.date.fromisoformat(value) if _DAY.fullmatch(value) else _refuse()
    if kind is LogicalType.TIME:
        return f"{dt.time.fromisoformat(value[:15]):%H:%M:%S.%f}" if _HOUR.fullmatch(value) else _refuse()
    if kind is LogicalType.TIMESTAMP:
        if not _MOMENT.fullmatch(value):  # Python also takes commas, weeks, bare hours
            _refuse()
        moment = dt.datetime.fromisoformat(value[:26] + "Z" if len(value) == 28 else value)
        return moment if moment.tzinfo else _refuse()
    return value


def _refuse() -> Any:
    raise _Not

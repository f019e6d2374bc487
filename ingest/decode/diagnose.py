"""Why Arrow's reader refuses a row: which rule, which column, which value.

For rows that it refuses, or that look so: what is found wrong is refused, but for findings that are not `sure`.
"""

from __future__ import annotations

import decimal
import json
import re
from collections.abc import Iterator
from typing import Any

from ingest.decode.finding import Finding, shorten
from ingest.model.contract import Column, LogicalType
from ingest.model.reason import Reason

__all__ = ["diagnose"]

_INTEGER = re.compile(r"-?[0-9]+")
_INT64 = range(-(2**63), 2**63)
_DIGITS = 38
_SHOWN_LEVELS = 100
_ROUNDED = {LogicalType.NUMBER, LogicalType.DECIMAL}
"""Of these Arrow's reader takes some numbers that are too large: `2e308` as infinity, `0e-60` as nothing."""

_NAMES = {
    LogicalType.STRING: "a string",
    LogicalType.INTEGER: "an integer of 64 bits",
    LogicalType.NUMBER: "a number",
    LogicalType.DECIMAL: f"a decimal number of at most {_DIGITS} digits",
    LogicalType.BOOLEAN: "true or false",
    LogicalType.DATE: "a date (YYYY-MM-DD)",
    LogicalType.TIMESTAMP: "an ISO 8601 timestamp",
    LogicalType.TIME: "a time of day (HH:MM:SS)",
    LogicalType.OBJECT: "an object",
    LogicalType.ARRAY: "an array",
}


class _Literal(str):
    """A number as it is written: nothing is rounded, and no digit limit applies."""

    __slots__ = ()


class _Constant(_Literal):
    """`NaN`, `Infinity` or `-Infinity`, which are not JSON."""

    __slots__ = ()


class _Object(dict[str, Any]):
    """An object that remembers which of its keys were said more than once."""

    repeated: frozenset[str] = frozenset()


def diagnose(text: str, columns: tuple[Column, ...]) -> Finding | None:
    """The first thing wrong with a body that Arrow's reader refuses for `columns`, in their order.

    Null for the rare body that Python's decoder cannot judge, or finds nothing wrong with.
    """
    try:
        body = _DECODER.decode(text)
    except RecursionError:
        return None
    except json.JSONDecodeError as error:
        return Finding(Reason.MALFORMED, f"The body is not one JSON object: {error.msg} at character {error.pos}.")
    if not isinstance(body, _Object):
        return Finding(Reason.MALFORMED, "The body is JSON but not an object.")
    return next(_members(body, columns, ""), None)


def _pairs(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        found.repeated = frozenset(key for key in found if keys.count(key) > 1)
    return found


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=_Literal, parse_int=_Literal, parse_constant=_Constant, strict=True
)


def _members(body: _Object, columns: tuple[Column, ...], prefix: str) -> Iterator[Finding]:
    for column in columns:
        path = prefix + column.name
        if column.field in body.repeated:
            yield Finding(Reason.MALFORMED, f"The body says {path} more than once.", path)
        yield from _wrong(body.get(column.field), column, path)


def _wrong(value: Any, column: Column, path: str) -> Iterator[Finding]:
    if value is None:
        return
    if isinstance(value, _Constant):
        yield Finding(Reason.MALFORMED, f"JSON has no NaN and no infinity, found at {path}.", path, str(value))
    elif not _fits(value, column.type):
        detail = f"{path} is not {_NAMES[column.type]}."
        sure = column.type not in _ROUNDED or not isinstance(value, _Literal)
        yield Finding(Reason.WRONG_TYPE, detail, path, shorten(_text(value)), sure)
    elif isinstance(value, _Object):
        yield from _members(value, column.children, f"{path}.")
    elif isinstance(value, list) and column.items is not None:
        for element in value:
            yield from _wrong(element, column.items, f"{path}[]")


def _fits(value: Any, kind: LogicalType) -> bool:  # noqa: PLR0911 - one per type
    match kind:
        case LogicalType.INTEGER:
            return isinstance(value, _Literal) and _is_int64(value)
        case LogicalType.NUMBER:
            return isinstance(value, _Literal) and abs(float(value)) != float("inf")
        case LogicalType.DECIMAL:
            return isinstance(value, _Literal) and _is_decimal(value)
        case LogicalType.BOOLEAN:
            return isinstance(value, bool)
        case LogicalType.OBJECT:
            return isinstance(value, dict)
        case LogicalType.ARRAY:
            return isinstance(value, list)
        case _:
            return isinstance(value, str) and not isinstance(value, _Literal)


def _is_int64(literal: str) -> bool:
    short = len(literal) <= len(str(2**63)) + 1  # longer ones cannot fit, and int() limits digits
    return short and _INTEGER.fullmatch(literal) is not None and int(literal) in _INT64


def _is_decimal(literal: str) -> bool:
    """Does the literal have at most 38 digits, and at most 38 of them after the point?"""
    try:
        _, digits, exponent = decimal.Decimal(literal).as_tuple()
    except decimal.InvalidOperation:  # an exponent of more than 18 digits
        return False
    if not isinstance(exponent, int):
        return False
    return len(digits) + max(exponent, 0) <= _DIGITS and -exponent <= _DIGITS


def _text(value: Any) -> str:
    """A value as JSON, a text as it is."""
    return value if isinstance(value, str) else _json(value, _SHOWN_LEVELS)


def _json(value: Any, levels: int) -> str:
    if isinstance(value, _Literal):
        return str(value)
    if not isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    if not levels:
        return "…"
    if isinstance(value, list):
        return f"[{','.join(_json(part, levels - 1) for part in value)}]"
    members = (f"{json.dumps(key, ensure_ascii=False)}:{_json(part, levels - 1)}" for key, part in value.items())
    return f"{{{','.join(members)}}}"

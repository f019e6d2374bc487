"""The usual form of a chunk's bodies as one regular expression: what one serialiser writes for these columns.

Most bodies of a queue come from one serialiser, which writes the same fields in the same order. A body that matches
is one JSON object with no field but the contract's, each at most once, and with a number that fits, not a string, where
the column is a decimal: that is proven by the expression. Whether other values fit their columns is not: Arrow's reader
says that. RE2 takes less time than any decoder, and no turn of the interpreter's lock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingest.decode.hint import Guess, guess
from ingest.model.contract import Column, LogicalType

__all__ = ["usual"]

_SAMPLES = 16
_LONGEST = 20_000
"""Characters of an expression for which RE2 is still fast: about 200 columns."""

_WHITE = r"[ \t\r\n]*"
_HEX = "[0-9A-Fa-f]"
_SURROGATES = rf"\\u[Dd][89ABab]{_HEX}{{2}}\\u[Dd][C-Fc-f]{_HEX}{{2}}"
_ESCAPE = rf'\\["\\/bfnrt]|\\u(?:[0-9A-CE-Fa-ce-f]{_HEX}|[Dd][0-7]){_HEX}{{2}}|{_SURROGATES}'
_STRING = rf'"(?:[^"\\\x00-\x1f]|{_ESCAPE})*"'
_INTEGER = r"-?(?:0|[1-9][0-9]{0,17})"
_DIGITS = 18
_NUMBER = rf"{_INTEGER}(?:\.[0-9]{{1,{_DIGITS}}})?(?:[Ee][+-]?[0-9]{{1,2}})?"
_VALUES = {
    LogicalType.INTEGER: _INTEGER,
    LogicalType.NUMBER: _NUMBER,
    LogicalType.BOOLEAN: "true|false",
}


def usual(bodies: pa.Array, columns: tuple[Column, ...]) -> npt.NDArray[np.bool_]:
    """For each body (n, binary, UTF-8), does it have the form of the first good one? False for all where there is none.

    Of each object the field that comes first must be there unless it is empty; the others may be missing.
    """
    few = bodies.slice(0, _SAMPLES).to_pylist()
    good = np.flatnonzero(guess(few, columns) == Guess.GOOD)
    pattern = f"^{_WHITE}{_object(columns, msgspec.json.decode(few[good[0]]))}{_WHITE}$" if len(good) else ""
    if not 0 < len(pattern) <= _LONGEST:
        return np.zeros(len(bodies), np.bool_)
    found: npt.NDArray[np.bool_] = pc.match_substring_regex(bodies, pattern).to_numpy(zero_copy_only=False)
    return found


def _object(columns: tuple[Column, ...], sample: Any) -> str:
    fields = sample if isinstance(sample, dict) else {}
    members = [_member(column, fields.get(column.field)) for column in _ordered(columns, fields)]
    rest = "".join(f"(?:{_WHITE},{_WHITE}{member})?" for member in members[1:])
    return rf"\{{{_WHITE}(?:{''.join(members[:1])}{rest})?{_WHITE}\}}"


def _ordered(columns: tuple[Column, ...], fields: Mapping[str, Any]) -> list[Column]:
    """The columns as the sample has them; what it lacks after the one before it in the contract, never first."""
    place = {name: at for at, name in enumerate(fields)}
    last, places = 0, {}
    for column in columns:
        last = place.get(column.field, last)
        places[column.field] = (last, column.field not in place)
    return sorted(columns, key=lambda column: places[column.field])


def _member(column: Column, sample: Any) -> str:
    name = re.escape(json.dumps(column.field, ensure_ascii=False))
    return f"{name}{_WHITE}:{_WHITE}(?:{_value(column, sample)}|null)"


def _value(column: Column, sample: Any) -> str:
    if column.type is LogicalType.OBJECT:
        return _object(column.children, sample)
    if column.type is LogicalType.ARRAY and column.items is not None:
        element = _value(column.items, sample[0] if isinstance(sample, list) and sample else None)
        element = f"(?:{element}|null)"
        return rf"\[{_WHITE}(?:{element}(?:{_WHITE},{_WHITE}{element})*)?{_WHITE}\]"
    if column.type is LogicalType.DECIMAL:
        return _decimal(column)
    return _VALUES.get(column.type, _STRING)


def _decimal(column: Column) -> str:
    """At most 18 digits before and after the point, of which the column holds all but zeros at the end."""
    whole = min(column.precision - column.scale, _DIGITS)
    integer = rf"-?(?:0|[1-9][0-9]{{0,{whole - 1}}})" if whole > 0 else "-?0"
    scale = min(column.scale, _DIGITS)
    fraction = rf"[0-9]{{1,{scale}}}0{{0,{_DIGITS - scale}}}" if scale > 0 else rf"0{{1,{_DIGITS}}}"
    return rf"{integer}(?:\.{fraction})?"

"""Which rows break a row-level expectation, by column, with the meaning that Great Expectations gives it.

Exactly so for the values that a table holds: integers of 64 bits and decimals are compared as they are, never as
floating point. Bounds are numbers of the suite's JSON, which GX reads as doubles; a bound such as 99.99 means
the decimal 99.99 and not the double next to it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.model.expectation import Expectation
from ingest.validate.pattern import found

__all__ = ["considered", "exact", "members", "unexpected"]

_COMMON = pa.decimal256(76, 38)
"""Holds every int64 and every decimal128."""


def unexpected(expectation: Expectation, rows: pa.Table) -> pa.Array:
    """For each row (n): does it break the expectation? Never null.

    Raises:
        KeyError: when the table has no such column, or there is no mask for the expectation's type.
        re.error: for a pattern that Python cannot compile.
    """
    kwargs = expectation.kwargs
    if "column_A" in kwargs:
        return _pair(expectation, rows)
    values = _column(rows, kwargs["column"])
    broken = _RULES[expectation.type](values, kwargs)
    return pc.fill_null(broken, fill_value=False)


def considered(expectation: Expectation, rows: pa.Table) -> int:
    """How many rows a share (`mostly`) is a share of: those that the expectation does not pass over as null."""
    kwargs = expectation.kwargs
    if expectation.type in _OF_NULLS:
        return int(rows.num_rows)
    if "column_A" in kwargs:
        return int(pc.sum(_paired(kwargs, rows)).as_py() or 0)
    return int(rows.num_rows - rows.column(kwargs["column"]).null_count)


def exact(number: float) -> Fraction:
    """A bound or member of the suite as the number that its author wrote."""
    value = float(number)
    return Fraction(value) if value.is_integer() else Fraction(repr(value))


def members(values: Iterable[Any], kind: pa.DataType) -> list[Any]:
    """Those of a value set that a column of this type can hold, as Python values of it."""
    if pa.types.is_string(kind):
        return [value for value in values if isinstance(value, str)]
    if pa.types.is_boolean(kind):
        return [value for value in values if isinstance(value, bool)]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if pa.types.is_floating(kind):
        return [float(number) for number in numbers]
    scale = _scale(kind)
    units = (Fraction(n) * 10**scale if isinstance(n, int) else exact(n) * 10**scale for n in numbers)
    whole = [int(unit) for unit in units if unit.denominator == 1 and _least(kind) <= unit <= _most(kind)]
    return [_value(unit, kind) for unit in whole]


def _column(rows: pa.Table, name: str) -> pa.Array:
    column = rows.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _outside(values: pa.Array, kwargs: Mapping[str, Any]) -> pa.Array:
    """Below the minimum or above the maximum, or at one that is strict."""
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    below = None if low is None else _below(values, low, strict=bool(kwargs.get("strict_min")))
    above = None if high is None else _above(values, high, strict=bool(kwargs.get("strict_max")))
    if below is None or above is None:
        return above if below is None else below
    return pc.or_(below, above)


def _below(values: pa.Array, low: float, *, strict: bool) -> pa.Array:
    kind = values.type
    if pa.types.is_floating(kind):
        return (pc.less_equal if strict else pc.less)(values, float(low))
    units = exact(low) * 10 ** _scale(kind)
    least = math.floor(units) + 1 if strict else math.ceil(units)
    if least > _most(kind):
        return pc.is_valid(values)
    return pc.less(values, pa.scalar(_value(max(least, _least(kind)), kind), kind))


def _above(values: pa.Array, high: float, *, strict: bool) -> pa.Array:
    kind = values.type
    if pa.types.is_floating(kind):
        return (pc.greater_equal if strict else pc.greater)(values, float(high))
    units = exact(high) * 10 ** _scale(kind)
    greatest = math.ceil(units) - 1 if strict else math.floor(units)
    if greatest < _least(kind):
        return pc.is_valid(values)
    return pc.greater(values, pa.scalar(_value(min(greatest, _most(kind)), kind), kind))


def _scale(kind: pa.DataType) -> int:
    return kind.scale if pa.types.is_decimal(kind) else 0


def _most(kind: pa.DataType) -> int:
    """The greatest number of units that a value may have."""
    return int(10**kind.precision - 1 if pa.types.is_decimal(kind) else 2 ** (kind.bit_width - 1) - 1)


def _least(kind: pa.DataType) -> int:
    return -_most(kind) - (0 if pa.types.is_decimal(kind) else 1)


def _value(units: int, kind: pa.DataType) -> int | Decimal:
    if not pa.types.is_decimal(kind):
        return units
    return Decimal((int(units < 0), tuple(map(int, str(abs(units)))), -kind.scale))


def _not_in_set(values: pa.Array, kwargs: Mapping[str, Any]) -> pa.Array:
    return pc.and_(pc.is_valid(values), pc.invert(_is_member(values, kwargs)))


def _in_set(values: pa.Array, kwargs: Mapping[str, Any]) -> pa.Array:
    return _is_member(values, kwargs)


def _is_member(values: pa.Array, kwargs: Mapping[str, Any]) -> pa.Array:
    allowed = pa.array(members(kwargs["value_set"], values.type), values.type)
    return pc.is_in(values, value_set=allowed)


def _listed(values: pa.Array, kwargs: Mapping[str, Any]) -> pa.Array:
    """Where one of the patterns is found, or every one if `match_on` says so."""
    both = pc.and_ if kwargs.get("match_on") == "all" else pc.or_
    return functools.reduce(both, (found(values, pattern) for pattern in kwargs["regex_list"]))


def _length(values: pa.Array, kwargs: Mapping[str, Any]) -> pa.Array:
    return _outside(pc.utf8_length(values), kwargs)


def _other_length(values: pa.Array, kwargs: Mapping[str, Any]) -> pa.Array:
    return _outside(pc.utf8_length(values), {"min_value": kwargs["value"], "max_value": kwargs["value"]})


_RULES: Mapping[str, Callable[[pa.Array, Mapping[str, Any]], pa.Array]] = {
    "expect_column_values_to_not_be_null": lambda values, _: pc.is_null(values),
    "expect_column_values_to_be_null": lambda values, _: pc.is_valid(values),
    "expect_column_values_to_be_between": _outside,
    "expect_column_values_to_be_in_set": _not_in_set,
    "expect_column_values_to_not_be_in_set": _in_set,
    "expect_column_values_to_match_regex": lambda values, kwargs: pc.invert(found(values, kwargs["regex"])),
    "expect_column_values_to_not_match_regex": lambda values, kwargs: found(values, kwargs["regex"]),
    "expect_column_values_to_match_regex_list": lambda values, kwargs: pc.invert(_listed(values, kwargs)),
    "expect_column_values_to_not_match_regex_list": _listed,
    "expect_column_value_lengths_to_be_between": _length,
    "expect_column_value_lengths_to_equal": _other_length,
}
_OF_NULLS = frozenset({"expect_column_values_to_not_be_null", "expect_column_values_to_be_null"})


def _pair(expectation: Expectation, rows: pa.Table) -> pa.Array:
    kwargs = expectation.kwargs
    left, right = _alike(_column(rows, kwargs["column_A"]), _column(rows, kwargs["column_B"]))
    if expectation.type == "expect_column_pair_values_to_be_equal":
        holds = pc.equal(left, right)
    elif expectation.type == "expect_column_pair_values_a_to_be_greater_than_b":
        holds = (pc.greater_equal if kwargs.get("or_equal") else pc.greater)(left, right)
    else:
        raise KeyError(expectation.type)
    return pc.and_not(_paired(kwargs, rows), pc.fill_null(holds, fill_value=False))


def _paired(kwargs: Mapping[str, Any], rows: pa.Table) -> pa.Array:
    """Rows that a pair's expectation judges. One value against null breaks it, unless told to pass over."""
    left, right = (pc.is_valid(_column(rows, kwargs[name])) for name in ("column_A", "column_B"))
    either = kwargs.get("ignore_row_if") == "either_value_is_missing"
    return pc.and_(left, right) if either else pc.or_(left, right)


def _alike(left: pa.Array, right: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Both as one type that holds the values of either."""
    if left.type == right.type:
        return left, right
    if pa.types.is_floating(left.type) or pa.types.is_floating(right.type):
        return _double(left), _double(right)
    return pc.cast(left, _COMMON), pc.cast(right, _COMMON)


def _double(values: pa.Array) -> pa.Array:
    """The nearest double to each; by way of text for decimals, whose own cast may miss it by one."""
    text = pc.cast(values, pa.string()) if pa.types.is_decimal(values.type) else values
    return pc.cast(text, pa.float64(), safe=False)

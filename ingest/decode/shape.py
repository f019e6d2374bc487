"""A contract's columns as Arrow's JSON reader must read them, and from there to the types of the table.

The reader alone is not exact enough: it takes NaN for a number, overflows decimals silently (a 38-digit
literal in a decimal128(38, 2) wraps), cannot read seven fractional digits and takes times without a zone for
UTC. So decimals are read with room for every digit, times as text, and both are converted here, with the
rows whose value does not fit named as faults. All of it by column, nested ones included.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

import pyarrow as pa
import pyarrow.compute as pc

from ingest.decode import times
from ingest.model.contract import Column, LogicalType
from ingest.model.reason import Reason
from ingest.model.tables import arrow_type

__all__ = ["Decimals", "Fault", "convert", "reading_schema"]

_READ_DECIMAL = pa.decimal256(38, 38)
"""Reads any literal of at most 38 digits exactly: 38 digits scaled by 10^38 still fit 256 bits."""
_WIDE = pa.decimal256(76, 38)
"""The same bits with a precision that the values keep."""


class Decimals(Enum):
    """How the reader takes decimals, for which it accepts JSON strings as well."""

    ANY = auto()
    """With room for every digit."""
    FITTING = auto()
    """As the column has them: exact where they fit; a zero too many at the end is refused."""
    USUAL = auto()
    """With 18 digits after the point: exact where there are no more, and no more than 18 before it."""
    NUMBERS = auto()
    """As floats, which refuses strings: for the verdict only, not for the values."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Rows (int64, ascending, may repeat) whose value at `path` does not fit, and the values as text."""

    path: str
    reason: Reason
    detail: str
    rows: pa.Array
    values: pa.Array


_READ_DECIMALS: Mapping[Decimals, pa.DataType] = {
    Decimals.ANY: _READ_DECIMAL,
    Decimals.USUAL: pa.decimal128(38, 18),
    Decimals.NUMBERS: pa.float64(),
}


def reading_schema(columns: Iterable[Column], decimals: Decimals = Decimals.ANY) -> pa.Schema:
    """The schema for Arrow's JSON reader, by payload field name."""
    return pa.schema([pa.field(column.field, _read_type(column, decimals)) for column in columns])


def _read_type(column: Column, decimals: Decimals) -> pa.DataType:
    match column.type:
        case LogicalType.DECIMAL:
            return arrow_type(column) if decimals is Decimals.FITTING else _READ_DECIMALS[decimals]
        case LogicalType.TIMESTAMP | LogicalType.DATE:
            return pa.string()
        case LogicalType.OBJECT:
            return pa.struct([pa.field(child.field, _read_type(child, decimals)) for child in column.children])
        case LogicalType.ARRAY if column.items is not None:
            return pa.list_(pa.field("element", _read_type(column.items, decimals)))
        case _:
            return arrow_type(column)


def convert(values: pa.Array, column: Column) -> tuple[pa.Array, list[Fault]]:
    """What was read (n) as `tables.arrow_type(column)` (n), null in the rows that the faults name."""
    return _convert(values, column, column.name)


def _convert(  # noqa: PLR0911 - one per type
    values: pa.Array, column: Column, path: str
) -> tuple[pa.Array, list[Fault]]:
    match column.type:
        case LogicalType.NUMBER:
            return _finite(values, path)
        case LogicalType.DECIMAL:
            return _narrow(values, column, path)
        case LogicalType.TIMESTAMP:
            kind = "an ISO 8601 timestamp" if column.assume_utc else "an ISO 8601 timestamp with a zone"
            return _text(values, times.timestamps(values, assume_utc=column.assume_utc), path, kind)
        case LogicalType.DATE:
            return _text(values, times.dates(values), path, "a date (YYYY-MM-DD)")
        case LogicalType.TIME:
            return _text(values, times.times(values), path, "a time of day (HH:MM:SS)")
        case LogicalType.OBJECT:
            return _object(values, column, path)
        case LogicalType.ARRAY:
            return _array(values, column, path)
        case _:
            return values, []


def _fault(bad: pa.Array, texts: pa.Array, path: str, reason: Reason, detail: str) -> Fault:
    rows = pc.cast(pc.indices_nonzero(bad), pa.int64())
    return Fault(path, reason, detail, rows, pc.cast(texts.take(rows), pa.string()))


def _without(values: pa.Array, bad: pa.Array) -> pa.Array:
    return pc.if_else(bad, pa.scalar(None, values.type), values)


def _finite(values: pa.Array, path: str) -> tuple[pa.Array, list[Fault]]:
    bad = pc.invert(pc.fill_null(pc.is_finite(values), fill_value=True))
    if not pc.any(bad).as_py():
        return values, []
    detail = f"JSON has no NaN and no infinity, found at {path}."
    texts = pc.if_else(pc.is_nan(values), "NaN", pc.if_else(pc.greater(values, 0.0), "Infinity", "-Infinity"))
    return _without(values, bad), [_fault(bad, texts, path, Reason.MALFORMED, detail)]


def _text(texts: pa.Array, values: pa.Array, path: str, kind: str) -> tuple[pa.Array, list[Fault]]:
    bad = pc.and_not(pc.is_valid(texts), pc.is_valid(values))
    if not pc.any(bad).as_py():
        return values, []
    return values, [_fault(bad, texts, path, Reason.WRONG_TYPE, f"{path} is not {kind}.")]


def _narrow(values: pa.Array, column: Column, path: str) -> tuple[pa.Array, list[Fault]]:
    target = arrow_type(column)
    if values.type == target:
        return values, []
    wide = values.view(_WIDE) if values.type == _READ_DECIMAL else values
    try:
        return pc.cast(wide, target), []
    except pa.ArrowInvalid:  # some value has too many digits: find which
        scaled = pc.cast(wide, pa.decimal256(76, column.scale), safe=False)
        most = decimal.Decimal((0, (9,) * column.precision, -column.scale))
        whole, end = max(column.precision - column.scale, 0), pa.scalar(most, scaled.type)
        fits = pc.and_(pc.equal(pc.cast(scaled, _WIDE), wide), pc.less_equal(pc.abs(scaled), end))
        bad = pc.invert(pc.fill_null(fits, fill_value=True))
        detail = f"{path} does not fit {whole} digits before and {column.scale} after the decimal point."
        return pc.cast(_without(scaled, bad), target), [_fault(bad, _plain(wide), path, Reason.WRONG_TYPE, detail)]


def _plain(wide: pa.Array) -> pa.Array:
    """Decimals as text without the zeros that reading them added."""
    return pc.replace_substring_regex(pc.cast(wide, pa.string()), r"\.?0*$", "")


def _object(values: pa.Array, column: Column, path: str) -> tuple[pa.Array, list[Fault]]:
    faults: list[Fault] = []
    children = []
    for child, read in zip(column.children, values.flatten(), strict=True):
        array, found = _convert(read, child, f"{path}.{child.name}")
        children.append(array)
        faults += found
    fields = [pa.field(child.name, arrow_type(child)) for child in column.children]
    return pa.StructArray.from_arrays(children, fields=fields, mask=values.is_null()), faults


def _array(values: pa.Array, column: Column, path: str) -> tuple[pa.Array, list[Fault]]:
    if column.items is None:
        raise ValueError(f"array column {column.name!r} has no items")
    elements, found = _convert(values.flatten(), column.items, f"{path}[]")
    lengths = pc.fill_null(pc.list_value_length(values), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cast(pc.cumulative_sum(lengths), pa.int32())])
    lists = pa.ListArray.from_arrays(offsets, elements, type=arrow_type(column), mask=values.is_null())
    if not found:
        return lists, []
    parents = pc.cast(pc.list_parent_indices(values), pa.int64())
    return lists, [Fault(f.path, f.reason, f.detail, parents.take(f.rows), f.values) for f in found]

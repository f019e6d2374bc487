"""How one schema becomes another, by name: what fits, what a table gains in place, what rewrites it, what is refused.

`ingest.catalog.compatible` says the same of two contracts before either reaches a lake; a test holds the two together.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeVar

import pyarrow as pa

from ingest.errors import SchemaMismatch

__all__ = ["Growth", "conformed", "grown", "growth"]

_INTEGER_DIGITS = 19  # of int64

_Rows = TypeVar("_Rows", pa.Table, pa.RecordBatch)


class Growth(IntEnum):
    """What it takes to keep rows of one schema under another, the least first."""

    SAME = 0  # the same columns, in whatever order
    ADDED = 1  # nullable columns, or fields of objects, more: Delta adds them in place
    WIDENED = 2  # types that hold every value of the old one: Delta cannot do that in place
    REFUSED = 3  # a column less, or another type


def growth(old: pa.Schema, new: pa.Schema) -> Growth:
    """What it takes to keep rows of `old` under `new`: the most that any column takes."""
    return max((grown(old, new, name) for name in dict.fromkeys([*old.names, *new.names])), default=Growth.SAME)


def grown(old: pa.Schema, new: pa.Schema, name: str) -> Growth:
    """What it takes for the one column `name`."""
    if name not in new.names:
        return Growth.REFUSED
    after = new.field(name)
    if name not in old.names:
        return Growth.ADDED if after.nullable else Growth.REFUSED
    before = old.field(name)
    return _type(before.type, after.type) if before.nullable == after.nullable else Growth.REFUSED


def _type(old: pa.DataType, new: pa.DataType) -> Growth:
    if old.equals(new):
        return Growth.SAME
    if pa.types.is_struct(old) and pa.types.is_struct(new):
        return growth(pa.schema(old), pa.schema(new))
    if pa.types.is_list(old) and pa.types.is_list(new):
        return _type(old.value_type, new.value_type)
    return Growth.WIDENED if _holds(old, new) else Growth.REFUSED


def _holds(old: pa.DataType, new: pa.DataType) -> bool:
    """Whether `new` is the wider type. Integers as float64 are exact up to 2^53; `conformed` refuses those beyond."""
    if pa.types.is_decimal128(new):
        whole = new.precision - new.scale
        if pa.types.is_decimal128(old):
            return bool(new.scale >= old.scale and whole >= old.precision - old.scale)
        return bool(pa.types.is_int64(old) and whole >= _INTEGER_DIGITS)
    return bool(pa.types.is_int64(old) and pa.types.is_float64(new))


def conformed(rows: _Rows, schema: pa.Schema, *, exact: bool = True) -> _Rows:
    """`rows` (n) with the columns of `schema`, in its order; those that `rows` lacks are null.

    For schemas that `growth` does not refuse: objects are matched by name too, and whatever is not in `schema`
    would be dropped. With `exact`, an integer that a float64 cannot hold is an error; without it becomes the nearest.

    Raises:
        SchemaMismatch: a value does not fit its new type.
    """
    columns = []
    for field in schema:
        if field.name not in rows.schema.names:
            columns.append(pa.nulls(rows.num_rows, field.type))
            continue
        try:
            columns.append(rows[field.name].cast(field.type, safe=exact))
        except pa.ArrowInvalid as error:
            raise SchemaMismatch(
                f"column {field.name} holds a value that {field.type} cannot: {error}",
                remedy="give the column a type that holds all its values: decimal(19,0) holds every integer",
            ) from error
    return type(rows).from_arrays(columns, schema=schema)

"""Arrow columns as pandas columns that Great Expectations judges exactly and fast.

A null turns numpy's integers into floats, and 2^53 + 1 then passes a maximum of 2^53. Arrow's own types in
pandas keep the value but cost a Python call per value. So: numpy where doubles hold every value of
this batch exactly, Python objects where they do not.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["to_frame"]

_EXACT_INTEGER = 2**53
_EXACT_DIGITS = 15
"""A decimal of this many digits and the double nearest to it stand for each other."""


def to_frame(rows: pa.Table, names: Iterable[str]) -> pd.DataFrame:
    """The named columns (n rows) for Great Expectations. Of objects and arrays only the nulls are kept."""
    return pd.DataFrame({name: _series(rows.column(name).combine_chunks()) for name in names}, copy=False)


def _series(values: pa.Array) -> pd.Series:
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return _number(values)
    if pa.types.is_boolean(kind):
        return pd.Series(pc.cast(values, pa.int8()).to_numpy(zero_copy_only=False).astype(np.float64))
    if pa.types.is_date(kind):
        values = pc.cast(values, pa.timestamp("us"))
    if pa.types.is_nested(kind):
        present = np.where(values.is_valid().to_numpy(zero_copy_only=False), 1.0, np.nan)
        return pd.Series(present)
    series: pd.Series = values.to_pandas()
    return series


def _number(values: pa.Array) -> pd.Series:
    if _fits_double(values):
        if pa.types.is_integer(values.type) and not values.null_count:
            return pd.Series(values.to_numpy())
        return pd.Series(_doubles(values))
    objects = np.array(values.to_pylist(), dtype=object)
    objects[values.is_null().to_numpy(zero_copy_only=False)] = np.nan
    return pd.Series(objects, dtype=object)


def _doubles(values: pa.Array) -> npt.NDArray[np.float64]:
    """The double nearest to each small value, NaN for null."""
    if pa.types.is_integer(values.type):
        doubles: npt.NDArray[np.float64] = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)
        return doubles
    words = np.frombuffer(values.buffers()[1], np.int64).reshape(-1, 2)  # low and high half of 128 bits
    units = words[values.offset : values.offset + len(values), 0]
    doubles = units / 10.0**values.type.scale  # both exact, so the quotient is the nearest double
    doubles[values.is_null().to_numpy(zero_copy_only=False)] = np.nan
    return doubles


def _fits_double(values: pa.Array) -> bool:
    bounds = pc.min_max(values).as_py()
    if bounds["min"] is None:
        return True
    least, most = bounds["min"], bounds["max"]
    if pa.types.is_integer(values.type):
        return bool(least >= -_EXACT_INTEGER and most <= _EXACT_INTEGER)
    limit = 10 ** (_EXACT_DIGITS - values.type.scale)
    return bool(values.type.scale <= _EXACT_DIGITS and -limit < least and most < limit)

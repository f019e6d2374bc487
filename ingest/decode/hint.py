"""A quick guess, row by row, at which bodies will not parse. Never a verdict: Arrow's reader gives that."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from ingest.model.contract import Column, LogicalType

__all__ = ["probably_good"]

_SCALARS: dict[LogicalType, Any] = {
    LogicalType.STRING: str,
    LogicalType.INTEGER: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    LogicalType.NUMBER: float,
    LogicalType.DECIMAL: float,
    LogicalType.BOOLEAN: bool,
    LogicalType.DATE: str,
    LogicalType.TIMESTAMP: str,
}


def probably_good(bodies: Iterable[bytes | str], columns: tuple[Column, ...]) -> npt.NDArray[np.bool_]:
    """For each body (n), false where a strict JSON decoder refuses it for these columns."""
    decode = _decoder(columns).decode
    good: list[bool] = []
    for body in bodies:
        try:
            decode(body)
        except (ValueError, RecursionError):
            good.append(False)
        else:
            good.append(True)
    return np.array(good, dtype=np.bool_)


@functools.lru_cache(maxsize=32)
def _decoder(columns: tuple[Column, ...]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_struct(columns))


def _struct(columns: tuple[Column, ...]) -> type[msgspec.Struct]:
    fields = [(f"f{i}", _type(column) | None, None) for i, column in enumerate(columns)]
    return msgspec.defstruct("Body", fields, rename={f"f{i}": column.field for i, column in enumerate(columns)})


def _type(column: Column) -> Any:
    if column.type is LogicalType.OBJECT:
        return _struct(column.children)
    if column.type is LogicalType.ARRAY and column.items is not None:
        return list[_type(column.items) | None]  # type: ignore[misc]  # a type made at run time
    return _SCALARS[column.type]

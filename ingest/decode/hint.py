"""A quick guess, row by row, at which bodies will not parse. Never a verdict: Arrow's reader gives that."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from ingest.model.contract import Column, LogicalType

__all__ = ["Guess", "guess"]

_SCALARS: dict[LogicalType, Any] = {
    LogicalType.STRING: str,
    LogicalType.INTEGER: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    LogicalType.NUMBER: float,
    LogicalType.DECIMAL: float,
    LogicalType.BOOLEAN: bool,
    LogicalType.DATE: str,
    LogicalType.TIMESTAMP: str,
    LogicalType.TIME: str,
}


class Guess(IntEnum):
    """What a body looks like."""

    GOOD = 0  # the columns and nothing else
    FIELDS = 1  # good, with fields beside the columns
    BAD = 2


def guess(
    bodies: Sequence[bytes | str], columns: tuple[Column, ...], allowed: tuple[Column, ...] | None = None
) -> npt.NDArray[np.int8]:
    """A `Guess` for each body (n), by a strict JSON decoder for these columns; those `allowed` are no fields beside."""
    alone = _decoder(columns if allowed is None else allowed, alone=True).decode
    beside = _decoder(columns, alone=False).decode
    guesses = bytearray(len(bodies))  # zeros: all good
    for at, body in enumerate(bodies):
        try:
            alone(body)
        except (ValueError, RecursionError):
            guesses[at] = _second(body, beside)
    return np.frombuffer(guesses, dtype=np.int8)


def _second(body: bytes | str, beside: Any) -> Guess:
    try:
        beside(body)
    except (ValueError, RecursionError):
        return Guess.BAD
    return Guess.FIELDS


@functools.lru_cache(maxsize=32)
def _decoder(columns: tuple[Column, ...], *, alone: bool) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_struct(columns, alone=alone))


def _struct(columns: tuple[Column, ...], *, alone: bool) -> type[msgspec.Struct]:
    fields = [(f"f{i}", _type(column, alone=alone) | None, None) for i, column in enumerate(columns)]
    names = {f"f{i}": column.field for i, column in enumerate(columns)}
    return msgspec.defstruct("Body", fields, rename=names, forbid_unknown_fields=alone)


def _type(column: Column, *, alone: bool) -> Any:
    if column.type is LogicalType.OBJECT:
        return _struct(column.children, alone=alone)
    if column.type is LogicalType.ARRAY and column.items is not None:
        return list[_type(column.items, alone=alone) | None]  # type: ignore[misc]  # a type made at run time
    return _SCALARS[column.type]

"""Unknown fields of a body that became columns: what a JSON value is, and whether a column can hold it exactly."""

from __future__ import annotations

import decimal
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ingest.decode.unknown import Member
from ingest.model.contract import Column, LogicalType

__all__ = ["kind_of", "taken"]

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_INT64 = range(-(2**63), 2**63)
_FIRST: Mapping[str, LogicalType | None] = {
    '"': LogicalType.STRING,
    "t": LogicalType.BOOLEAN,
    "f": LogicalType.BOOLEAN,
    "{": LogicalType.OBJECT,
    "[": LogicalType.ARRAY,
    "n": None,
}


def kind_of(text: str) -> LogicalType | None:
    """What a JSON value is; null for null, which may be anything."""
    if text[0] in _FIRST:
        return _FIRST[text[0]]
    whole = _INTEGER.fullmatch(text) is not None and int(text) in _INT64
    return LogicalType.INTEGER if whole else LogicalType.NUMBER


def taken(members: Sequence[Member], columns: Iterable[Column]) -> tuple[dict[str, Any], list[Member]]:
    """The values that `columns` take of the members, by column, and the members that none takes.

    A value that a column cannot hold exactly, or that is said twice, is left.
    """
    said = Counter(member.name for member in members)
    wanted = {column.field: column for column in columns}
    values: dict[str, Any] = {}
    left = []
    for member in members:
        column = wanted.get(member.name) if member.is_unknown and said[member.name] == 1 else None
        if column is None or not _fits(member.text, column.type):
            left.append(member)
        else:
            values[column.name] = json.loads(member.text)
    return values, left


def _fits(text: str, wanted: LogicalType) -> bool:
    kind = kind_of(text)
    if wanted is not LogicalType.NUMBER or kind not in {LogicalType.INTEGER, LogicalType.NUMBER}:
        return kind is None or kind is wanted
    try:
        double = float(text)
        return math.isfinite(double) and decimal.Decimal(repr(double)) == decimal.Decimal(text)
    except (ValueError, decimal.InvalidOperation):
        return False

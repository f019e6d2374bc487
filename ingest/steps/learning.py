"""Unknown fields that become columns, where the contract says `unknownFields: evolve`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ingest.model.contract import Column, Contract, LogicalType

__all__ = ["LEARNED", "learnable"]

LEARNED = 100
"""How many columns a table learns: a producer that puts data into names does not make a table of them."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_NUMBERS = frozenset({LogicalType.INTEGER, LogicalType.NUMBER})
_SCALARS = frozenset({LogicalType.STRING, LogicalType.BOOLEAN, *_NUMBERS})


def learnable(kinds: Mapping[str, frozenset[LogicalType]], contract: Contract) -> tuple[Column, ...]:
    """The fields of `kinds` that can be columns beside those of the contract: of one scalar type, with a plain name.

    Integers and other numbers together are numbers. All else stays in `_rescued`.
    """
    there = {column.name.casefold() for column in (*contract.columns, *contract.learned)} | set(contract.reserved)
    found: list[Column] = []
    for name, types in sorted(kinds.items()):
        kind = LogicalType.NUMBER if types == _NUMBERS else next(iter(types)) if len(types) == 1 else None
        free = name.casefold() not in there and len(contract.learned) + len(found) < LEARNED
        if kind in _SCALARS and kind is not None and _NAME.fullmatch(name) and free:
            there.add(name.casefold())
            found.append(Column(name=name, field=name, type=kind))
    return tuple(found)

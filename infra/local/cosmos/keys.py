"""Partition keys: as requests send them, and as items are kept under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cosmos import epk
from cosmos.errors import bad_request
from cosmos.resources import Container

__all__ = ["ItemKey", "key_values", "partition_key"]


@dataclass(frozen=True, slots=True)
class ItemKey:
    """A partition key: its values, its place in the hash space, and a text that two keys share only if equal."""

    values: tuple[epk.Scalar, ...]
    place: str
    text: str

    @classmethod
    def of(cls, values: Sequence[epk.Scalar]) -> ItemKey:
        """Of one value per level."""
        try:
            shown = [{} if isinstance(value, epk.Undefined) else _number(value) for value in values]
        except OverflowError:
            raise bad_request("A number of the partition key is out of range.") from None
        return cls(tuple(values), epk.effective(values), msgspec.json.encode(shown).decode())


def key_values(text: str) -> tuple[epk.Scalar, ...]:
    """The values of a partition key as sent, `["IS"]`: `{}` is undefined, `[]` a key of no level. Else 400."""
    try:
        values = msgspec.json.decode(text)
    except msgspec.DecodeError:
        values = None
    if not isinstance(values, list) or any(isinstance(one, list) or (isinstance(one, dict) and one) for one in values):
        raise bad_request(f"Partition key {text} is invalid.")
    return tuple(epk.UNDEFINED if one == {} else one for one in values)


def partition_key(container: Container, values: Sequence[epk.Scalar]) -> ItemKey:
    """400 when it has not one value per level."""
    if len(values) != len(container.paths):
        raise bad_request(
            "Partition key provided either doesn't correspond to definition in the collection or doesn't"
            " match partition key field values specified in the document.",
            1001,
        )
    return ItemKey.of(values)


def _number(value: epk.Scalar) -> Any:
    """1 and 1.0 are one key."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

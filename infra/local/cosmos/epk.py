"""Effective partition keys: where in the hash space a partition key lies, as the service and every SDK compute it.

Hash version 2: MurmurHash3 (x64, 128 bits, seed 0) over the type-tagged value, most significant byte first, its
two top bits cleared, in upper-case hexadecimal. Keys of several levels (MultiHash) are one such hash per level,
side by side, so that a prefix of the levels is a prefix of the string.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from typing import Final

__all__ = ["MAXIMUM", "MINIMUM", "UNDEFINED", "Scalar", "Undefined", "effective", "middle", "prefix_range"]

MINIMUM: Final = ""
MAXIMUM: Final = "FF"

_MASK: Final = (1 << 64) - 1
_C1: Final = 0x87C37B91114253D5
_C2: Final = 0x4CF5AD432745937F
_WIDTH: Final = 32  # hexadecimal digits of one hash
_SPACE: Final = 1 << 126  # hashes are below this: the two top bits are cleared


class Undefined:
    """The value of a partition key path that an item does not have; written `{}` in the header."""

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = Undefined()

Scalar = str | float | int | bool | None | Undefined


def effective(levels: Sequence[Scalar]) -> str:
    """The effective partition key of the values of all levels."""
    return "".join(_hash(_tagged(level)) for level in levels)


def prefix_range(levels: Sequence[Scalar]) -> tuple[str, str]:
    """[minimum, maximum) of all keys that begin with `levels`."""
    start = effective(levels)
    return start, start + "FF"


def middle(minimum: str, maximum: str) -> str:
    """A boundary halfway between two: what a split uses when it is told none."""
    low = int(minimum.ljust(_WIDTH, "0")[:_WIDTH], 16) if minimum else 0
    high = _SPACE if maximum == MAXIMUM else int(maximum.ljust(_WIDTH, "0")[:_WIDTH], 16)
    return f"{(low + high) // 2:0{_WIDTH}X}"


def _tagged(value: Scalar) -> bytes:
    if isinstance(value, Undefined):
        return b"\x00"
    if value is None:
        return b"\x01"
    if value is False:
        return b"\x02"
    if value is True:
        return b"\x03"
    if isinstance(value, str):
        return b"\x08" + value.encode() + b"\xff"
    return b"\x05" + struct.pack("<d", float(value))


@functools.lru_cache(maxsize=65_536)
def _hash(data: bytes) -> str:
    low, high = _murmur(data)
    return f"{((high << 64) | low) & (_SPACE - 1):0{_WIDTH}X}"


def _rotated(value: int, by: int) -> int:
    return ((value << by) | (value >> (64 - by))) & _MASK


def _mixed(value: int) -> int:
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD & _MASK
    value ^= value >> 33
    value = value * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33


def _murmur(data: bytes) -> tuple[int, int]:
    one = two = 0
    whole = len(data) - len(data) % 16
    for low, high in struct.iter_unpack("<QQ", data[:whole]):
        one ^= _rotated(low * _C1 & _MASK, 31) * _C2 & _MASK
        one = ((_rotated(one, 27) + two) * 5 + 0x52DCE729) & _MASK
        two ^= _rotated(high * _C2 & _MASK, 33) * _C1 & _MASK
        two = ((_rotated(two, 31) + one) * 5 + 0x38495AB5) & _MASK
    low, high = struct.unpack("<QQ", data[whole:].ljust(16, b"\x00"))
    two ^= _rotated(high * _C2 & _MASK, 33) * _C1 & _MASK
    one ^= _rotated(low * _C1 & _MASK, 31) * _C2 & _MASK
    one, two = one ^ len(data), two ^ len(data)
    one = (one + two) & _MASK
    two = (two + one) & _MASK
    one, two = _mixed(one), _mixed(two)
    one = (one + two) & _MASK
    return one, (two + one) & _MASK

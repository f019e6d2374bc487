"""Bodies to numbered lines: each object gets its row number as first member, under a key nobody can guess.

The reader parses one document after another and does not care for lines, so a body that holds two documents,
or half of one, shifts its neighbours. When the numbers that come back are exactly those that went in,
every body was one object: a number is a member of the object that its own body's brace opens, so n
objects with the n numbers in order leave no room for another reading.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ended", "ndjson", "number", "starts"]

_WHITE = " \t\r\n"
_END = 2**31 - 1  # pyarrow 26 refuses an open end: "Negative buffer resize"


def number(texts: pa.Array, numbers: npt.NDArray[np.int32], key: str) -> pa.Array:
    """Texts (n) that begin an object, as binary lines (n) `{"<key>":<number>,…` that end in a newline."""
    comma: pa.Scalar | pa.Array = pa.scalar(b",")
    dense = pc.starts_with(texts, '{"')
    bodies = pc.cast(texts, pa.binary())
    rest = pc.binary_slice(bodies, 1, _END)
    if not pc.all(dense).as_py():  # white space somewhere, or an object without members
        other = pc.invert(dense)
        tails = _trimmed(pc.binary_slice(_trimmed(bodies.filter(other)), 1, _END))
        rest = pc.replace_with_mask(rest, other, tails)
        comma = pc.if_else(pc.starts_with(rest, "}"), pa.scalar(b""), pa.scalar(b","))
    digits = pc.cast(pc.cast(pa.array(numbers), pa.string()), pa.binary())
    head = pa.scalar(b'{"' + key.encode("ascii") + b'":')
    return pc.binary_join_element_wise(head, digits, comma, rest, pa.scalar(b"\n"), b"")


def ended(texts: pa.Array) -> pa.Array:
    """Texts (n) as binary lines (n) that end in a newline."""
    return pc.binary_join_element_wise(pc.cast(texts, pa.binary()), pa.scalar(b"\n"), b"")


def _trimmed(bodies: pa.Array) -> pa.Array:
    return pc.cast(pc.ascii_ltrim(pc.cast(bodies, pa.string()), _WHITE), pa.binary())


def starts(array: pa.Array) -> npt.NDArray[np.int32]:
    """The offsets (n + 1) of a binary or string array's values in its data buffer."""
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int32)
    return offsets[array.offset : array.offset + len(array) + 1]


def ndjson(lines: pa.Array) -> pa.Buffer:
    """The lines as one buffer, without copying: Arrow keeps the values of a slice side by side."""
    bounds = starts(lines)
    return lines.buffers()[2].slice(int(bounds[0]), int(bounds[-1] - bounds[0]))

"""Bytes at many places of a buffer → Arrow arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["PLAIN", "Bytes", "Marks", "Places", "escaped", "gathered", "is_text"]

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]

PLAIN: Marks = np.ones(256, np.bool_)
"""For each byte: does it stand in a string of JSON as it is? Beyond ASCII it must be UTF-8, too."""

PLAIN[: ord(" ")] = False
PLAIN[[ord('"'), ord("\\")]] = False


def gathered(data: bytearray, begins: Places, sizes: Places, has: Marks | None = None) -> pa.Array:
    """The bytes from each of `begins` (n) on as binary (n); null where not `has`.

    Arrow takes every other element of an array over all of `data`, in which the elements between are never looked at.
    """
    count = len(begins)
    offsets = np.empty(2 * count + 1, np.int32 if len(data) < 2**31 else np.int64)
    begins = np.minimum(begins, len(data))  # of an empty one it may lie beyond
    offsets[0:-1:2], offsets[1::2], offsets[-1] = begins, begins + sizes, len(data)
    kind = pa.binary() if offsets.dtype == np.int32 else pa.large_binary()
    whole = pa.Array.from_buffers(kind, 2 * count, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    places = pa.array(np.arange(0, 2 * count, 2), mask=None if has is None else ~has)
    return whole.take(places).cast(pa.binary())


def escaped(values: pa.Array) -> Marks:
    """True where JSON must escape something of a text."""
    _, offsets, content = values.buffers()
    if content is None:
        return np.zeros(len(values), np.bool_)
    places = np.flatnonzero(~PLAIN[np.frombuffer(content, np.uint8)])
    found = np.zeros(len(values), np.bool_)
    if places.size:
        ends = np.frombuffer(offsets, np.int32)[values.offset + 1 : values.offset + 1 + len(values)]
        owners = np.searchsorted(ends, places, side="right")
        found[owners[owners < len(values)]] = True
    return found


def is_text(values: pa.Array) -> Marks:
    """True where a binary value is UTF-8, or null."""
    return np.fromiter(map(_is_text, values.to_pylist()), np.bool_, len(values))


def _is_text(content: bytes | None) -> bool:
    try:
        return content is None or content.decode() is not None
    except UnicodeDecodeError:
        return False

"""Numbers of texts that differ where the texts do, mostly: to leave out at once what cannot be among those wanted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["Fingerprints", "fingerprints"]

_WORD = 8  # bytes
_ENDS = (0, _WORD)
_MIX, _DOWN = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)
_ROOM = 32
"""Bits of the table for each text, so that of others about one in 32 passes."""


class Fingerprints:
    """Lets through every text that is one of `wanted`, and a few others."""

    def __init__(self, wanted: pa.Array) -> None:
        self._mask = np.uint64((1 << max(len(wanted) * _ROOM, 1).bit_length()) - 1)
        self._there = np.zeros(int(self._mask) + 1, np.bool_)
        self._there[fingerprints(wanted) & self._mask] = True

    def passes(self, texts: pa.Array) -> npt.NDArray[np.bool_]:
        """For each text (n): false means that it is none of those wanted."""
        passed: npt.NDArray[np.bool_] = self._there[fingerprints(texts) & self._mask]
        return passed


def fingerprints(texts: pa.Array) -> npt.NDArray[np.uint64]:
    """A number for each text (n, no nulls), of its length and the 16 bytes at either end."""
    if not len(texts):
        return np.zeros(0, np.uint64)
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    size = int(offsets[-1] - offsets[0])
    padded = np.zeros(size + 4 * _WORD, np.uint8)  # a word before or after any text is there
    if size:
        padded[2 * _WORD : 2 * _WORD + size] = np.frombuffer(texts.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    words = np.ndarray(len(padded) - _WORD + 1, "<u8", padded, strides=(1,))  # the one that begins at each byte
    bounds = offsets - offsets[0] + 2 * _WORD
    begins, ends = bounds[:-1], bounds[1:]
    found: npt.NDArray[np.uint64] = (ends - begins).astype(np.uint64)
    for skipped in _ENDS:
        own = np.clip(ends - begins - skipped, 0, _WORD)  # bytes of a word that are the text's
        others = (8 * (_WORD - own) & 63).astype(np.uint64)
        for word in (
            words[ends - skipped - _WORD] >> others,
            words[begins + np.minimum(skipped, ends - begins)] << others,
        ):
            found = (found ^ np.where(own > 0, word, 0)) * _MIX
            found ^= found >> _DOWN
    return found

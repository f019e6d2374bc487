"""Content encodings: gzip and deflate taken off, with a bound on what comes out."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

__all__ = ["MOST_BYTES", "Broken", "codings", "decompressed"]

MOST_BYTES = 16 * 1024 * 1024
"""What a body may be decompressed to: as much as RabbitMQ 4 takes as one message. More is a decompression bomb."""

_PLAIN = frozenset({"", "identity", "utf-8", "utf8"})
"""Encodings that leave the bytes as they are; some .NET clients name the charset here."""

_MOST_CODINGS = 3
_GZIP, _ZLIB, _RAW = 31, 15, -15


class Broken(Exception):
    """The bytes are not what their encoding says, or too many; the message is a sentence without content."""


def codings(encoding: str | None) -> tuple[str, ...] | None:
    """The compressions to be taken off, in their order; null where there is no reader for one of them."""
    if not encoding:
        return ()
    names = [name.strip().lower() for name in encoding.split(",")]
    found = tuple(name.removeprefix("x-") for name in reversed(names) if name not in _PLAIN)
    return found if len(found) <= _MOST_CODINGS and all(name in _READERS for name in found) else None


def decompressed(body: bytes, compressions: tuple[str, ...]) -> bytes:
    """The body without its compressions.

    Raises:
        Broken: it is not compressed so, ends early, or would have more than `MOST_BYTES`.
    """
    for name in compressions:
        try:
            body = _READERS[name](body)
        except zlib.error:
            raise Broken(f"The body is not {name}, which its content encoding says it is.") from None
    return body


def _gzip(body: bytes) -> bytes:
    """All members, as the format allows several; zeros may follow."""
    found, rest = b"", body
    while True:
        piece, rest = _inflated(rest, _GZIP, MOST_BYTES - len(found))
        found = found + piece if found else piece
        if not rest.strip(b"\0"):
            return found


def _deflate(body: bytes) -> bytes:
    """With zlib's frame, as the standard says, or without, as many wrote it."""
    try:
        found, rest = _inflated(body, _ZLIB, MOST_BYTES)
    except zlib.error:
        found, rest = _inflated(body, _RAW, MOST_BYTES)
    if rest:
        raise Broken("The body goes on after its compressed data.")
    return found


def _inflated(data: bytes, window: int, room: int) -> tuple[bytes, bytes]:
    """One compressed stream, of at most `room` bytes, and what stands behind it."""
    stream = zlib.decompressobj(window)
    found = stream.decompress(data, room + 1)
    if len(found) > room:
        raise Broken(f"The body would be more than {MOST_BYTES // 2**20} MB without its compression.")
    if not stream.eof:
        raise Broken("The body's compressed data ends too early.")
    return found, stream.unused_data


_READERS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": _gzip, "deflate": _deflate}

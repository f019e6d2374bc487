"""Compressed bodies: taken off within a bound, and refused in words."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from ingest.envelope import payload_of
from ingest.envelope.encoding import MOST_BYTES
from ingest.model.delivery import Delivery
from ingest.model.reason import Reason

BODY = b'{"order_id":"o-00000001"}' * 100


def _raw_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


def _delivery(body: bytes, encoding: str | None) -> Delivery:
    return Delivery(body, "shop.events/lakepost.orders", content_type="application/json", content_encoding=encoding)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (BODY, None),
        (BODY, "utf-8"),
        (BODY, "Identity"),
        (gzip.compress(BODY), "gzip"),
        (gzip.compress(BODY), "X-GZIP"),
        (gzip.compress(BODY[:7]) + gzip.compress(BODY[7:]) + b"\0\0\0", "gzip"),
        (zlib.compress(BODY), "deflate"),
        (_raw_deflate(BODY), "deflate"),
        (gzip.compress(BODY), "utf-8, gzip"),
        (gzip.compress(zlib.compress(BODY)), "deflate, gzip"),
    ],
)
def test_what_is_compressed_is_read(body: bytes, encoding: str | None) -> None:
    found = payload_of(_delivery(body, encoding))
    assert (found.body, found.reason) == (BODY, None)


@pytest.mark.parametrize(
    ("body", "encoding", "words"),
    [
        (BODY, "gzip", "The body is not gzip"),
        (b"", "gzip", "ends too early"),
        (gzip.compress(BODY)[:-9], "gzip", "ends too early"),
        (gzip.compress(BODY)[:-1] + b"\x7f", "gzip", "The body is not gzip"),
        (gzip.compress(BODY) + b"more", "gzip", "The body is not gzip"),
        (BODY, "deflate", "The body is not deflate"),
        (zlib.compress(BODY) + b"more", "deflate", "goes on"),
        (gzip.compress(bytes(MOST_BYTES + 1)), "gzip", "more than 16 MB"),
        (_raw_deflate(bytes(MOST_BYTES + 1)), "deflate", "more than 16 MB"),
        (gzip.compress(bytes(MOST_BYTES)) + gzip.compress(b"x"), "gzip", "more than 16 MB"),
    ],
)
def test_what_cannot_be_decompressed_says_why(body: bytes, encoding: str, words: str) -> None:
    found = payload_of(_delivery(body, encoding))
    assert found.reason is Reason.ENVELOPE
    assert words in (found.detail or "")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "gzip, gzip, gzip, gzip", "\x00"])
def test_an_encoding_without_a_reader_is_left_for_decode_to_refuse_by_name(encoding: str) -> None:
    assert payload_of(_delivery(BODY, encoding)) == (BODY, "application/json", encoding, None, None)


def test_a_decompression_bomb_takes_no_more_memory_than_the_bound() -> None:
    bomb = _delivery(gzip.compress(bytes(400 * 2**20), 9), "gzip")  # a thousand times its size
    tracemalloc.start()
    try:
        assert payload_of(bomb).reason is Reason.ENVELOPE
        assert tracemalloc.get_traced_memory()[1] < 3 * MOST_BYTES
    finally:
        tracemalloc.stop()

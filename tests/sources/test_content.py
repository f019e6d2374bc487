"""Decoding a message's frames, for any bytes."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from ingest.sources.content import UNREADABLE, Address, delivery, table

TO = Address(1, redelivered=False, exchange="e", routing_key="k")


@given(st.binary(max_size=400), st.integers(0, 0xFFFF))
def test_no_properties_can_raise(properties: bytes, flags: int) -> None:
    header = struct.pack(">HHQH", 60, 0, 2, flags) + properties
    got = delivery(TO, "q", header, b"{}")
    assert (got.body, got.source, got.routing_key) == (b"{}", "e/q", "k")
    for text in (got.message_id, got.type, got.content_type, *got.headers, *got.properties.values()):
        (text or "").encode()  # no surrogates


@given(st.binary(max_size=30))
def test_a_header_that_is_cut_off_cannot_raise(header: bytes) -> None:
    assert delivery(TO, "q", header, b"body").body == b"body"


@given(st.binary(max_size=400))
def test_no_header_table_can_raise(data: bytes) -> None:
    assert isinstance(table(data), dict)


def test_what_cannot_be_read_is_kept() -> None:
    data = b"\x01a" + b"t\x01" + b"\x01b" + b"S" + struct.pack(">I", 99) + b"cut"
    assert table(data) == {"a": True, UNREADABLE: "\x01bS\0\0\0ccut"}


def test_nan_is_a_float() -> None:
    value = table(b"\x01n" + b"d" + struct.pack(">d", float("nan")))["n"]
    assert value != value  # noqa: PLR0124 - only NaN is not itself

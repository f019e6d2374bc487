"""Reading many messages at once gives what reading each of them gives, for any bytes."""

from __future__ import annotations

import struct
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import SourceUnavailable
from ingest.model.arrived import Values
from ingest.model.delivery import Delivery
from ingest.sources.chunk import Chunk, canonical
from ingest.sources.offsets import OFFSET, StreamChunk, offset_of
from tests.sources.publisher import long, short

NAMES = [b"a", b"timestamp_in_ms", b"amqp:app_id", b'"', b"\xff", "ü".encode()]
PLAIN = [
    b"",
    b"x",
    b"abc",
    b"abd",
    "grün".encode(),
    b'say "x"',
    b"\\",
    b"\n",
    b"\x7f",
    b"\xed\xa0\x80",
    b"\xff",
    b"x" * 255,
]

texts = st.sampled_from(PLAIN)
numbers = st.sampled_from([0, 1, 7, -1, 127, 1_700_000_000_000, 2**62, -(2**63)])


def _integer(kind: bytes, shape: str, bits: int, signed: bool) -> st.SearchStrategy[bytes]:  # noqa: FBT001
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return numbers.map(lambda number: kind + struct.pack(shape, min(max(number, least), most)))


values = st.one_of(
    _integer(b"b", ">b", 8, signed=True),
    _integer(b"B", ">B", 8, signed=False),
    _integer(b"s", ">h", 16, signed=True),
    _integer(b"u", ">H", 16, signed=False),
    _integer(b"I", ">i", 32, signed=True),
    _integer(b"i", ">I", 32, signed=False),
    _integer(b"l", ">q", 64, signed=True),
    _integer(b"T", ">Q", 64, signed=False),
    texts.map(lambda text: b"S" + long(text)),
    texts.map(lambda text: b"x" + long(text)),
    st.sampled_from(
        [
            b"t\x01",
            b"V",
            b"d" + struct.pack(">d", 0.5),
            b"d" + struct.pack(">d", float("nan")),
            b"D\x02" + struct.pack(">i", 123),
            b"F" + long(short(b"in") + b"t\x00"),
            b"A" + long(b"t\x01" + b"S" + long(b"y")),
            b"?",
            b"S\xff\xff\xff\xff",
        ]
    ),
)
Fields = list[tuple[bytes, bytes]]


def _table(fields: Fields) -> bytes:
    return b"".join(short(name) + value for name, value in fields)


fields = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=3)
shorts = texts.map(short)
PROPERTIES: list[tuple[int, st.SearchStrategy[bytes]]] = [
    (0x8000, shorts),
    (0x4000, shorts),
    (0x2000, fields.map(_table).map(long)),
    (0x1000, st.just(b"\x02")),
    (0x0800, st.sampled_from([b"\0", b"\5"])),
    (0x0400, shorts),
    (0x0200, shorts),
    (0x0100, shorts),
    (0x0080, shorts),
    (
        0x0040,
        st.sampled_from([0, 1_763_600_000, 253_402_300_799, 253_402_300_800, 2**64 - 1]).map(struct.Struct(">Q").pack),
    ),
    (0x0020, shorts),
    (0x0010, shorts),
    (0x0008, shorts),
    (0x0004, shorts),
]


def _properties(draw: st.DrawFn, some: dict[int, bytes]) -> tuple[int, bytes]:
    """Flags and what they announce: `some` as they are, others or not."""
    flags, content = draw(st.sampled_from([0, 0, 0, 1, 2])), b""
    for flag, strategy in PROPERTIES:
        if flag in some or draw(st.booleans()):
            flags |= flag
            content += some[flag] if flag in some else draw(strategy)
    return flags, content


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """Flags and properties: right ones, cut off, with more behind them, or any bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(min_size=2, max_size=80))
    flags, content = _properties(draw, {})
    cut = draw(st.sampled_from([None] * 6 + [-1, -3, 4]))
    return struct.pack(">H", flags) + content[:cut] + draw(st.sampled_from([b""] * 5 + [b"more"]))


@st.composite
def headers_of_a_stream(draw: st.DrawFn) -> bytes:
    """The same with an offset among the headers; seldom a producer's own beside it, seldom one that is none."""
    table = draw(fields)
    offset = st.one_of(_integer(b"l", ">q", 64, signed=True), _integer(b"I", ">i", 32, signed=True))
    if draw(st.integers(0, 5)) == 0:
        table.insert(draw(st.integers(0, len(table))), (OFFSET.encode(), draw(values)))
    if draw(st.integers(0, 9)):
        table.insert(draw(st.integers(0, len(table))), (OFFSET.encode(), draw(offset)))
    flags, content = _properties(draw, {0x2000: long(_table(table))})
    return struct.pack(">H", flags) + content


def _method(tag: int, redelivered: int, exchange: bytes, key: bytes) -> bytes:
    return (
        struct.pack(">HH", 60, 60) + short(b"c") + struct.pack(">QB", tag, redelivered) + short(exchange) + short(key)
    )


def _chunk(messages: list[tuple[int, bytes, bytes, bytes, bytes]]) -> Chunk:
    data, starts = bytearray(b"before"), array("q")
    for tag, (redelivered, exchange, key, properties, body) in enumerate(messages, 1):
        starts.append(len(data))
        data += canonical(_method(tag, redelivered, exchange, key), bytes(12) + properties, body)
    return Chunk(data, starts, len(data), "queue")


@settings(deadline=None)  # the first call is slow
@given(st.lists(st.tuples(st.integers(0, 1), texts, texts, headers(), texts), min_size=1, max_size=8))
def test_columns_are_what_each_delivery_says(messages: list[tuple[int, bytes, bytes, bytes, bytes]]) -> None:
    chunk = _chunk(messages)
    found = chunk.arrived()
    found.rows.validate(full=True)
    one_by_one = [chunk[place] for place in range(len(chunk))]
    assert found.rows.to_pylist() == Values(one_by_one).arrived().rows.to_pylist()


@settings(deadline=None)  # the first call is slow
@given(st.lists(st.tuples(st.just(0), texts, texts, headers(), texts), min_size=2, max_size=8), st.data())
def test_what_a_message_says_does_not_depend_on_its_neighbours(
    messages: list[tuple[int, bytes, bytes, bytes, bytes]], data: st.DataObject
) -> None:
    chunk = _chunk(messages)
    first, rest = chunk.split(data.draw(st.integers(1, len(messages) - 1)))
    apart = first.arrived().rows.to_pylist() + rest.arrived().rows.to_pylist()
    assert apart == chunk.arrived().rows.to_pylist()
    assert first.joined(rest)
    assert first.arrived().rows.to_pylist() == apart


def _delivered(chunk: Chunk, at: int) -> Delivery:
    """A message of a stream by itself."""
    delivery = chunk[at]
    left = {name: value for name, value in delivery.headers.items() if name != OFFSET}
    return delivery._replace(headers=left, position=offset_of(chunk, at))


@settings(deadline=None)  # the first call is slow
@given(
    st.lists(st.tuples(st.integers(0, 1), texts, texts, headers_of_a_stream(), texts), min_size=1, max_size=8),
    st.sampled_from([1, 16]),
)
def test_columns_of_a_stream_are_what_each_delivery_says(
    messages: list[tuple[int, bytes, bytes, bytes, bytes]], times: int
) -> None:
    chunk = _chunk(messages * times)
    try:
        one_by_one = [_delivered(chunk, place) for place in range(len(chunk))]
    except SourceUnavailable:
        with pytest.raises(SourceUnavailable, match="without its offset"):
            StreamChunk.of(chunk)
        return
    found = StreamChunk.of(chunk)
    rows = found.arrived().rows
    rows.validate(full=True)
    assert rows.to_pylist() == Values(one_by_one).arrived().rows.to_pylist()
    assert repr([found[place] for place in range(len(found))]) == repr(one_by_one)  # NaN is not itself


@given(st.lists(st.integers(0, 9), min_size=1, max_size=24), st.integers(0, 9), st.none() | st.integers(0, 9))
def test_a_reading_takes_the_messages_of_its_range(offsets: list[int], begin: int, last: int | None) -> None:
    properties = [struct.pack(">H", 0x2000) + long(_table([(OFFSET.encode(), _long(one))])) for one in offsets]
    chunk = StreamChunk.of(_chunk([(0, b"", b"", one, b"%d" % at) for at, one in enumerate(properties)]))
    assert chunk.offsets.tolist() == offsets
    inside = [at for at, one in enumerate(offsets) if begin <= one and (last is None or one <= last)]
    found = [part[at] for part in chunk.within(begin, last) for at in range(len(part))]
    assert [(one.position, one.body) for one in found] == [(offsets[at], b"%d" % at) for at in inside]


def _long(number: int) -> bytes:
    return b"l" + struct.pack(">q", number)

"""Header tables → JSON, many at a time. Producers write the same names in the same order into each message.

So tables of one shape are read together: the bytes that the first of them has outside of its numbers and strings must
stand in all of them. Whatever has a shape of its own, or a value that JSON must escape, is left to `content.table`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.model.arrived import MILLISECONDS, names_text
from ingest.sources import content
from ingest.sources.gather import PLAIN, Bytes, Marks, Places, is_text

__all__ = ["Tables", "read_numbers", "read_tables"]

_SHAPES = 24  # that are looked for in one go
_INTEGERS = {
    ord("b"): ">i1",
    ord("B"): ">u1",
    ord("s"): ">i2",
    ord("u"): ">u2",
    ord("I"): ">i4",
    ord("i"): ">u4",
    ord("l"): ">i8",
    ord("L"): ">i8",
}
_STRING = ord("S")
Field = tuple[int, int, int]
"""Kind, begin and end of a value within its table."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Of n header tables the members as JSON, each after a comma, names and milliseconds, null for none.

    `odd` are those that were not read.
    """

    text: pa.Array
    names: pa.Array
    milliseconds: pa.Array
    odd: Marks


@dataclass(frozen=True, slots=True)
class _Shape:
    """`fixed`: which bytes are the same in all tables; `parts`: JSON literals, and fields as (kind, begin, end).

    `apart` is a field that is no part.
    """

    fixed: Marks
    parts: list[str | Field]
    names: str | None
    milliseconds: int | Field | None
    apart: Field | None


def read_tables(data: Bytes, begins: Places, sizes: Places, but: str | None = None) -> Tables:
    """The tables of `sizes` (n) bytes from `begins` (n) on in `data`, without the integer under the name `but`.

    There is none where the size is 0.
    """
    count = len(begins)
    places, texts, names, milliseconds = [], [], [], []
    for shape, alike, tables in _alike(data, begins, sizes, but):
        plain: Marks = np.ones(len(alike), np.bool_)
        for kind, start, stop in (part for part in shape.parts if not isinstance(part, str)):
            if kind == _STRING:
                plain &= _plain(tables[:, start:stop])
        found, matrix = alike[plain], tables[plain]
        if len(found):
            places.append(found)
            texts.append(_text(matrix, shape.parts))
            names.append(pa.repeat(pa.scalar(shape.names, pa.string()), len(found)))
            milliseconds.append(_milliseconds(matrix, shape))
    odd = sizes > 0
    if not places:
        return Tables(pa.nulls(count, pa.string()), pa.nulls(count, pa.string()), pa.nulls(count, pa.int64()), odd)
    order = np.concatenate(places)
    odd[order] = False
    index = np.zeros(count, np.int64)
    index[order] = np.arange(len(order))
    has = np.zeros(count, np.bool_)
    has[order] = True
    take = pa.array(index, mask=~has)
    text, name, number = (pa.concat_arrays(parts).take(take) for parts in (texts, names, milliseconds))
    return Tables(text, name, number, odd)


def read_numbers(data: Bytes, begins: Places, sizes: Places, name: str) -> tuple[Places, Marks]:
    """The integers under `name` in the tables of `sizes` (n) bytes from `begins` (n) on, and where there is one (n).

    Not told of a table that has several fields of one name.
    """
    found, known = np.zeros(len(begins), np.int64), np.zeros(len(begins), np.bool_)
    for shape, alike, tables in _alike(data, begins, sizes, name):
        if shape.apart is not None:
            found[alike] = _integers(tables, shape.apart)
            known[alike] = True
    return found, known


def _alike(data: Bytes, begins: Places, sizes: Places, but: str | None) -> Iterator[tuple[_Shape, Places, Bytes]]:
    """Tables of one shape: the shape, which ones they are (k), and their bytes (k, size)."""
    rest = np.flatnonzero(sizes)
    for _ in range(_SHAPES):
        if not rest.size:
            break
        begin, size = int(begins[rest[0]]), int(sizes[rest[0]])
        first = data[begin : begin + size]
        shape = _shape(first.tobytes(), but)
        if shape is None:
            rest = rest[1:]
            continue
        mates = rest[sizes[rest] == size]
        matrix = np.lib.stride_tricks.sliding_window_view(data, size)[begins[mates]]
        same = (matrix[:, shape.fixed] == first[shape.fixed]).all(axis=1)
        yield shape, mates[same], matrix[same]
        rest = np.setdiff1d(rest, mates[same], assume_unique=True)


def _shape(table: bytes, but: str | None) -> _Shape | None:
    """The shape of a table, the integer under the name `but` left out; null where it has none that is read here."""
    fixed = np.ones(len(table), np.bool_)
    parts: list[str | Field] = []
    names: list[str] = []
    milliseconds: int | Field | None = None
    apart: Field | None = None
    at = 0
    try:
        while at < len(table):
            name, place = content.short(table, at)
            value, after = content.field_value(table, place)
            kind = table[place]
            field = None
            if kind in _INTEGERS or kind == _STRING:
                field = (kind, place + (5 if kind == _STRING else 1), after)
                fixed[field[1] : after] = False
            if name == MILLISECONDS and type(value) is int:
                milliseconds = field or value
            literal = "," + msgspec.json.encode(name).decode() + ":"
            if name == but:
                if field is None or kind == _STRING:
                    return None
                apart = field
            elif field is None:
                parts.append(literal + msgspec.json.encode(value, enc_hook=str).decode())
            elif kind == _STRING:
                parts += [literal + '"', field, '"']
            else:
                parts += [literal, field]
            names.append(name)
            at = after
    except (IndexError, struct.error, content.Unreadable):
        return None
    if len(set(names)) < len(names) or any(name.startswith("amqp:") for name in names):
        return None  # the last of a name counts, and of a property and a header the property
    return _Shape(fixed, parts, names_text(dict.fromkeys(name for name in names if name != but)), milliseconds, apart)


def _text(matrix: Bytes, parts: list[str | Field]) -> pa.Array:
    columns: list[Any] = [part if isinstance(part, str) else _values(matrix, part) for part in parts]
    if all(isinstance(column, str) for column in columns):
        return pa.repeat(pa.scalar("".join(columns)), len(matrix))
    return pc.binary_join_element_wise(*columns, "")


def _values(matrix: Bytes, field: Field) -> pa.Array:
    """The values of a field as text, as JSON has them."""
    kind, start, stop = field
    if kind != _STRING:
        return pa.array(_integers(matrix, field)).cast(pa.string())
    return _strings(matrix[:, start:stop]).cast(pa.string())


def _strings(matrix: Bytes) -> pa.Array:
    """Each row as binary."""
    count, size = matrix.shape
    joined, offsets = np.ascontiguousarray(matrix), np.arange(count + 1, dtype=np.int32) * size
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(joined)])


def _plain(matrix: Bytes) -> Marks:
    """True for each row that is text of which JSON must escape nothing."""
    found: Marks = np.all(PLAIN[matrix], axis=1)
    strings = _strings(matrix)
    try:
        strings.cast(pa.string())
    except pa.ArrowInvalid:
        found &= is_text(strings)
    return found


def _integers(matrix: Bytes, field: Field) -> Places:
    kind, start, stop = field
    found: Places = np.ascontiguousarray(matrix[:, start:stop]).view(_INTEGERS[kind]).ravel().astype(np.int64)
    return found


def _milliseconds(matrix: Bytes, shape: _Shape) -> pa.Array:
    if isinstance(shape.milliseconds, tuple):
        return pa.array(_integers(matrix, shape.milliseconds))
    return pa.repeat(pa.scalar(shape.milliseconds, pa.int64()), len(matrix))

"""Numbered lines to columns: in bulk where all parse, row by row where one does not, always by one parser.

A row's verdict is that of Arrow's reader on this row alone. Reading many at once only saves time: a bulk
reading counts when it succeeds and every row number comes back in its place, which it cannot unless each
row alone would be read the same. When it fails, a hint sets suspects aside, these are read one by one,
the rest again in bulk. What the hint misses is found where the parser says that it stopped, else by halving.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from ingest.decode.finding import Finding
from ingest.decode.hint import probably_good
from ingest.decode.lines import ndjson
from ingest.decode.shape import reading_schema
from ingest.model.contract import Column, LogicalType
from ingest.model.reason import Reason

__all__ = ["Reader"]

Numbers = npt.NDArray[np.int32]

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]+")
_NO_NUMBER = r"[:,\[\s-](?:NaN|Inf)"  # what Arrow reads as numbers though JSON has no such; a string may hold it
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_EVERY_ROW = ""  # as a pattern, found in every row
_STOPPED = re.compile(r" in row ([0-9]{1,9})$")
_WINDOW = 2048  # rows that are parsed again to find the next bad one


class _Refused(Exception):
    """Not all of the lines parse. `row` is where Arrow's message says it stopped: a hint, if anything."""

    def __init__(self, row: int | None = None) -> None:
        super().__init__(row)
        self.row = row


class Reader:
    """Reads lines numbered under `key` as the payload fields of `columns`."""

    def __init__(self, columns: tuple[Column, ...], key: str) -> None:
        self.columns = columns
        self.key = key
        number = pa.field(key, pa.int32())
        self._schema = pa.schema([number, *reading_schema(columns)])
        self._strict = pa.schema([number, *reading_schema(columns, decimals_as_numbers=True)])
        self._suspicion = _quoted_decimal(columns)

    def read(self, lines: pa.Array, numbers: Numbers) -> tuple[pa.Table, Numbers]:
        """The lines (n) that parse, as columns by field name (k), and their numbers (k), ascending."""
        try:
            return self._parse(lines, numbers), numbers
        except _Refused:
            good = self._presumed(lines, numbers)
        pieces = list(self._halve(lines.filter(pa.array(good)), numbers[good]))
        if not pieces:
            return self._schema.remove(0).empty_table(), numbers[:0]
        return pa.concat_tables([piece for piece, _ in pieces]), np.concatenate([found for _, found in pieces])

    def parses(self, line: pa.Array, number: Numbers) -> bool:
        """The verdict on one line (1)."""
        try:
            self._parse(line, number)
        except _Refused:
            return False
        return True

    def culprit(self, line: pa.Array, number: Numbers) -> Finding:
        """Why one line (1) cannot be read: the first column that cannot be read alone, else the body."""
        if _has_no_number(line[0].as_py()):
            return Finding(Reason.MALFORMED, "The body holds NaN or Infinity, which JSON does not have.")
        if not Reader((), self.key).parses(line, number):
            return Finding(Reason.MALFORMED, "The body holds text or a number that no program can hold.")
        for column in self.columns:
            if not Reader((column,), self.key).parses(line, number):
                return Finding(Reason.WRONG_TYPE, f"{column.name} cannot be read.", column.name)
        return Finding(Reason.MALFORMED, "The body cannot be read.")

    def _presumed(self, lines: pa.Array, numbers: Numbers) -> npt.NDArray[np.bool_]:
        """Which lines (n) to read in bulk. The others did not parse alone; these may hide some that do not."""
        good = probably_good(lines.to_pylist(), self.columns)
        for at in np.flatnonzero(~good):
            good[at] = self.parses(lines.slice(at, 1), numbers[at : at + 1])
        rest = np.flatnonzero(good)
        lines, numbers = lines.filter(pa.array(good)), numbers[good]
        start = 0
        while start < len(rest):
            size = min(_WINDOW, len(rest) - start)
            bad = self._stop(lines.slice(start, size), numbers[start : start + size])
            if bad is not None and not self.parses(lines.slice(start + bad, 1), numbers[start + bad : start + bad + 1]):
                good[rest[start + bad]] = False
                size = bad + 1
            start += size
        return good

    def _stop(self, lines: pa.Array, numbers: Numbers) -> int | None:
        """Where the parser says it stopped, if it did and says so."""
        try:
            self._parse_as(self._schema, lines, numbers)
        except _Refused as refused:
            return refused.row if refused.row is not None and refused.row < len(lines) else None
        return None

    def _halve(self, lines: pa.Array, numbers: Numbers) -> Iterator[tuple[pa.Table, Numbers]]:
        """Pieces that parse, in order. The depth is the logarithm of the rows, so recursion is safe."""
        if len(lines) == 0:
            return
        try:
            yield self._parse(lines, numbers), numbers
        except _Refused:
            half = len(lines) // 2
            if half:
                yield from self._halve(lines.slice(0, half), numbers[:half])
                yield from self._halve(lines.slice(half), numbers[half:])

    def _parse(self, lines: pa.Array, numbers: Numbers) -> pa.Table:
        """All of the lines as columns; raises `_Refused`."""
        table = self._parse_as(self._schema, lines, numbers)
        texts = pc.cast(lines, pa.string())
        literals = pc.match_substring_regex(texts, _NO_NUMBER)
        if pc.any(literals).as_py() and any(map(_has_no_number, lines.filter(literals).to_pylist())):
            raise _Refused
        if self._suspicion is not None:
            suspects = pc.match_substring_regex(texts, self._suspicion)
            if pc.any(suspects).as_py():
                chosen = numbers[suspects.to_numpy(zero_copy_only=False)]
                self._parse_as(self._strict, lines.filter(suspects), chosen)
        return table

    def _parse_as(self, schema: pa.Schema, lines: pa.Array, numbers: Numbers) -> pa.Table:
        data = ndjson(lines)
        # One block: the reader cuts blocks at newlines, which a pretty-printed body has inside.
        read = pj.ReadOptions(use_threads=False, block_size=data.size + 1)
        parse = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        try:
            table = pj.read_json(pa.BufferReader(data), read_options=read, parse_options=parse)
        except pa.ArrowInvalid as error:
            stopped = _STOPPED.search(str(error))
            raise _Refused(int(stopped[1]) if stopped else None) from None
        found = table.column(0)
        if len(found) != len(numbers) or found.null_count or not np.array_equal(found.to_numpy(), numbers):
            raise _Refused
        return table.remove_column(0)


def _has_no_number(line: bytes) -> bool:
    """Whether a line that Arrow can read holds `NaN` or `Infinity` outside its strings: only literals stand there."""
    outside = _STRING.sub(b"", line)
    return b"NaN" in outside or b"Inf" in outside


def _quoted_decimal(columns: tuple[Column, ...]) -> str | None:
    r"""A pattern that every body with a JSON string in a decimal column matches; null without decimals.

    It may match others. A name that JSON would write in more ways than itself and `\u00XX` escapes, and
    decimals that are elements of an array, make every row a suspect.
    """
    names = set(_decimals(columns))
    if not names:
        return None
    if not all(_PLAIN_NAME.fullmatch(name) for name in names):
        return _EVERY_ROW
    escapes = sorted({f"{ord(letter):02x}" for name in names for letter in name})
    return rf'"(?:{"|".join(sorted(names))})"\s*:\s*"|(?i:\\u00(?:{"|".join(escapes)}))'


def _decimals(columns: tuple[Column, ...]) -> Iterator[str]:
    """The field names of decimals at any depth; empty for one without a name."""
    for column in columns:
        if column.type is LogicalType.DECIMAL:
            yield column.field
        elif column.type is LogicalType.OBJECT:
            yield from _decimals(column.children)
        elif column.items is not None:
            inner = column.items
            while inner.items is not None:
                inner = inner.items
            yield from [""] if inner.type is LogicalType.DECIMAL else _decimals((inner,))

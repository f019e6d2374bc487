"""Numbered lines to columns: in bulk where all parse, row by row where one does not, always by one parser.

A row's verdict is that of Arrow's reader on this row alone. Reading many at once only saves time: a bulk
reading counts when it succeeds and every row number comes back in its place, which it cannot unless each
row alone would be read the same. Most rows have no field but the contract's, so lines are read first by a
reader that refuses others: what it reads is proven to have none. When it refuses, a hint sets suspects aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from ingest.decode.finding import Finding
from ingest.decode.hint import Guess, guess
from ingest.decode.lines import ndjson, number
from ingest.decode.shape import reading_schema
from ingest.model.contract import Column, LogicalType
from ingest.model.reason import Reason

__all__ = ["Reader", "Reading"]

Numbers = npt.NDArray[np.int32]

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]+")
_NO_NUMBER = r"[:,\[]\s*-?(?:NaN|Inf)"  # what Arrow reads as numbers though JSON has no such; a string may hold it
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_EVERY_ROW = ""  # as a pattern, found in every row
_STOPPED = re.compile(r" in row ([0-9]{1,9})$")
_BLOCK = 2**20
_READ = pj.ReadOptions(use_threads=False, block_size=_BLOCK)  # making options takes as long as reading one line
_RUN = 1024  # rows that are read at once after a refusal
_FEW = 8  # what stands before a refused row is read by itself if it is less than this part of the run
_ALONE = "error"  # Arrow's word for: refuse a field that the schema does not name
_BESIDE = "ignore"  # pass over it


class _Refused(Exception):
    """Not all of the lines parse. `row` is where Arrow's message says it stopped: a hint, if anything."""

    def __init__(self, row: int | None = None) -> None:
        super().__init__(row)
        self.row = row


@dataclass(frozen=True, slots=True)
class Reading:
    """The lines that parse, as columns by field name (k), and their numbers (k), ascending.

    `suspects` (k): false where it is proven that the body has no field but the contract's.
    """

    table: pa.Table
    numbers: Numbers
    suspects: npt.NDArray[np.bool_]


class Reader:
    """Reads lines numbered under `key` as the payload fields of `columns`."""

    def __init__(self, columns: tuple[Column, ...], key: str) -> None:
        self.columns = columns
        self.key = key
        field = pa.field(key, pa.int32())
        self._schema = pa.schema([field, *reading_schema(columns)])
        strict = pa.schema([field, *reading_schema(columns, decimals_as_numbers=True)])
        self._as_they_are = {mode: _parse_options(self._schema, mode) for mode in (_ALONE, _BESIDE)}
        self._strictly = {mode: _parse_options(strict, mode) for mode in (_ALONE, _BESIDE)}
        self._suspicion = _quoted_decimal(columns)

    def read(self, texts: pa.Array, numbers: Numbers) -> Reading:
        """Read the texts (n), each of which begins an object; those that do not parse are left out."""
        lines = number(texts, numbers, self.key)
        try:
            return Reading(self._parse(lines, numbers, _ALONE), numbers, np.zeros(len(numbers), np.bool_))
        except _Refused:
            guesses = guess(texts.cast(pa.binary()).to_pylist(), self.columns)
        plain = guesses == Guess.GOOD
        runs = [(run, _ALONE) for run in self._runs(lines, numbers, plain, _ALONE)]
        runs += [(run, _BESIDE) for run in self._runs(lines, numbers, guesses == Guess.FIELDS, _BESIDE)]
        left = ~np.isin(numbers, np.concatenate([numbers[:0], *(found for (_, found), _ in runs)]), assume_unique=True)
        for at in np.flatnonzero(left):
            runs += [(run, _BESIDE) for run in self._run(lines.slice(at, 1), numbers[at : at + 1], _BESIDE)]
        if not runs:
            return Reading(self._schema.remove(0).empty_table(), numbers[:0], np.zeros(0, np.bool_))
        table = pa.concat_tables([part for (part, _), _ in runs])
        found = np.concatenate([part for (_, part), _ in runs])
        suspects = np.concatenate([np.full(len(part), mode == _BESIDE) for (_, part), mode in runs])
        order = np.argsort(found, kind="stable")
        if (order[1:] < order[:-1]).any():
            table = table.take(pa.array(order))
        return Reading(table, found[order], suspects[order])

    def culprit(self, text: pa.Array, at: Numbers) -> Finding:
        """Why one text (1) cannot be read: the first column that cannot be read alone, else the body."""
        line = number(text, at, self.key)
        if _has_no_number(line[0].as_py()):
            return Finding(Reason.MALFORMED, "The body holds NaN or Infinity, which JSON does not have.")
        if not Reader((), self.key).parses(line, at):
            return Finding(Reason.MALFORMED, "The body holds text or a number that no program can hold.")
        for column in self.columns:
            if not Reader((column,), self.key).parses(line, at):
                return Finding(Reason.WRONG_TYPE, f"{column.name} cannot be read.", column.name)
        return Finding(Reason.MALFORMED, "The body cannot be read.")

    def parses(self, line: pa.Array, at: Numbers) -> bool:
        """The verdict on one line (1), whatever other fields it has."""
        return self._is_read(line, at, _BESIDE)

    def _runs(
        self, lines: pa.Array, numbers: Numbers, chosen: npt.NDArray[np.bool_], mode: str
    ) -> Iterator[tuple[pa.Table, Numbers]]:
        """Runs of the chosen lines that parse, in order; a line that does not parse alone is left out."""
        lines, numbers = lines.filter(pa.array(chosen)), numbers[chosen]
        for start in range(0, len(lines), _RUN):
            yield from self._run(lines.slice(start, _RUN), numbers[start : start + _RUN], mode)

    def _run(self, lines: pa.Array, numbers: Numbers, mode: str) -> Iterator[tuple[pa.Table, Numbers]]:
        """The lines that parse, read once more without each at which the parser says it stopped, else by halves."""
        while len(lines):
            try:
                yield self._parse(lines, numbers, mode), numbers
            except _Refused as refused:
                at = refused.row
            else:
                return
            if len(lines) == 1:
                return
            if at is None or at >= len(lines) or self._is_read(lines.slice(at, 1), numbers[at : at + 1], mode):
                half = len(lines) // 2
                yield from self._run(lines.slice(0, half), numbers[:half], mode)
                lines, numbers = lines.slice(half), numbers[half:]
            elif at < len(lines) // _FEW:
                yield from self._run(lines.slice(0, at), numbers[:at], mode)
                lines, numbers = lines.slice(at + 1), numbers[at + 1 :]
            else:
                others = np.arange(len(lines)) != at
                lines, numbers = lines.filter(pa.array(others)), numbers[others]

    def _is_read(self, line: pa.Array, at: Numbers, mode: str) -> bool:
        try:
            self._parse(line, at, mode)
        except _Refused:
            return False
        return True

    def _parse(self, lines: pa.Array, numbers: Numbers, mode: str) -> pa.Table:
        """All of the lines as columns; raises `_Refused`."""
        table = self._parse_as(self._as_they_are[mode], lines, numbers)
        texts = lines.cast(pa.string())
        if mode == _BESIDE:  # in a column of its own a NaN is found by converting it
            literals = pc.match_substring_regex(texts, _NO_NUMBER)
            if pc.any(literals).as_py() and any(map(_has_no_number, lines.filter(literals).to_pylist())):
                raise _Refused
        if self._suspicion is not None:
            suspects = pc.match_substring_regex(texts, self._suspicion)
            if pc.any(suspects).as_py():
                chosen = numbers[suspects.to_numpy(zero_copy_only=False)]
                self._parse_as(self._strictly[mode], lines.filter(suspects), chosen)
        return table

    def _parse_as(self, options: pj.ParseOptions, lines: pa.Array, numbers: Numbers) -> pa.Table:
        data = ndjson(lines)
        # One block: the reader cuts blocks at newlines, which a pretty-printed body has inside.
        read = _READ if data.size < _BLOCK else pj.ReadOptions(use_threads=False, block_size=data.size + 1)
        try:
            table = pj.read_json(pa.BufferReader(data), read_options=read, parse_options=options)
        except pa.ArrowInvalid as error:
            stopped = _STOPPED.search(str(error))
            raise _Refused(int(stopped[1]) if stopped else None) from None
        found = table.column(0)
        if len(found) != len(numbers) or found.null_count or not np.array_equal(found.to_numpy(), numbers):
            raise _Refused
        return table.remove_column(0)


def _parse_options(schema: pa.Schema, mode: str) -> pj.ParseOptions:
    return pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior=mode)


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

"""Texts to columns: in bulk where all parse, row by row where one does not, always by one parser.

A row's verdict is that of Arrow's reader on this row alone. Reading many at once only saves time: a bulk reading
counts when it succeeds and each row is proven to be in its place. Texts of the usual form are: the form says that each
is one object, so that n of them are n rows. All others get their row's number into the object, see `lines`; a hint
sets those aside that will not parse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from ingest.decode.diagnose import diagnose
from ingest.decode.finding import Finding
from ingest.decode.hint import Guess, guess
from ingest.decode.lines import ended, ndjson, number
from ingest.decode.shape import Decimals, reading_schema
from ingest.decode.usual import usual
from ingest.model.contract import Column, LogicalType
from ingest.model.reason import Reason

__all__ = ["Part", "Reader", "Reading"]

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
_UNEXPECTED = ("error", "ignore")  # Arrow's words for what becomes of a field that the schema does not name


class _Mode(Enum):
    """What is expected of lines: the columns and nothing else, or fields beside them."""

    ALONE = auto()
    BESIDE = auto()


class _Refused(Exception):
    """Not all of the lines parse. `row` is where Arrow's message says it stopped: a hint, if anything."""

    def __init__(self, row: int | None = None) -> None:
        super().__init__(row)
        self.row = row


@dataclass(frozen=True, slots=True)
class Part:
    """Texts that parse, as columns by field name (k), and their numbers (k), ascending.

    `suspects` (k): false where it is proven that the body has no field but the contract's.
    """

    table: pa.Table
    numbers: Numbers
    suspects: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reading:
    """All texts that parse, and by number why the others do not."""

    parts: tuple[Part, ...]
    findings: dict[int, Finding]


@dataclass(frozen=True, slots=True)
class _Run:
    """Lines that were read at once."""

    table: pa.Table
    numbers: Numbers
    mode: _Mode


class Reader:
    """Reads texts as the payload fields of `columns`, numbering lines under `key` where that is the proof.

    Those of `passed` may stand beside them: they are looked at as columns only to know that they are no others.
    """

    def __init__(self, columns: tuple[Column, ...], key: str, passed: tuple[Column, ...] = ()) -> None:
        self.columns = columns
        self.key = key
        self._allowed = (*columns, *passed)
        self._schema = pa.schema([pa.field(key, pa.int32()), *reading_schema(columns)])
        self._as_they_are = {mode: self._options(mode, Decimals.ANY) for mode in _UNEXPECTED}
        self._strictly = {mode: self._options(mode, Decimals.NUMBERS) for mode in _UNEXPECTED}
        usually = dict.fromkeys(reading_schema(self._allowed, how) for how in (Decimals.FITTING, Decimals.USUAL))
        self._usually = [_parse_options(schema, "error") for schema in usually]
        self._suspicion = _quoted_decimal(columns)

    def _options(self, unexpected: str, decimals: Decimals) -> pj.ParseOptions:
        columns = self.columns if unexpected == "ignore" else self._allowed
        schema = pa.schema([pa.field(self.key, pa.int32()), *reading_schema(columns, decimals)])
        return _parse_options(schema, unexpected)

    def read(self, texts: pa.Array, numbers: Numbers) -> Reading:
        """Read the texts (n), each of which begins an object; those that do not parse get a finding."""
        is_usual = usual(texts.cast(pa.binary()), self._allowed)
        parts = self._usual(texts, numbers, is_usual)
        if parts and len(parts[0].numbers) == len(numbers):
            return Reading(parts, {})
        if parts:
            others = ~is_usual
            texts, numbers = texts.filter(pa.array(others)), numbers[others]
        part, findings = self._numbered(texts, numbers)
        return Reading((*parts, part), findings)

    def _usual(self, texts: pa.Array, numbers: Numbers, chosen: npt.NDArray[np.bool_]) -> tuple[Part, ...]:
        """The chosen texts, which have the usual form, as one part; none where there are none, or they do not parse."""
        if not chosen.any():
            return ()
        if not chosen.all():
            texts, numbers = texts.filter(pa.array(chosen)), numbers[chosen]
        lines = ended(texts)
        for options in self._usually:
            try:
                table = _parsed(lines, options)
            except _Refused:
                continue
            if table.num_rows == len(numbers):
                table = table.select(self._schema.names[1:])
                return (Part(table, numbers, np.zeros(len(numbers), np.bool_)),)
        return ()

    def _numbered(self, texts: pa.Array, numbers: Numbers) -> tuple[Part, dict[int, Finding]]:
        """The texts (n) of which nothing is known, each with its number: as if all were good, else as a hint has it."""
        lines = number(texts, numbers, self.key)
        try:
            return Part(self._parse(lines, numbers, _Mode.ALONE), numbers, np.zeros(len(numbers), np.bool_)), {}
        except _Refused:
            pass
        guesses = guess(texts.cast(pa.binary()).to_pylist(), self.columns, self._allowed)
        runs: list[_Run] = []
        for mode, chosen in ((_Mode.ALONE, guesses == Guess.GOOD), (_Mode.BESIDE, guesses == Guess.FIELDS)):
            runs += self._runs(lines, numbers, chosen, mode)
        findings: dict[int, Finding] = {}
        left = ~np.isin(numbers, np.concatenate([numbers[:0], *(run.numbers for run in runs)]), assume_unique=True)
        for at in np.flatnonzero(left):
            found = self._one(texts[at].as_py(), lines.slice(at, 1), numbers[at : at + 1])
            if isinstance(found, Finding):
                findings[int(numbers[at])] = found
            else:
                runs.append(found)
        return self._together(runs), findings

    def _together(self, runs: list[_Run]) -> Part:
        table = pa.concat_tables([self._schema.remove(0).empty_table(), *(run.table for run in runs)])
        numbers = np.concatenate([np.zeros(0, np.int32), *(run.numbers for run in runs)])
        suspects = np.concatenate(
            [np.zeros(0, np.bool_), *(np.full(len(run.numbers), run.mode is _Mode.BESIDE) for run in runs)]
        )
        order = np.argsort(numbers, kind="stable")
        if (order[1:] < order[:-1]).any():
            table, numbers, suspects = table.take(pa.array(order)), numbers[order], suspects[order]
        return Part(table, numbers, suspects)

    def _one(self, text: str, line: pa.Array, at: Numbers) -> _Run | Finding:
        """One line (1) that is not read yet: what is surely wrong with it, or what the parser says."""
        found = diagnose(text, self.columns)
        if found is not None and found.sure:
            return found
        try:
            return _Run(self._parse(line, at, _Mode.BESIDE), at, _Mode.BESIDE)
        except _Refused:
            return found or self._culprit(line, at)

    def _culprit(self, line: pa.Array, at: Numbers) -> Finding:
        """Why one line (1) cannot be read: the first column that cannot be read alone, else the body."""
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
        return self._is_read(line, at, _Mode.BESIDE)

    def _runs(self, lines: pa.Array, numbers: Numbers, chosen: npt.NDArray[np.bool_], mode: _Mode) -> Iterator[_Run]:
        """The chosen lines that parse, at once or in runs, in order; a line that does not parse alone is left out."""
        lines, numbers = lines.filter(pa.array(chosen)), numbers[chosen]
        if not len(lines):
            return
        try:
            yield _Run(self._parse(lines, numbers, mode), numbers, mode)
        except _Refused:
            for start in range(0, len(lines), _RUN):
                yield from self._run(lines.slice(start, _RUN), numbers[start : start + _RUN], mode)

    def _run(self, lines: pa.Array, numbers: Numbers, mode: _Mode) -> Iterator[_Run]:
        """The lines that parse, read once more without each at which the parser says it stopped, else by halves."""
        while len(lines):
            try:
                yield _Run(self._parse(lines, numbers, mode), numbers, mode)
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

    def _is_read(self, line: pa.Array, at: Numbers, mode: _Mode) -> bool:
        try:
            self._parse(line, at, mode)
        except _Refused:
            return False
        return True

    def _parse(self, lines: pa.Array, numbers: Numbers, mode: _Mode) -> pa.Table:
        """All of the lines as columns; raises `_Refused`."""
        unexpected = "ignore" if mode is _Mode.BESIDE else "error"
        table = self._parse_as(self._as_they_are[unexpected], lines, numbers)
        if mode is _Mode.ALONE and self._suspicion is None:
            return table
        texts = lines.cast(pa.string())
        if mode is _Mode.BESIDE:  # in a column of its own a NaN is found by converting it
            literals = pc.match_substring_regex(texts, _NO_NUMBER)
            if pc.any(literals).as_py() and any(map(_has_no_number, lines.filter(literals).to_pylist())):
                raise _Refused
        if self._suspicion is not None:
            suspects = pc.match_substring_regex(texts, self._suspicion)
            if pc.any(suspects).as_py():
                chosen = numbers[suspects.to_numpy(zero_copy_only=False)]
                self._parse_as(self._strictly[unexpected], lines.filter(suspects), chosen)
        return table

    def _parse_as(self, options: pj.ParseOptions, lines: pa.Array, numbers: Numbers) -> pa.Table:
        table = _parsed(lines, options)
        found = table.column(0)
        if len(found) != len(numbers) or found.null_count or not np.array_equal(found.to_numpy(), numbers):
            raise _Refused
        return table.select(self._schema.names[1:])


def _parsed(lines: pa.Array, options: pj.ParseOptions) -> pa.Table:
    """What Arrow's reader makes of the lines as a whole; raises `_Refused`."""
    data = ndjson(lines)
    # One block: the reader cuts blocks at newlines, which a pretty-printed body has inside.
    read = _READ if data.size < _BLOCK else pj.ReadOptions(use_threads=False, block_size=data.size + 1)
    try:
        return pj.read_json(pa.BufferReader(data), read_options=read, parse_options=options)
    except pa.ArrowInvalid as error:
        stopped = _STOPPED.search(str(error))
        raise _Refused(int(stopped[1]) if stopped else None) from None


def _parse_options(schema: pa.Schema, unexpected: str) -> pj.ParseOptions:
    return pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unexpected)


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

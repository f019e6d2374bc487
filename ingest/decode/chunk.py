"""One chunk of raw rows: what can be said without parsing, the parse, and a finding for each reject."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingest.decode.bulk import Reader
from ingest.decode.finding import Finding, shorten
from ingest.decode.learned import kind_of, taken
from ingest.decode.media import undecodable
from ingest.decode.shape import Fault, convert
from ingest.decode.unknown import Fields, Member, cut, unknown_members, written
from ingest.model.container import ITEM_NUMBERS, ITEM_TEXTS
from ingest.model.contract import Column, Contract, LogicalType, UnknownFields
from ingest.model.reason import Reason
from ingest.model.tables import REJECTS, RESCUED, arrow_type
from ingest.model.verdict import Decoded

__all__ = ["Plan", "decode_chunk"]

_WHITE = b" \t\r\n"
_BLOCK = 64
_KINDS = 1_000  # names of unknown fields whose types are looked at
_EMPTY = Finding(Reason.EMPTY, "The body is empty.")
_NOT_OBJECT = Finding(Reason.MALFORMED, "The body does not begin with a JSON object.")


@dataclass(frozen=True, slots=True)
class Plan:
    """How to read bodies of one contract."""

    reader: Reader
    fields: Fields
    learned: tuple[Column, ...]
    learns: bool

    @classmethod
    def of(cls, contract: Contract) -> Plan:
        """Numbers lines under a name that no body can know."""
        learns = contract.unknown_fields is UnknownFields.EVOLVE
        passed = _passed(contract)
        reader = Reader(contract.columns, secrets.token_hex(8), passed)
        return cls(reader, Fields.of((*contract.columns, *passed)), contract.learned, learns)


def _passed(contract: Contract) -> tuple[Column, ...]:
    """What Cosmos DB writes into items itself, but for what a column takes: as columns that nobody gets."""
    if contract.container is None:
        return ()
    taken = {column.field for column in contract.columns}
    kinds = dict.fromkeys(ITEM_TEXTS, LogicalType.STRING) | dict.fromkeys(ITEM_NUMBERS, LogicalType.INTEGER)
    return tuple(Column(name, name, kind) for name, kind in kinds.items() if name not in taken)


def decode_chunk(raw: pa.Table, first: int, plan: Plan) -> Decoded:
    """Decode rows (n) that stand in the batch from row `first` on; `index` counts rows of the batch."""
    findings: dict[int, Finding] = {}
    rows, texts = _texts(raw, findings)
    reading = plan.reader.read(texts, rows)
    findings |= reading.findings
    seen: Counter[str] = Counter()
    kinds: dict[str, frozenset[LogicalType]] = {}
    tables, numbers = [], []
    for part in reading.parts:
        typed, faults = _typed(part.table, plan.reader.columns)
        keep = np.ones(len(part.numbers), np.bool_)
        for fault in faults:
            for at, value in zip(fault.rows.to_pylist(), fault.values.to_pylist(), strict=True):
                found = Finding(fault.reason, fault.detail, fault.path, shorten(value))
                findings.setdefault(int(part.numbers[at]), found)
                keep[at] = False
        places = np.searchsorted(rows, part.numbers)
        for name, values in _beside(texts, places, part.suspects & keep, plan, seen, kinds).items():
            typed = typed.append_column(name, values)
        tables.append(typed if keep.all() else typed.filter(pa.array(keep)))
        numbers.append(part.numbers[keep])
    index = np.concatenate(numbers).astype(np.int64) + first
    return Decoded(pa.concat_tables(tables), pa.array(index), _rejects(findings, first), seen, kinds)


def _beside(
    texts: pa.Array,
    places: npt.NDArray[np.intp],
    suspects: npt.NDArray[np.bool_],
    plan: Plan,
    seen: Counter[str],
    kinds: dict[str, frozenset[LogicalType]],
) -> dict[str, pa.Array]:
    """What the rows read (k), at `places` of `texts`, have beside the contract's columns; only suspects have any.

    Learned columns and `RESCUED` by name. `seen` counts the fields by path, `kinds` gains their types.
    """
    types = {column.name: arrow_type(column) for column in plan.learned} | {RESCUED: pa.string()}
    at = np.flatnonzero(suspects)
    if not len(at):
        return {name: pa.nulls(len(places), kind) for name, kind in types.items()}
    found: list[dict[str, Any]] = []
    for text in texts.take(pa.array(places[at])).to_pylist():
        members = unknown_members(text, plan.fields, seen)
        if plan.learns or plan.learned:
            values, members = _learned(members, plan, seen, kinds)
            found.append(values | {RESCUED: written(members)})
        else:
            found.append({RESCUED: written(members)})
    spread = np.full(len(places), -1)
    spread[at] = np.arange(len(at))
    rows = pa.array(spread, mask=spread < 0)
    return {name: pa.array([one.get(name) for one in found], kind).take(rows) for name, kind in types.items()}


def _learned(
    members: list[Member], plan: Plan, seen: Counter[str], kinds: dict[str, frozenset[LogicalType]]
) -> tuple[dict[str, Any], list[Member]]:
    values, left = taken(members, plan.learned)
    seen.subtract(cut("", name) for name in values)
    for member in left if plan.learns else ():
        if member.is_unknown and (member.name in kinds or len(kinds) < _KINDS):
            kind = kind_of(member.text)
            kinds[member.name] = kinds.get(member.name, frozenset()) | ({kind} if kind else frozenset())
    return values, left


def _texts(raw: pa.Table, findings: dict[int, Finding]) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """The rows that may be an object, and their bodies as text; the others get their finding."""
    types, encodings, bodies = (_whole(raw, name) for name in ("content_type", "content_encoding", "body"))
    if bodies.null_count:
        bodies = pc.fill_null(bodies, b"")
    refusals = undecodable(types, encodings)
    keep = refusals.is_null().to_numpy(zero_copy_only=False)
    findings |= {int(row): Finding(Reason.UNDECODABLE, refusals[row].as_py()) for row in np.flatnonzero(~keep)}
    for at, found in _not_utf8(bodies):
        findings.setdefault(at, found)
        keep[at] = False
    for row in np.flatnonzero(keep & ~pc.starts_with(bodies, b"{").to_numpy(zero_copy_only=False)):
        body = bodies[row].as_py().lstrip(_WHITE)
        if not body.startswith(b"{"):
            findings[int(row)] = _NOT_OBJECT if body else _EMPTY
            keep[row] = False
    rows = np.flatnonzero(keep).astype(np.int32)
    some = bodies if len(rows) == len(raw) else bodies.filter(pa.array(keep))
    return rows, some.view(pa.string())


def _whole(raw: pa.Table, name: str) -> pa.Array:
    """A column as one array; copies only where the chunk spans pieces of it."""
    column = raw.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _not_utf8(bodies: pa.Array) -> Iterator[tuple[int, Finding]]:
    """Where a body is not UTF-8, and why. Few are: a row is looked at only where its block has one."""
    if _is_utf8(bodies):
        return
    for start in range(0, len(bodies), _BLOCK):
        block = bodies.slice(start, _BLOCK)
        for at, body in enumerate([] if _is_utf8(block) else block.to_pylist()):
            try:
                body.decode("utf-8")
            except UnicodeDecodeError as error:
                told = f"The body is not UTF-8: {error.reason} at byte {error.start}."
                yield start + at, Finding(Reason.ENCODING, told)


def _is_utf8(bodies: pa.Array) -> bool:
    try:
        pc.cast(bodies, pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _typed(table: pa.Table, columns: tuple[Column, ...]) -> tuple[pa.Table, list[Fault]]:
    arrays, faults = [], []
    for column, read in zip(columns, table.columns, strict=True):
        array, found = convert(read.combine_chunks(), column)
        arrays.append(array)
        faults += found
    schema = pa.schema([pa.field(column.name, arrow_type(column)) for column in columns])
    return pa.Table.from_arrays(arrays, schema=schema), faults


def _rejects(findings: dict[int, Finding], first: int) -> pa.Table:
    found = sorted(findings.items())
    return pa.table(
        {
            "index": [first + row for row, _ in found],
            "reason": [finding.reason.value for _, finding in found],
            "expectation": [None] * len(found),
            "column": [finding.column for _, finding in found],
            "value": [finding.value for _, finding in found],
            "detail": [finding.detail for _, finding in found],
        },
        schema=REJECTS,
    )

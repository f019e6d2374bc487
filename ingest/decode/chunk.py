"""One chunk of raw rows: what can be said without parsing, the parse, and a finding for each reject."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingest.decode import lines
from ingest.decode.bulk import Reader
from ingest.decode.diagnose import diagnose
from ingest.decode.finding import Finding, shorten
from ingest.decode.media import undecodable
from ingest.decode.shape import Fault, convert
from ingest.model.contract import Column
from ingest.model.reason import Reason
from ingest.model.tables import REJECTS, arrow_type
from ingest.model.verdict import Decoded

__all__ = ["decode_chunk"]

_WHITE = b" \t\r\n"
_EMPTY = Finding(Reason.EMPTY, "The body is empty.")
_NOT_OBJECT = Finding(Reason.MALFORMED, "The body does not begin with a JSON object.")


def decode_chunk(raw: pa.Table, first: int, reader: Reader) -> Decoded:
    """Decode rows (n) that stand in the batch from row `first` on; `index` counts rows of the batch."""
    findings: dict[int, Finding] = {}
    rows, texts = _texts(raw, findings)
    numbered = lines.number(texts, rows, reader.key)
    table, read = reader.read(numbered, rows)
    for at in np.flatnonzero(~np.isin(rows, read, assume_unique=True)):
        found = diagnose(texts[at].as_py(), reader.columns)
        findings[int(rows[at])] = found or reader.culprit(numbered.slice(at, 1), rows[at : at + 1])
    typed, faults = _typed(table, reader.columns)
    for fault in faults:
        for at, value in zip(fault.rows.to_pylist(), fault.values.to_pylist(), strict=True):
            row = int(read[at])
            findings.setdefault(row, Finding(fault.reason, fault.detail, fault.path, shorten(value)))
    keep = ~np.isin(read, np.fromiter(findings, dtype=np.int32, count=len(findings)))
    if not keep.all():
        typed, read = typed.filter(pa.array(keep)), read[keep]
    return Decoded(typed, pa.array(read.astype(np.int64) + first), _rejects(findings, first))


def _texts(raw: pa.Table, findings: dict[int, Finding]) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """The rows that may be an object, and their bodies as text; the others get their finding."""
    rows = np.arange(len(raw), dtype=np.int32)
    types, encodings, bodies = (_whole(raw, name) for name in ("content_type", "content_encoding", "body"))
    refusals = undecodable(types, encodings)
    if refusals.null_count < len(rows):
        for row in np.flatnonzero(refusals.is_valid()):
            findings[int(row)] = Finding(Reason.UNDECODABLE, refusals[row].as_py())
        rows, bodies = _rest(rows, bodies, refusals.is_null())
    bodies = pc.fill_null(bodies, b"")
    try:
        texts = pc.cast(bodies, pa.string())
    except pa.ArrowInvalid:
        broken = [_not_utf8(body) for body in bodies.to_pylist()]
        findings |= {int(row): found for row, found in zip(rows, broken, strict=True) if found}
        rows, bodies = _rest(rows, bodies, pa.array([found is None for found in broken]))
        texts = pc.cast(bodies, pa.string())
    begins = lines.begins_object(texts)
    if not pc.all(begins).as_py():
        for at in np.flatnonzero(~begins.to_numpy(zero_copy_only=False)):
            findings[int(rows[at])] = _NOT_OBJECT if bodies[at].as_py().strip(_WHITE) else _EMPTY
        rows, texts = _rest(rows, texts, begins)
    return rows, texts


def _whole(raw: pa.Table, name: str) -> pa.Array:
    """A column as one array; copies only where the chunk spans pieces of it."""
    column = raw.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _rest(rows: npt.NDArray[np.int32], values: pa.Array, keep: pa.Array) -> tuple[npt.NDArray[np.int32], pa.Array]:
    return rows[keep.to_numpy(zero_copy_only=False)], values.filter(keep)


def _not_utf8(body: bytes) -> Finding | None:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        return Finding(Reason.ENCODING, f"The body is not UTF-8: {error.reason} at byte {error.start}.")
    return None


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

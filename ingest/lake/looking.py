"""Rows of a file searched for one value: each column as it is, and bodies as they are read."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ingest.lake.needle import Needle
from ingest.model.ports import Open

__all__ = ["Search"]

_BODIES = ["body", "content_type", "content_encoding", "headers"]
_PLAIN = pa.array(["", "utf-8", "identity"])


@dataclass(frozen=True, slots=True)
class Search:
    """Looks for `needle`, in payloads by `opened`."""

    needle: Needle
    opened: Open

    def finds(self, rows: pa.RecordBatch) -> bool:
        """Whether one of `rows` holds the value, as its columns are or inside of a body."""
        if any(self.needle.is_among(*column) for column in zip(rows.schema.names, rows.columns, strict=True)):
            return True
        if not _are_deliveries(rows):
            return False
        bodies = pa.Table.from_batches([rows.select(_BODIES)])
        opened = (piece.rows for piece in self.opened(bodies))
        return any(self.needle.is_among("body", some["body"].combine_chunks()) for some in opened if some is not bodies)

    def unreadable(self, rows: pa.RecordBatch) -> int:
        """How many bodies are no text that could be searched, with whatever could be taken off them taken off."""
        if not _are_deliveries(rows):
            return 0
        return sum(_unreadable(piece.rows) for piece in self.opened(pa.Table.from_batches([rows.select(_BODIES)])))


def _are_deliveries(rows: pa.RecordBatch) -> bool:
    """Rows of raw or of quarantine: a contract may have a column `body` of its own."""
    return {*_BODIES, "redelivered"} <= set(rows.schema.names) and rows.schema.field("body").type == pa.binary()


def _unreadable(rows: pa.Table) -> int:
    encodings = rows["content_encoding"]
    packed = pc.invert(pc.or_(pc.is_null(encodings), pc.is_in(pc.utf8_lower(encodings), value_set=_PLAIN)))
    plain = rows["body"].filter(pc.invert(packed))
    try:
        pc.cast(plain, pa.string())
    except pa.ArrowInvalid:
        broken = sum(not _is_text(body) for body in plain.to_pylist())
    else:
        broken = 0
    return broken + (pc.sum(packed).as_py() or 0)


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True

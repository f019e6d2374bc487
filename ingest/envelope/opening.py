"""Payloads of many rows of raw, and decoding them. What has no envelope goes through as it is, without a copy."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingest.envelope.payload import Payload, is_plain, payload
from ingest.envelope.rebus import ENCODING, ENCRYPTION
from ingest.model.contract import Contract
from ingest.model.ports import Open, Opened
from ingest.model.tables import RAW, REJECTS
from ingest.model.verdict import Decoded, indexed, joined

__all__ = ["PIECE_BYTES", "Opening", "opened"]

PIECE_BYTES = 32 * 1024 * 1024
"""Payloads that are held at once: a batch of compressed bodies is larger than its bytes in raw."""

_READ_ROWS = 4_096
_IN_HEADERS = f"{ENCODING}|{ENCRYPTION}"
_SAYS = re.compile(_IN_HEADERS, re.IGNORECASE)
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_OPENED = ("body", "content_type", "content_encoding")


def opened(raw: pa.Table) -> Iterator[Opened]:
    """The rows of `raw` (n, `tables.RAW`) with their payloads, piece by piece, in their order."""
    places = np.flatnonzero(_enveloped(raw))
    if not len(places):
        yield _as_it_is(raw)
        return
    found: list[Payload] = []
    first = start = size = 0
    for at, one in enumerate(_payloads(raw.select([*_OPENED, "headers"]), places)):
        found.append(one)
        size += len(one.body)
        if size >= PIECE_BYTES:
            end = int(places[at]) + 1
            yield _replaced(raw.slice(first, end - first), places[start : at + 1] - first, found)
            found, first, start, size = [], end, at + 1, 0
    if first < raw.num_rows:
        yield _replaced(raw.slice(first), places[start:] - first, found)


def _payloads(raw: pa.Table, places: npt.NDArray[np.intp]) -> Iterator[Payload]:
    for start in range(0, len(places), _READ_ROWS):
        rows = raw.take(pa.array(places[start : start + _READ_ROWS]))
        for body, content_type, encoding, headers in zip(*(column.to_pylist() for column in rows.columns), strict=True):
            yield payload(body, content_type, encoding, _headers(headers))


def _as_it_is(raw: pa.Table) -> Opened:
    nothing = pa.nulls(raw.num_rows, pa.string())
    return Opened(raw, nothing, nothing)


def _enveloped(raw: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows (n) are to be opened, told once for each distinct pair of content type and encoding."""
    named = pc.match_substring_regex(raw["headers"], _IN_HEADERS, ignore_case=True)
    found = pc.fill_null(named, fill_value=False)
    pairs = raw.select(["content_type", "content_encoding"]).group_by(["content_type", "content_encoding"])
    for kind, encoding in zip(*(column.to_pylist() for column in pairs.aggregate([]).columns), strict=True):
        if not is_plain(kind, encoding):
            rows = pc.and_(_equals(raw["content_type"], kind), _equals(raw["content_encoding"], encoding))
            found = pc.or_(found, rows)
    flags: npt.NDArray[np.bool_] = found.to_numpy()
    return flags


def _equals(values: pa.ChunkedArray, value: str | None) -> pa.ChunkedArray:
    return pc.is_null(values) if value is None else pc.fill_null(pc.equal(values, pa.scalar(value)), fill_value=False)


def _headers(text: str | None) -> Mapping[str, Any]:
    """The headers where they say something of the body; most do not."""
    if text is None or not _SAYS.search(text):
        return _NOTHING
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):  # deeper than can be read: no framework's
        return _NOTHING


def _replaced(raw: pa.Table, places: npt.NDArray[np.intp], found: list[Payload]) -> Opened:
    """`raw` (n) with what was found at `places` in place of what stands there."""
    if not len(places):
        return _as_it_is(raw)
    mask = np.zeros(raw.num_rows, np.bool_)
    mask[places] = True
    spots = pa.array(mask)

    def put(values: pa.Array, name: str) -> pa.Array:
        new = pa.array([getattr(one, name) for one in found], values.type)
        return new if len(found) == len(values) else pc.replace_with_mask(values, spots, new)

    rows = raw
    for name in _OPENED:
        rows = rows.set_column(
            rows.schema.get_field_index(name), RAW.field(name), put(raw[name].combine_chunks(), name)
        )
    nothing = pa.nulls(raw.num_rows, pa.string())
    return Opened(rows, put(nothing, "reason"), put(nothing, "detail"))


@dataclass(frozen=True, slots=True)
class Opening:
    """Decodes the payloads of rows by `decode`; those that cannot be taken out are rejects. A `ports.Decode`."""

    decode: Callable[[pa.Table, Contract], Decoded]

    @property
    def opened(self) -> Open:
        """How the payloads are taken out."""
        return opened

    def __call__(self, raw: pa.Table, contract: Contract, /) -> Decoded:
        """The payloads of `raw` as the contract's columns, and a reason for every one that is not."""
        parts, first = [], 0
        for piece in opened(raw):
            parts.append(self._decoded(piece, contract).shifted(first))
            first += piece.rows.num_rows
        return parts[0] if len(parts) == 1 else joined(parts, contract)

    def _decoded(self, piece: Opened, contract: Contract) -> Decoded:
        if piece.reason.null_count == len(piece.reason):
            return self.decode(piece.rows, contract)
        there = pc.indices_nonzero(pc.is_null(piece.reason)).cast(pa.int64())
        decoded = self.decode(piece.rows.take(there), contract)
        rejects = indexed(decoded.rejects, there.take(decoded.rejects["index"].combine_chunks()))
        refused = pa.concat_tables([rejects, _rejects(piece)]).sort_by("index")
        return dataclasses.replace(decoded, index=there.take(decoded.index), rejects=refused)


def _rejects(piece: Opened) -> pa.Table:
    at = pc.indices_nonzero(pc.is_valid(piece.reason)).cast(pa.int64())
    nothing = pa.nulls(len(at), pa.string())
    columns = [at, piece.reason.take(at), nothing, nothing, nothing, piece.detail.take(at)]
    return pa.table(columns, schema=REJECTS)

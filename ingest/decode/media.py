"""Which content types and encodings are JSON in UTF-8. Judged once per distinct pair, not once per row."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["undecodable"]

_UTF8 = frozenset({"utf-8", "utf8"})
_IDENTITY = _UTF8 | {"", "identity"}
"""Content encodings that leave the bytes as they are; some .NET clients name the charset here."""

_TYPES = frozenset({"", "application/json", "text/json", "application/octet-stream"})
"""`application/octet-stream` says nothing about the bytes, so they are tried as JSON."""


def undecodable(types: pa.Array, encodings: pa.Array) -> pa.Array:
    """For each row (n), a sentence on why it cannot be read as JSON in UTF-8, or null where it can.

    Both arguments are strings (n), null where the message says nothing, which means JSON.
    """
    pairs = pa.table({"type": types, "encoding": encodings}).group_by(["type", "encoding"]).aggregate([]).to_pylist()
    why: pa.Array = pa.nulls(len(types), pa.string())
    for pair in pairs:
        sentence = _refusal(pair["type"], pair["encoding"])
        if sentence is not None:
            rows = pc.and_(_equals(types, pair["type"]), _equals(encodings, pair["encoding"]))
            why = pc.if_else(rows, pa.scalar(sentence), why)
    return why


def _equals(values: pa.Array, value: str | None) -> pa.Array:
    return pc.is_null(values) if value is None else pc.fill_null(pc.equal(values, pa.scalar(value)), fill_value=False)


def _refusal(content_type: str | None, encoding: str | None) -> str | None:
    if (encoding or "").strip().lower() not in _IDENTITY:
        return f"There is no reader for the content encoding {encoding!r:.100}."
    name, *parameters = (part.strip().lower() for part in (content_type or "").split(";"))
    charsets = {
        value.strip().strip('"') for key, _, value in (p.partition("=") for p in parameters) if key.strip() == "charset"
    }
    suffixed = name.startswith("application/") and name.endswith("+json")
    if not (name in _TYPES or suffixed) or not charsets <= _UTF8:
        return f"There is no reader for the content type {content_type!r:.100}."
    return None

"""What of a row may be seen where: protected columns on their way to curated, private values in verdicts."""

from __future__ import annotations

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ingest.model.contract import Contract, LogicalType, Protection
from ingest.model.keys import Keys
from ingest.model.tables import REJECTS, RESCUED, published_schema

__all__ = ["protected", "veiled"]


def protected(rows: pa.Table, contract: Contract, keys: Keys) -> pa.Table:
    """Decoded rows (n) as `tables.published_schema` (n): dropped columns left out, hashed ones under today's key.

    Raises:
        ConfigurationError: a column is to be hashed and there is no key.
    """
    schema = published_schema(contract)
    columns = {name: rows[name] for name in schema.names}
    for column in contract.columns:
        if column.protection is Protection.HASH:
            columns[column.name] = _hashed(rows[column.name], keys)
        elif column.protection is Protection.DROP and column.type in {LogicalType.OBJECT, LogicalType.ARRAY}:
            columns[RESCUED] = _without(columns[RESCUED], column.field)
    return pa.table(list(columns.values()), schema=schema)


def _without(rescued: pa.ChunkedArray, field: str) -> pa.ChunkedArray:
    """What no column takes, without what stood inside of `field`; without anything where that cannot be told."""
    suspects = pc.fill_null(_quotes(rescued, field), fill_value=False)
    if not pc.any(suspects).as_py():
        return rescued
    kept = rescued.to_pylist()
    for at in pc.indices_nonzero(suspects).to_pylist():
        try:
            members = _members(kept[at])
        except (msgspec.DecodeError, UnicodeError):
            members = {}
        members.pop(field, None)
        kept[at] = msgspec.json.encode(members).decode() if members else None
    return pa.chunked_array([pa.array(kept, pa.string())])


_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode  # each as it is written: nothing is rounded


def _quotes(texts: pa.ChunkedArray, field: str) -> pa.ChunkedArray:
    """Where a JSON object may have a member `field`: plainly written, or anything escaped."""
    plain = pc.match_substring(texts, f"{msgspec.json.encode(field).decode()}:")
    return pc.or_(plain, pc.match_substring(texts, "\\"))


def _hashed(values: pa.ChunkedArray, keys: Keys) -> pa.Array:
    """Each distinct value is hashed once."""
    key = keys.current
    encoded = values.combine_chunks().dictionary_encode()
    texts = pc.cast(encoded.dictionary, pa.string()).to_pylist()
    hashes = pa.array([None if text is None else keys.hashed(text, key) for text in texts], pa.string())
    return hashes.take(encoded.indices)


def veiled(rejects: pa.Table, contract: Contract) -> pa.Table:
    """`tables.REJECTS` without the values of private columns, also where one is compared or has fields beside it."""
    private = contract.private
    compared = {
        str(one.kwargs["column_A"])
        for one in contract.expectations
        if "column_A" in one.kwargs and private & {str(one.kwargs["column_A"]), str(one.kwargs["column_B"])}
    }
    hidden = pa.array(sorted(private | compared), pa.string())
    about = pc.replace_substring_regex(rejects["column"], r"[.\[].*", "")
    hide = pc.is_in(about, value_set=hidden)
    for column in contract.columns:
        if column.is_private and (column.children or column.items):  # what `_rescued` quotes of it
            hide = pc.or_(hide, pc.fill_null(_quotes(rejects["value"], column.field), fill_value=False))
    value = pc.if_else(hide, pa.scalar(None, pa.string()), rejects["value"])
    place = REJECTS.get_field_index("value")
    return rejects.set_column(place, REJECTS.field(place), value)

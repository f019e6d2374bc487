"""What an item's JSON text says of the item: its members, its key, without reading the rest."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["Path", "as_written", "encoded", "key", "members", "nested"]

Path = tuple[str, ...]
"""The names that lead to a value of the partition key."""

_EXACT = 2.0**53  # integers up to here are floats, too


def as_written(value: Any) -> msgspec.Raw:
    """JSON of what the SDK has read: for documents that only it can read, such as those with half a surrogate pair."""
    return msgspec.Raw(json.dumps(value, separators=(",", ":")).encode())


def members(document: bytes, names: Path) -> dict[str, Any]:
    """The members of these names, as far as the document has them; other members are skipped."""
    try:
        found = _decoder(names).decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # What msgspec does not take, and JavaScript writes: half of a surrogate pair, a number beyond a float.
        whole = json.loads(document)
        return {name: whole[name] for name in names if name in whole}
    return {
        name: value
        for name, value in zip(_unique(names), msgspec.structs.astuple(found), strict=True)
        if value is not msgspec.UNSET
    }


def _unique(names: Path) -> Path:
    return tuple(dict.fromkeys(names))


@functools.lru_cache(maxsize=64)
def _decoder(names: Path) -> msgspec.json.Decoder[msgspec.Struct]:
    fields = [
        (f"f{place}", Any, msgspec.field(default=msgspec.UNSET, name=name)) for place, name in enumerate(_unique(names))
    ]
    return msgspec.json.Decoder(msgspec.defstruct("Members", fields))


def _value(item: Mapping[str, Any], path: Path) -> Any:
    value: Any = item
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return {}
        value = value[name]
    # One number, one text: Cosmos DB knows floats only.
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT else value


def nested(told: Mapping[str, Any], paths: tuple[Path, ...]) -> dict[str, Any]:
    """The values of a delete's partition key, as the document had them; they are told by the last name of each path."""
    item: dict[str, Any] = {}
    for path in paths:
        whole = "/" + "/".join(path)
        name = next((one for one in (path[-1], whole, whole[1:]) if one in told), None)
        if name is not None:
            inner = item
            for part in path[:-1]:
                inner = inner.setdefault(part, {})
            inner[path[-1]] = told[name]
    return item


def key(name: Any, item: Mapping[str, Any], paths: tuple[Path, ...]) -> str:
    """`[id, values of the partition key…]` as JSON; `{}` for a value that is not there, as Cosmos DB writes it."""
    return encoded([name, *(_value(item, path) for path in paths)]).decode()


def encoded(value: Any) -> bytes:
    """As JSON; half a surrogate pair, which UTF-8 does not have, as an escape."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()

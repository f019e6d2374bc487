"""What an item's JSON text says of the item: its members, its key, without reading the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec

__all__ = ["Path", "Reader", "as_written", "encoded", "key", "nested"]

Path = tuple[str, ...]
"""The names that lead to a value of the partition key."""

_ENCODER = msgspec.json.Encoder()
_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
_EXACT = 2.0**53  # integers up to here are floats, too


def as_written(value: Any) -> msgspec.Raw:
    """JSON of what the SDK has read: for documents that only it can read, such as those with half a surrogate pair."""
    return msgspec.Raw(json.dumps(value, separators=(",", ":")).encode())


class Reader:
    """Reads some members of an item, and the values of its partition key at `paths`; the rest is skipped."""

    def __init__(self, names: Path, paths: tuple[Path, ...]) -> None:
        self._names = tuple(dict.fromkeys((*names, *(path[0] for path in paths))))
        self._values = [(self._names.index(path[0]), path[1:]) for path in paths]
        fields = [
            (f"f{place}", Any, msgspec.field(default=msgspec.UNSET, name=name))
            for place, name in enumerate(self._names)
        ]
        self._members = [attrgetter(name) for name, *_ in fields]
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Members", fields))

    def read(self, documents: Sequence[bytes | msgspec.Raw]) -> list[Sequence[Any]]:
        """The members of all, in the order of `names`, and more that `keys` needs; `UNSET` where there is none."""
        try:
            found = [*map(self._decoder.decode, documents)]
        except (msgspec.DecodeError, UnicodeDecodeError):
            rows = [*map(self._read_one, documents)]
            return [[row[place] for row in rows] for place in range(len(self._names))]
        return [[*map(member, found)] for member in self._members]  # without a tuple for the garbage collector to see

    def _read_one(self, document: bytes | msgspec.Raw) -> tuple[Any, ...]:
        try:
            return msgspec.structs.astuple(self._decoder.decode(document))
        except (msgspec.DecodeError, UnicodeDecodeError):
            # What msgspec does not take, and JavaScript writes: half of a surrogate pair, a number beyond a float.
            whole = json.loads(bytes(document))
            return tuple(whole.get(name, msgspec.UNSET) for name in self._names)

    def keys(self, found: Sequence[Sequence[Any]]) -> list[str]:
        """Of what `read` gave, with `id` as the first name: see `key`."""
        columns = [found[0], *(_scalars(found[place], path) for place, path in self._values)]
        try:
            return _ENCODER.encode_lines(zip(*columns, strict=True)).decode().split("\n")[:-1]
        except UnicodeEncodeError:
            return [encoded(row).decode() for row in zip(*columns, strict=True)]


def key(name: str, item: Mapping[str, Any], paths: tuple[Path, ...]) -> str:
    """`[id, values of the partition key…]` as JSON; `{}` for a value that is not there, as Cosmos DB writes it."""
    return encoded([name, *(_scalar(_at(item, path)) for path in paths)]).decode()


def _scalars(values: Sequence[Any], path: Path) -> Sequence[Any]:
    if not path and _AS_THEY_ARE.issuperset(map(type, values)):
        return values
    return [_scalar(_at(value, path)) for value in values]


def _at(value: Any, path: Path) -> Any:
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return msgspec.UNSET
        value = value[name]
    return value


def _scalar(value: Any) -> Any:
    """One number, one text: Cosmos DB knows floats only."""
    if value is msgspec.UNSET:
        return {}
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


def encoded(value: Any) -> bytes:
    """As JSON; half a surrogate pair, which UTF-8 does not have, as an escape."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()

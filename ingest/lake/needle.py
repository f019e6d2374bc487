"""What a search of bytes looks for: a value, as text or JSON may write it, and not as a part of a longer word."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ingest.model.contract import Column, LogicalType

__all__ = ["Needle"]

_ESCAPES = re.compile(rb'((?:\\u[0-9a-fA-F]{4})+)|\\(["\\/])')


class Needle:
    """The value of the erasure key `column`, whose payload field is `field`, and the texts that stand for it.

    An integer is looked for under its field's name and in its own column: 1 stands in every body.
    """

    def __init__(self, value: str, column: str, field: str, *, is_integer: bool, others: Sequence[str] = ()) -> None:
        self._number = (column, int(value)) if is_integer else None
        texts = {one for text in (value, *others) for one in (text, _quoted(text), _quoted(text, ascii_only=False))}
        self._texts = sorted(text.encode("utf-8", "replace") for text in texts)
        word = rb"(?<![0-9A-Za-z_])(?:%s)(?![0-9A-Za-z_])"
        patterns = [word % re.escape(text) for text in self._texts]
        if is_integer:
            named = rb'"%s"\s*:\s*"?%s(?![0-9.eE])' % (re.escape(_quoted(field).encode()), re.escape(value.encode()))
            patterns = [named, *(word % re.escape(text.encode()) for text in others)]
        self._pattern = re.compile(b"|".join(patterns))

    @classmethod
    def of(cls, value: str, column: Column, others: Sequence[str] = ()) -> Needle:
        """A value of the contract's `column`."""
        is_integer = column.type is LogicalType.INTEGER
        return cls(value, column.name, column.field, is_integer=is_integer, others=others)

    def __repr__(self) -> str:
        return "Needle()"

    def is_in(self, content: bytes) -> bool:
        """Whether the bytes hold it, plainly or with characters escaped as JSON may."""
        if self._pattern.search(content):
            return True
        return b"\\" in content and self._pattern.search(_ESCAPES.sub(_plain, content)) is not None

    def is_among(self, name: str, values: pa.Array) -> bool:
        """Whether one of the values (n, nested ones included) of the column `name` is it or holds it."""
        kind = values.type
        if pa.types.is_integer(kind):
            mine = self._number is not None and self._number[0] == name
            return mine and bool(pc.any(pc.equal(values, self._number[1])).as_py())  # type: ignore[index]
        if pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
            return False
        if pa.types.is_struct(kind):
            return any(self.is_among(f"{name}.{kind.field(at).name}", one) for at, one in enumerate(values.flatten()))
        if pa.types.is_list(kind):
            return self.is_among(f"{name}[]", values.flatten())
        return self._is_in_one(_bytes(values))

    def _is_in_one(self, values: pa.Array) -> bool:
        suspects = pc.match_substring(values, b"\\")
        for text in self._texts:
            suspects = pc.or_(suspects, pc.match_substring(values, text))
        return any(map(self.is_in, values.filter(suspects).to_pylist()))


def _bytes(values: pa.Array) -> pa.Array:
    """Values (n) as bytes (n), whichever of Arrow's many kinds of text they are; what is none as Python shows it."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _bytes(values.dictionary).take(values.indices)
    if pa.types.is_string_view(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pc.cast(pc.cast(values, pa.large_string()), pa.large_binary())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pc.cast(values, pa.large_binary())
    return pa.array([repr(value).encode() for value in values.to_pylist()], pa.large_binary())


def _quoted(text: str, *, ascii_only: bool = True) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _plain(escape: re.Match[bytes]) -> bytes:
    if escape[2]:
        return escape[2]
    return bytes.fromhex(escape[1].replace(b"\\u", b"").decode()).decode("utf-16-be", "replace").encode()

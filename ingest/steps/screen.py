"""The screen that keeps erased people out: it recognises their rows by keyed hash, whatever the body looks like.

A payload that is a JSON object is asked for the erasure key's field alone: what it says of others is theirs. What is no
object, cannot be taken out of its envelope, or lacks a required key, is searched: every text between quotes and every
word is a candidate. Nothing here fails on content.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ingest.errors import ConfigurationError
from ingest.model.container import CHANGE_PREFIX
from ingest.model.contract import Column, Contract, LogicalType
from ingest.model.delivery import CONTENT_PREFIX
from ingest.model.erasure import ERASED, ERASED_ID, Erasure
from ingest.model.keys import Keys
from ingest.model.ports import Lake, Open
from ingest.model.tables import RAW, RECOGNISED, occurrences

__all__ = ["LONGEST_VALUE", "Screen", "by_date", "erasure_of", "gives_away", "screen_of", "value_of"]

LONGEST_VALUE = 1_024
"""Characters that a value to erase may have; a longer text in a broken body is none."""

_MOST_CANDIDATES = 200_000
"""Distinct candidates of one broken body that are tried: the cost of a hostile one."""

_WORD = re.compile(rb"""[^\s"'<>,;:=&(){}\[\]]+""")
_ESCAPED = re.compile(rb'"((?:[^"\\]|\\.)*\\.(?:[^"\\]|\\.)*)"', re.DOTALL)


def value_of(contract: Contract, given: str) -> str:
    """The value as the erasure key's column has it as text.

    Raises:
        ConfigurationError: the contract names no erasure key, or the column cannot have such a value. The value is
            not repeated.
    """
    column = _key_column(contract)
    if column is None:
        raise ConfigurationError(
            f"the contract of {contract.dataset} does not say which column tells whose a row is",
            remedy="add the custom property `erasureKey` with the column's name to contract.odcs.yaml",
        )
    if column.type is LogicalType.INTEGER:
        if not re.fullmatch(r"-?[0-9]{1,19}", given):
            raise ConfigurationError(f"{column.name} is an integer, the given key is none", remedy="give digits only")
        return str(int(given))
    if not given or len(given) > LONGEST_VALUE:
        raise ConfigurationError(
            f"the given key has {len(given)} characters", remedy=f"give a value of 1 to {LONGEST_VALUE} characters"
        )
    return given


def erasure_of(contract: Contract, value: str, keys: Keys, key: str | None = None) -> Erasure:
    """The entry of `value` under the key of that id, by default the current one."""
    key = key or keys.current
    return Erasure(str(contract.erasure_key), keys.hashed(_told(contract.dataset, value), key), keys.mark(key))


def _told(dataset: str, value: str) -> str:
    return f"erasure\0{dataset}\0{value}"


def _key_column(contract: Contract) -> Column | None:
    return next((column for column in contract.columns if column.name == contract.erasure_key), None)


def screen_of(contract: Contract, lake: Lake, keys: Keys, opened: Open) -> Screen:
    """The screen of everybody who was erased from the dataset so far; it looks into payloads, by `opened`.

    Raises:
        ConfigurationError: it cannot recognise all of them: letting one back in is worse than to stop.
    """
    erasures = lake.erasures(contract.dataset)
    keys.needed(contract.dataset, (one.mark for one in erasures))
    others = {one.column for one in erasures} - {contract.erasure_key}
    if others:
        raise ConfigurationError(
            f"people were erased from {contract.dataset} by {', '.join(sorted(others))}, which is not the contract's"
            " erasureKey: they would come back",
            remedy="restore erasureKey in contract.odcs.yaml",
        )
    return Screen(contract, frozenset(one.hash for one in erasures), keys, opened)


@dataclass(frozen=True, slots=True)
class Screen:
    """Recognises rows of erased people: by `hashes`, and those whose content was taken out already."""

    contract: Contract
    hashes: frozenset[str]
    keys: Keys
    opened: Open

    def matches(self, rows: pa.Table) -> dict[int, str]:
        """Which of `rows` (n) are an erased person's, and the value that says so.

        Needs `operation`, `body` and what says how to read it: `content_type`, `content_encoding`, `headers`. The
        value is empty where the content is gone already.
        """
        emptied = pc.fill_null(pc.equal(rows["operation"], ERASED), fill_value=False)
        found = dict.fromkeys(pc.indices_nonzero(emptied).to_pylist(), "")
        if self.hashes and len(found) < rows.num_rows:
            found = {**self._recognised(rows), **found}
        return found

    def parted(self, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
        """`rows` without those of erased people, and those."""
        found = self.matches(rows)
        if not found:
            return rows, rows.slice(0, 0)
        gone = pc.is_in(pa.array(range(rows.num_rows)), value_set=pa.array(sorted(found)))
        return rows.filter(pc.invert(gone)), rows.filter(gone)

    def recognised(self, rows: pa.Table) -> pa.Table:
        """The rows of erased people among `rows` of raw, as `tables.RECOGNISED`."""
        found = self.matches(rows)
        mine = rows.take(pa.array(sorted(found), pa.int64()))
        tells = [
            set(gives_away(dict(zip(_NAMING, texts, strict=True)), found[at]))
            for at, *texts in zip(sorted(found), *(mine[name].to_pylist() for name in _NAMING), strict=True)
        ]
        emptied = pa.array([at_value == "" for _, at_value in sorted(found.items())], pa.bool_())
        flags = [pa.array([name in told for told in tells], pa.bool_()) for name in _NAMING]
        columns = [*(mine[name] for name in ("window", "row", "event_date")), emptied, *flags]
        return pa.table(columns, schema=RECOGNISED)

    def emptied(self, rows: pa.Table) -> pa.Table:
        """`rows` of raw (n), of erased people only that there was a delivery: no content, no word of who it was."""
        found = self.matches(rows) if self.hashes else {}
        if not found:
            return rows
        columns = {name: rows[name].to_pylist() for name in _EMPTIED}
        for at, value in found.items():
            new = {"body": b"", "headers": None, "key": None, "operation": ERASED}
            new |= {name: ERASED_ID if name == "event_id" else None
                    for name in gives_away({name: columns[name][at] for name in _NAMING}, value)}  # fmt: skip
            for name, one in new.items():
                columns[name][at] = one
        for name, values in columns.items():
            rows = rows.set_column(RAW.get_field_index(name), RAW.field(name), pa.array(values, RAW.field(name).type))
        return rows

    def _recognised(self, rows: pa.Table) -> dict[int, str]:
        column = _key_column(self.contract)
        if column is None:
            return {}
        reader = _reader(column)
        known: dict[bytes, str | None] = {}
        found = {}
        for at, (body, is_payload) in enumerate(self._payloads(rows)):
            token = reader(body) if is_payload else None
            if token is None:
                said = _said(body, column) if is_payload else _candidates(body)
                value = next(filter(self._is_erased, said), None)
            elif token in known:
                value = known[token]
            else:
                value = known[token] = next(filter(self._is_erased, _texts(token)), None)
            if value is not None:
                found[at] = value
        return found

    def _payloads(self, rows: pa.Table) -> Iterator[tuple[bytes, bool]]:
        """Each row's payload; where it cannot be taken out, what can be read of the body, and that it is none."""
        for piece in self.opened(rows):
            opened = pc.is_null(piece.reason).to_pylist()
            yield from zip(piece.rows["body"].to_pylist(), opened, strict=True)

    def _is_erased(self, value: str) -> bool:
        used = {one.partition(":")[0] for one in self.hashes}
        return any(self.keys.hashed(_told(self.contract.dataset, value), key) in self.hashes for key in used)


_NAMING = ("event_id", "event_type", "routing_key")  # as in `tables.RECOGNISED`
_FINGERPRINTS = (CONTENT_PREFIX, CHANGE_PREFIX)
_EMPTIED = ("body", "headers", "key", "operation", *_NAMING)


def gives_away(naming: Mapping[str, str | None], value: str) -> Iterator[str]:
    """Which of a row's `event_id`, `event_type` and `routing_key` hold the value, or a hash of content or key."""
    for name, text in naming.items():
        if text is not None and ((value and value in text) or text.startswith(_FINGERPRINTS)):
            yield name


def _reader(column: Column) -> Callable[[bytes], bytes | None]:
    """Body → the key's JSON token; null where the body needs more patience. Most do not: a token is known by then."""
    named = [("key", msgspec.Raw, msgspec.Raw(b""))]
    decode = msgspec.json.Decoder(msgspec.defstruct("Body", named, rename={"key": column.field})).decode
    name = json.dumps(column.field, ensure_ascii=False).encode()

    def token(body: bytes) -> bytes | None:
        if body.count(name) != 1 or b"\\u00" in body:  # said twice, or perhaps so; or in no plain words
            return None
        try:
            return bytes(decode(body).key) or None  # type: ignore[attr-defined]
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None

    return token


def _texts(token: bytes) -> Iterator[str]:
    """A JSON text or number as the column would have it as text; nothing for another value."""
    try:
        value = json.loads(token)
    except (ValueError, RecursionError):
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _said(body: bytes, column: Column) -> Iterator[str]:
    """The values of the key in a body that is an object, each time it is said; else whatever may be one."""
    pairs: list[tuple[str, Any]] = []

    def outermost(some: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs[:] = some  # objects come from the inside out
        return dict(some)

    try:
        is_object = isinstance(json.loads(body, object_pairs_hook=outermost), dict)
    except (ValueError, RecursionError):
        is_object = False
    values = [value for name, value in pairs if name == column.field] if is_object else []
    scalars = [value for value in values if isinstance(value, str | int | float) or value is None]
    if is_object and len(scalars) == len(values) and (any(one is not None for one in scalars) or not column.required):
        yield from (str(value) for value in scalars if value is not None)
    else:
        yield from _candidates(body)


def _candidates(body: bytes) -> Iterator[str]:
    """What may be a value in a body that cannot be read: no complete one is missed while there are not too many."""
    seen: set[bytes] = set()
    for piece in _pieces(body):
        if len(seen) >= _MOST_CANDIDATES:
            return
        if piece not in seen and len(piece) <= LONGEST_VALUE * 4:
            seen.add(piece)
            yield piece.decode("utf-8", "replace")
            if not piece.isascii():
                yield piece.decode("latin-1")


def _pieces(body: bytes) -> Iterator[bytes]:
    yield from body.split(b'"')  # whichever quote is missing, what stands between two others is whole
    for literal in _ESCAPED.finditer(body):
        try:
            yield json.loads(literal[0], strict=False).encode("utf-8", "replace")
        except (ValueError, UnicodeError):
            continue
    yield from (word[0] for word in _WORD.finditer(body))


def by_date(rows: pa.Table) -> dict[dt.date, int]:
    """How many of `rows` each event date has."""
    return occurrences(rows["event_date"])

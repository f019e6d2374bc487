"""What producers write into headers and envelopes, read without trust: nothing here raises on content."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = [
    "LONGEST",
    "NOTHING",
    "Said",
    "header",
    "iso",
    "json_members",
    "json_text",
    "moment",
    "named",
    "says_twice",
    "string",
    "string_moment",
    "text",
]

LONGEST = 2_048
"""Characters that an id or a type may have. A longer text is none: a small compressed body could hold a huge one."""

Said = tuple[str | None, str | None, dt.datetime | None]
"""Id, type and time, as far as an envelope in the body says them."""

NOTHING: Said = (None, None, None)

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")  # a name may be written so: no plain search finds it
_WIRE = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d):(\d{6}) Z", re.ASCII)
_YEAR_FIRST = re.compile(r"(\d{4})/(\d\d?)/(\d\d?) (\d\d?):(\d\d):(\d\d) ?([+-]\d\d:\d\d)?", re.ASCII)
_MONTH_FIRST = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d):(\d\d):(\d\d) ?([+-]\d\d:\d\d)?", re.ASCII)


def text(value: Any) -> str | None:
    """A header's value as text: UTF-8 bytes and whole numbers too; null for anything else, or an empty or huge one."""
    if isinstance(value, bytes | bytearray):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None
    elif isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 64:  # noqa: PLR2004 - AMQP's
        value = str(value)
    return string(value)


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def header(headers: Mapping[str, Any], name: str) -> Any:
    """A header by its name, else by the first in order that differs in capitals only; null where there is none.

    The order in which the headers came decides nothing.
    """
    if name in headers:
        return headers[name]
    wanted = name.lower()
    found = min((one for one in headers if one.lower() == wanted), default=None)
    return None if found is None else headers[found]


def moment(value: Any) -> dt.datetime | None:
    """An instant in UTC from a header or an envelope; null for what is none.

    ISO 8601; `yyyy-MM-dd HH:mm:ss:ffffff Z`, as NServiceBus and Wolverine write it; and, as CAP lets .NET write it,
    `MM/dd/yyyy HH:mm:ss zzz` of the invariant culture and `yyyy/M/d H:mm:ss zzz`. Without a zone it is UTC. The first
    day of year 1 is .NET's word for no time.
    """
    if isinstance(value, dt.datetime):
        return _told(_utc(value))
    given = text(value)
    return None if given is None else _told(_moment(given.strip()))


def string_moment(value: Any) -> dt.datetime | None:
    """The same of a value of a JSON document, which must be a string."""
    given = string(value)
    return None if given is None else _told(_moment(given.strip()))


def _told(found: dt.datetime | None) -> dt.datetime | None:
    return None if found is None or found.date() == dt.date.min else found


def _moment(given: str) -> dt.datetime | None:
    if given[10:11] == "T":  # in none of the other forms
        return iso(given)
    if wire := _WIRE.fullmatch(given):
        return iso(f"{wire[1]}T{wire[2]}.{wire[3]}+00:00")
    if parts := _YEAR_FIRST.fullmatch(given):
        year, month, day, *rest = parts.groups()
    elif parts := _MONTH_FIRST.fullmatch(given):
        month, day, year, *rest = parts.groups()
    else:
        return iso(given)
    hour, minute, second, zone = rest
    return iso(f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute}:{second}{zone or ''}")


def iso(given: str) -> dt.datetime | None:
    """An instant in UTC from ISO 8601, which is UTC where it names no zone."""
    # Digits alone are refused: `fromisoformat` reads some numbers of milliseconds as dates of the Middle Ages.
    if given[4:5] != "-":
        return None
    try:
        return _utc(dt.datetime.fromisoformat(given))
    except ValueError:
        return None


def _utc(found: dt.datetime) -> dt.datetime | None:
    try:
        return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def json_members(body: bytes) -> dict[str, msgspec.Raw] | None:
    """The members of a JSON object, each with its very bytes; null where the body is none."""
    try:
        return _members(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def named(members: Mapping[str, msgspec.Raw], name: str) -> msgspec.Raw | None:
    """The member of a name, else the first in order that differs in capitals only, as .NET reads them."""
    if name in members:
        return members[name]
    return header(members, name)  # type: ignore[no-any-return]  # of the mapping's values


def says_twice(body: bytes, name: str, *, any_case: bool = False) -> bool:
    """Whether a JSON object, which `body` is, has several members of a name: readers differ in which one they take."""
    quoted, text_of = f'"{name}"'.encode(), body.lower() if any_case else body
    if text_of.count(quoted) <= 1 and not _ESCAPED_LETTER.search(body):
        return False
    names: list[str] = []

    def outermost(pairs: list[tuple[str, Any]]) -> None:
        names[:] = [key for key, _ in pairs]  # objects come from the inside out

    try:
        json.loads(body.decode("utf-8", "replace"), object_pairs_hook=outermost, parse_int=str)
    except (ValueError, RecursionError):
        return True  # nobody can say so
    return sum((one.lower() if any_case else one) == name.lower() for one in names) > 1


def json_text(value: msgspec.Raw | None) -> str | None:
    """A JSON string as text; null for another value."""
    if value is None:
        return None
    try:
        found = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return string(found)


def string(value: Any) -> str | None:
    """A value of a JSON document where it is a string that can be an id, a type or a time; null for another value."""
    if not isinstance(value, str) or len(value) > LONGEST or not value.strip():
        return None
    return value if value.isascii() or _is_unicode(value) else None

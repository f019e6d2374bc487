# ruff: noqa: RUF001 -- wrong values are wrong in many scripts
"""What can be wrong with an order message, and the verdict that each kind must get by construction.

Nothing here asks the product: each maker breaks a good payload or its bytes in one known way.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from ingest.model.reason import Reason
from shop_orders import literal

__all__ = ["MALFORMED", "SUITE", "WRONG", "BadValue", "Broken", "deep"]


class Broken(NamedTuple):
    """A kind of body that is not one JSON object in UTF-8. `make` gets a good body; the result has its order in it."""

    name: str
    reason: Reason
    make: Callable[[bytes, random.Random], bytes]


class BadValue(NamedTuple):
    """A value that must be rejected. `spoil` changes the payload in place; `expectation` is set for the suite's."""

    column: str
    reason: Reason
    spoil: Callable[[dict[str, Any]], None]
    expectation: str | None = None


def deep(inner: bytes, levels: int = 100) -> bytes:
    """`inner` inside `levels` nested JSON objects."""
    return b'{"\xe2\x86\xb3":' * levels + inner + b"}" * levels


def _truncated(body: bytes, rng: random.Random) -> bytes:
    text = body.decode()  # cut between characters: cut inside one it would be an encoding fault
    return text[: rng.randrange(1, len(text))].encode()


def _in_note(inside: bytes) -> Callable[[bytes, random.Random], bytes]:
    """Put raw bytes inside a string value."""
    return lambda body, _: body[:-1] + b',"note_2":"vor ' + inside + b' nach"}'


def _tail(tail: bytes) -> Callable[[bytes, random.Random], bytes]:
    return lambda body, _: body[:-1] + tail


def _around(before: bytes, after: bytes) -> Callable[[bytes, random.Random], bytes]:
    return lambda body, _: before + body + after


def _fixed(body: bytes) -> Callable[[bytes, random.Random], bytes]:
    return lambda _body, _rng: body


MALFORMED = (
    Broken("truncated", Reason.MALFORMED, _truncated),
    Broken("truncated again", Reason.MALFORMED, _truncated),
    Broken("last brace missing", Reason.MALFORMED, _tail(b"")),
    Broken("two documents", Reason.MALFORMED, lambda body, _: body + body),
    Broken("two documents on two lines", Reason.MALFORMED, lambda body, _: body + b"\n" + body),
    Broken("two documents, second empty", Reason.MALFORMED, _around(b"", b"{}")),
    Broken("braces reversed", Reason.MALFORMED, _fixed(b"}{")),
    Broken("braces reversed inside", Reason.MALFORMED, lambda body, _: body[:-1] + b"}{" + body[1:-1]),
    Broken("text after the document", Reason.MALFORMED, _around(b"", " – fertig ✓".encode())),
    Broken("NUL after the document", Reason.MALFORMED, _around(b"", b"\x00")),
    Broken("closing brace too many", Reason.MALFORMED, _around(b"", b"}")),
    Broken("NaN", Reason.MALFORMED, _tail(b',"weight":NaN}')),
    Broken("Infinity", Reason.MALFORMED, _tail(b',"weight":Infinity}')),
    Broken("minus Infinity", Reason.MALFORMED, _tail(b',"weight":-Infinity}')),
    Broken("duplicate key", Reason.MALFORMED, _tail(b',"order_id":"o-00000000"}')),
    Broken("duplicate key, same value type", Reason.MALFORMED, _tail(b',"total":1.00}')),
    Broken("newline in a string", Reason.MALFORMED, _in_note(b"\n")),
    Broken("carriage return and newline in a string", Reason.MALFORMED, _in_note("ü\r\né".encode())),
    Broken("tab in a string", Reason.MALFORMED, _in_note(b"\t")),
    Broken("NUL in a string", Reason.MALFORMED, _in_note(b"\x00")),
    Broken("unknown escape", Reason.MALFORMED, _in_note(b"\\x41")),
    Broken("half an escape", Reason.MALFORMED, _in_note(b"\\u00")),
    Broken("array at the top", Reason.MALFORMED, _around(b"[", b"]")),
    Broken("empty array", Reason.MALFORMED, _fixed(b"[]")),
    Broken("string at the top", Reason.MALFORMED, _fixed('"Prost 🍻"'.encode())),
    Broken("number at the top", Reason.MALFORMED, _fixed(b"42")),
    Broken("null at the top", Reason.MALFORMED, _fixed(b"null")),
    Broken("true at the top", Reason.MALFORMED, _fixed(b"true")),
    Broken("deep and truncated", Reason.MALFORMED, lambda body, _: body[:-1] + b',"trace":' + deep(b"1")[:-100]),
    Broken("brackets without end", Reason.MALFORMED, _fixed(b"[" * 5000)),
    Broken("trailing comma", Reason.MALFORMED, _tail(b",}")),
    Broken("comment", Reason.MALFORMED, _around("/* ü */ ".encode(), b"")),
    Broken("single quotes", Reason.MALFORMED, lambda body, _: body.replace(b'"', b"'")),
    Broken("bare key", Reason.MALFORMED, lambda body, _: body.replace(b'"order_id"', b"order_id", 1)),
    Broken("leading zero", Reason.MALFORMED, _tail(b',"weight":012}')),
    Broken("plus sign", Reason.MALFORMED, _tail(b',"weight":+1}')),
    Broken("hexadecimal", Reason.MALFORMED, _tail(b',"weight":0x1F}')),
    Broken("Python's words", Reason.MALFORMED, _tail(b',"gift":True}')),
    Broken("missing colon", Reason.MALFORMED, _tail(b',"weight" 1}')),
    Broken("web page", Reason.MALFORMED, _fixed("<html><body>502 – Gateway überlastet</body></html>".encode())),
    Broken("plain text", Reason.MALFORMED, _fixed("Bestellung folgt … später".encode())),
    Broken("base64 of JSON", Reason.MALFORMED, _fixed(b"eyJvcmRlcl9pZCI6Im8tMDAwMDAwMDEifQ==")),
    Broken("nothing", Reason.EMPTY, _fixed(b"")),
    Broken("white space", Reason.EMPTY, _fixed(b" \t\r\n \n")),
    Broken("Latin-1", Reason.ENCODING, _in_note("Müller, Köln".encode("latin-1"))),
    Broken("half a character", Reason.ENCODING, _in_note("🍺".encode()[:2])),
    Broken("character cut by the end", Reason.ENCODING, lambda body, _: body[:-1] + b',"note_2":"' + "🍺".encode()[:3]),
    Broken("surrogate in UTF-8", Reason.ENCODING, _in_note(b"\xed\xa0\xbd\xed\xb8\x80")),
    Broken("overlong slash", Reason.ENCODING, _in_note(b"\xc0\xaf")),
    Broken("beyond Unicode", Reason.ENCODING, _in_note(b"\xf4\x90\x80\x80")),
    Broken("UTF-16", Reason.ENCODING, lambda body, _: b"\xff\xfe" + body.decode().encode("utf-16-le")),
    Broken("gzip's first bytes", Reason.ENCODING, _fixed(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56\xca")),
    Broken("one stray byte", Reason.ENCODING, _around(b"", b"\xff")),
)


def _set(column: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(payload: dict[str, Any]) -> None:
        payload[column] = copy.copy(value)

    return spoil


def _within(column: str, key: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    """Spoil a value one level down, leaving the payload that other events share as it was."""

    def spoil(payload: dict[str, Any]) -> None:
        inner = payload[column] = copy.copy(payload[column])
        inner[key] = value

    return spoil


def _item(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(payload: dict[str, Any]) -> None:
        first, *rest = payload["items"]
        payload["items"] = [{**first, key: value}, *rest]

    return spoil


def _without(column: str) -> Callable[[dict[str, Any]], None]:
    def spoil(payload: dict[str, Any]) -> None:
        del payload[column]

    return spoil


_REQUIRED = ("order_id", "customer_id", "status", "occurred_at", "currency", "total", "item_count")

_WRONG_VALUES: tuple[tuple[str, Any], ...] = (
    ("total", "zwölf"),
    ("total", True),
    ("total", {"amount": 12}),
    ("total", [12]),
    ("total", literal("12345678901234.00")),  # more digits than decimal(12,2) has
    ("total", literal("12.345")),  # more places than it has
    ("item_count", "drei Kästen"),
    ("item_count", 2.5),
    ("item_count", literal("1180591620717411303424")),  # 2 ** 70
    ("item_count", False),
    ("item_count", [3]),
    ("items", "Kölsch"),
    ("items", {"sku": "BIER-KÖ-024", "quantity": 1}),
    ("items", ["Kölsch", "Weißbier"]),
    ("items", 7),
    ("address", "Große Budengasse 1, Köln"),
    ("address", ["Große Budengasse 1", "Köln"]),
    ("address", 50667),
    ("order_id", 12345678),
    ("customer_id", 123456),
    ("customer_id", {"id": "c-123456"}),
    ("status", ["placed"]),
    ("status", True),
    ("currency", 978),
    ("occurred_at", "gestern gegen 五時"),
    ("occurred_at", "2026-11-16T10:11:12.1234567"),  # no zone
    ("occurred_at", "2026-02-30T10:11:12Z"),
    ("occurred_at", ""),
    ("occurred_at", {"$date": "2026-11-16T10:11:12Z"}),
    ("promised_on", "übermorgen"),
    ("promised_on", "2026-13-01"),
    ("promised_on", 20261116),
    ("promised_on", True),
    ("is_gift", "ja ✓"),
    ("is_gift", 1),
    ("is_gift", []),
    ("note", 42),
    ("note", {"text": "für Zoë"}),
    ("note", ["für", "Zoë"]),
    ("loyalty_points", "viele ⭐"),
    ("loyalty_points", 10.5),
    ("loyalty_points", literal("-9223372036854775809")),  # one below int64
)

WRONG = (
    *(BadValue(column, Reason.WRONG_TYPE, _set(column, value)) for column, value in _WRONG_VALUES),
    BadValue("address", Reason.WRONG_TYPE, _within("address", "city", 50667)),
    BadValue("address", Reason.WRONG_TYPE, _within("address", "street", {"name": "Gürzenichstraße"})),
    BadValue("items", Reason.WRONG_TYPE, _within("items", 0, "Kölsch")),
    BadValue("items", Reason.WRONG_TYPE, _item("quantity", "zwei")),
    BadValue("items", Reason.WRONG_TYPE, _item("unit_price", "gratis")),
    BadValue("items", Reason.WRONG_TYPE, _item("name", ["Kölsch"])),
    *(BadValue(column, Reason.REQUIRED, _set(column, None)) for column in _REQUIRED),
    *(BadValue(column, Reason.REQUIRED, _without(column)) for column in _REQUIRED),
)

_SUITE_VALUES: tuple[tuple[str, str, Any], ...] = (
    ("status", "expect_column_values_to_be_in_set", "refunded"),
    ("status", "expect_column_values_to_be_in_set", "zugestellt ✓"),
    ("status", "expect_column_values_to_be_in_set", "PLACED"),
    ("status", "expect_column_values_to_be_in_set", ""),
    ("currency", "expect_column_values_to_be_in_set", "USD"),
    ("currency", "expect_column_values_to_be_in_set", "€"),
    ("currency", "expect_column_values_to_be_in_set", "eur"),
    ("total", "expect_column_values_to_be_between", literal("-0.01")),
    ("total", "expect_column_values_to_be_between", literal("100000.01")),
    ("total", "expect_column_values_to_be_between", literal("9999999999.99")),
    ("item_count", "expect_column_values_to_be_between", 0),
    ("item_count", "expect_column_values_to_be_between", 501),
    ("item_count", "expect_column_values_to_be_between", -3),
    ("order_id", "expect_column_values_to_match_regex", "o-1234567"),
    ("order_id", "expect_column_values_to_match_regex", "O-12345678"),
    ("order_id", "expect_column_values_to_match_regex", "o-１２３４５６７８"),
    ("order_id", "expect_column_values_to_match_regex", "vor o-12345678"),
    ("customer_id", "expect_column_values_to_match_regex", "c-1234567"),
    ("customer_id", "expect_column_values_to_match_regex", "Zoë"),
    ("customer_id", "expect_column_values_to_match_regex", ""),
)

SUITE = tuple(
    BadValue(column, Reason.EXPECTATION, _set(column, value), expectation)
    for column, expectation, value in _SUITE_VALUES
)

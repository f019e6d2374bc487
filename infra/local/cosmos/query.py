"""The queries that are served, strictly: anything else is refused with 400.

    SELECT * | VALUE alias | VALUE COUNT(1) | VALUE [{"item": COUNT(1)}] | alias.path [AS name], …
    FROM alias
    [WHERE conditions of =, !=, <>, <, <=, >, >=, IN, IS_DEFINED(), IS_NULL(), STARTSWITH(), NOT, AND, OR, parentheses]

A comparison of different types, or with a value that is not there, is undefined, and an item for which the condition
is not true is not returned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from cosmos.errors import Refused, bad_request

__all__ = ["Query", "matches", "parsed"]

Item = Mapping[str, Any]
Term = Callable[[Item], Any]

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<parameter>@\w+)|(?P<sign><=|>=|!=|<>|[=<>(),.*\[\]{}:]))"""
)
_MISSING: Final = object()
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


@dataclass(frozen=True, slots=True)
class Query:
    """`select`: an item to what is shown of it (null: the item itself as kept), or `count`; `where`: null for all.

    `partial`: the count is asked for in the shape that clients add up over partitions.
    """

    select: Term | None
    where: Term | None
    count: bool = False
    partial: bool = False
    text: str = ""

    def plan(self) -> dict[str, Any]:
        """What the gateway answers to a request for the query's plan."""
        rewritten = re.sub(r"(?i)COUNT\(\s*1\s*\)", '[{"item": COUNT(1)}]', self.text, count=1) if self.count else ""
        return {
            "partitionedQueryExecutionInfoVersion": 2,
            "queryInfo": {
                "distinctType": "None",
                "top": None,
                "offset": None,
                "limit": None,
                "orderBy": [],
                "orderByExpressions": [],
                "groupByExpressions": [],
                "groupByAliases": [],
                "aggregates": ["Count"] if self.count else [],
                "groupByAliasToAggregateType": {},
                "rewrittenQuery": rewritten,
                "hasSelectValue": self.count,
                "dCountInfo": None,
                "hasNonStreamingOrderBy": False,
            },
            "queryRanges": [{"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}],
        }


def parsed(body: Mapping[str, Any]) -> Query:
    """Of a request's body: `query`, and `parameters` of `name` and `value`. 400 for what is not served."""
    text = body.get("query")
    if not isinstance(text, str):
        raise bad_request("The request holds no query.")
    try:
        parameters = {one["name"]: one["value"] for one in body.get("parameters") or []}
    except (TypeError, KeyError):
        raise bad_request("The parameters of the query are a list of objects with name and value.") from None
    return _Parser(text, parameters).query()


def matches(predicate: str, item: Item) -> bool:
    """Whether `item` fulfils the condition of a patch: `from c where …`, or what would follow the `where`."""
    text = predicate.strip()
    text = f"SELECT * {text}" if re.match(r"(?i)from\b", text) else f"SELECT * FROM c WHERE {text}"
    where = _Parser(text, {}).query().where
    return where is None or where(item) is True


class _Parser:
    def __init__(self, text: str, parameters: Mapping[str, Any]) -> None:
        self._text, self._parameters = text, parameters
        self._tokens = self._split(text)
        self._at = 0
        self._alias = self._find_alias()

    def query(self) -> Query:
        self._need("select")
        select, count, partial = self._selection()
        self._need("from")
        self._word()
        where = None
        if self._accept("where"):
            where = self._either()
        if self._at < len(self._tokens):
            raise self._refused()
        return Query(select, where, count, partial, self._text)

    def _selection(self) -> tuple[Term | None, bool, bool]:
        if self._accept("*"):
            return None, False, False
        if self._accept("value"):
            if self._accept("count"):
                self._all("(", "1", ")")
                return None, True, False
            if self._accept("["):
                self._all("{", '"item"', ":", "count", "(", "1", ")", "}", "]")
                return None, True, True
            return self._path(), False, False
        fields: list[tuple[str, Term]] = []
        while True:
            path = self._path()
            last = self._tokens[self._at - 1]
            name = _text(self._tokens[self._at - 2]) if last == "]" else last
            if self._accept("as"):
                name = self._word()
            fields.append((name, path))
            if not self._accept(","):
                break

        def shown(item: Item) -> dict[str, Any]:
            values = ((name, path(item)) for name, path in fields)
            return {name: value for name, value in values if value is not _MISSING}

        return shown, False, False

    def _either(self) -> Term:
        terms = [self._both()]
        while self._accept("or"):
            terms.append(self._both())
        return terms[0] if len(terms) == 1 else _any(terms)

    def _both(self) -> Term:
        terms = [self._single()]
        while self._accept("and"):
            terms.append(self._single())
        return terms[0] if len(terms) == 1 else _all(terms)

    def _single(self) -> Term:
        if self._accept("not"):
            term = self._single()
            return lambda item: not value if isinstance(value := term(item), bool) else _MISSING
        if self._accept("("):
            term = self._either()
            self._need(")")
            return term
        for name, function in (("is_defined", _is_defined), ("is_null", _is_null)):
            if self._accept(name):
                self._need("(")
                path = self._operand()
                self._need(")")
                return lambda item: function(path(item))
        if self._accept("startswith"):
            self._need("(")
            path = self._operand()
            self._need(",")
            start = self._operand()
            self._need(")")
            return lambda item: _startswith(path(item), start(item))
        return self._comparison()

    def _comparison(self) -> Term:
        left = self._operand()
        if self._accept("in"):
            self._need("(")
            options = [self._operand()]
            while self._accept(","):
                options.append(self._operand())
            self._need(")")
            return _any([_equals(left, option) for option in options])
        sign = self._next()
        if sign not in {"=", "!=", "<>", *_COMPARE}:
            raise self._refused()
        right = self._operand()
        if sign == "=":
            return _equals(left, right)
        if sign in {"!=", "<>"}:
            return lambda item: _MISSING if (same := _equal(left(item), right(item))) is _MISSING else not same
        compare = _COMPARE[sign]
        return lambda item: _ordered(left(item), right(item), compare)

    def _operand(self) -> Term:
        token = self._next()
        if token.startswith("@"):
            if token not in self._parameters:
                raise bad_request(f"The parameter {token} is not given.")
            value = self._parameters[token]
            return lambda _: value
        if token[0] in "\"'":
            text = _text(token)
            return lambda _: text
        if token.lower() in {"true", "false", "null"}:
            constant = {"true": True, "false": False, "null": None}[token.lower()]
            return lambda _: constant
        if token[0].isdigit() or token[0] == "-":
            number = msgspec.json.decode(token)
            return lambda _: number
        self._at -= 1
        return self._path()

    def _path(self) -> Term:
        if self._word() != self._alias:
            raise self._refused()
        parts: list[str] = []
        while True:
            if self._accept("."):
                parts.append(self._word())
            elif self._accept("["):
                name = self._next()
                if name[0] not in "\"'":
                    raise self._refused()
                parts.append(_text(name))
                self._need("]")
            else:
                break

        def value(item: Item) -> Any:
            found: Any = item
            for part in parts:
                if not isinstance(found, dict) or part not in found:
                    return _MISSING
                found = found[part]
            return found

        return value

    def _split(self, text: str) -> list[str]:
        tokens, at = [], 0
        text = text.strip()
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                raise bad_request(f"Syntax error, incorrect syntax near {text[at : at + 20]!r}.")
            tokens.append(token.group().strip())
            at = token.end()
        return tokens

    def _find_alias(self) -> str:
        words = [token.lower() for token in self._tokens]
        at = words.index("from") + 1 if "from" in words else len(words)
        if at >= len(words):
            raise bad_request("The query names no source: FROM c.")
        if at + 1 < len(words) and words[at + 1] != "where":
            alias = self._tokens.pop(at + 2) if words[at + 1] == "as" and at + 2 < len(words) else None
            self._tokens[at : at + 2] = [alias or self._tokens[at + 1]]
        return self._tokens[at]

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise bad_request("Syntax error, unexpected end of the query.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _word(self) -> str:
        word = self._next()
        if not re.fullmatch(r"[A-Za-z_]\w*", word):
            raise self._refused()
        return word

    def _accept(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at].lower() == token:
            self._at += 1
            return True
        return False

    def _need(self, token: str) -> None:
        if not self._accept(token):
            raise self._refused()

    def _all(self, *tokens: str) -> None:
        for token in tokens:
            self._need(token)

    def _refused(self) -> Refused:
        near = " ".join(self._tokens[self._at : self._at + 4]) or "the end"
        return bad_request(f"This emulator does not serve the query {self._text!r}, see near {near!r} and its README.")


def _text(token: str) -> str:
    inner = token[1:-1]
    if token[0] == "'":
        inner = inner.replace("\\'", "'").replace('"', '\\"')
    try:
        return str(msgspec.json.decode(f'"{inner}"'))
    except msgspec.DecodeError:
        raise bad_request(f"Syntax error, {token} is not a text.") from None


def _equals(left: Term, right: Term) -> Term:
    return lambda item: _equal(left(item), right(item))


def _any(terms: list[Term]) -> Term:
    """True beats undefined beats false."""

    def value(item: Item) -> Any:
        values = [term(item) for term in terms]
        return True if True in values else _MISSING if _MISSING in values else False

    return value


def _all(terms: list[Term]) -> Term:
    """False beats undefined beats true."""

    def value(item: Item) -> Any:
        values = [term(item) for term in terms]
        return False if False in values else _MISSING if _MISSING in values else True

    return value


def _is_defined(value: Any) -> bool:
    return value is not _MISSING


def _is_null(value: Any) -> bool:
    return value is None


def _startswith(value: Any, start: Any) -> Any:
    return value.startswith(start) if isinstance(value, str) and isinstance(start, str) else _MISSING


def _kind(value: Any) -> str:
    return "bool" if isinstance(value, bool) else "number" if isinstance(value, int | float) else type(value).__name__


def _equal(left: Any, right: Any) -> Any:
    if left is _MISSING or right is _MISSING or _kind(left) != _kind(right):
        return _MISSING
    return bool(left == right)


def _ordered(left: Any, right: Any, compare: Callable[[Any, Any], bool]) -> Any:
    if _kind(left) != _kind(right) or _kind(left) not in {"number", "str"}:
        return _MISSING
    return compare(left, right)

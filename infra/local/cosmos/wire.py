"""A request and an answer, as HTTP carries them: paths, headers, JSON."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from cosmos import epk
from cosmos.errors import CODES, Refused, bad_request
from cosmos.faults import Kind
from cosmos.keys import key_values
from cosmos.resources import Container

__all__ = ["Call", "Reply", "call_of", "content_path", "feed_reply", "json_reply", "refusal"]


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `path`: the decoded segments; `headers`: names in lower case; `base`: scheme and host as asked.

    `activity`: what the client calls it, or a name of its own.
    """

    verb: str
    path: tuple[str, ...]
    headers: Mapping[str, str]
    body: bytes
    base: str
    activity: str

    def flag(self, name: str) -> bool:
        """Whether the header says true."""
        return self.headers.get(name, "").lower() == "true"

    def json(self) -> Any:
        """The body. 400 when it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise bad_request(
                f"The request payload is invalid. Ensure to provide a valid request payload: {error}"
            ) from None

    def partition_key(self) -> tuple[epk.Scalar, ...] | None:
        """Of `x-ms-documentdb-partitionkey`; null without the header."""
        header = self.headers.get("x-ms-documentdb-partitionkey")
        return None if header is None else key_values(header)

    @property
    def kind(self) -> Kind:
        """What the faults know it as."""
        if not self.path:
            return "account"
        if self.path[4:5] != ("docs",):
            return "pkranges" if self.path[-1] == "pkranges" else "container"
        if self.flag("x-ms-cosmos-is-batch-request"):
            return "batch"
        if "a-im" in self.headers:
            return "feed"
        if self.is_query or (self.verb == "GET" and self.path[-1] == "docs"):
            return "query"
        return "read" if self.verb == "GET" else "write"

    @property
    def is_query(self) -> bool:
        """A query, or a request for its plan; SDKs differ in how they say so."""
        typed = self.headers.get("content-type", "").partition(";")[0] == "application/query+json"
        return typed or self.flag("x-ms-documentdb-isquery") or self.flag("x-ms-cosmos-is-query-plan-request")


@dataclass(slots=True)
class Reply:
    """An answer. `charge`: request units."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    charge: float = 1.0


def call_of(verb: str, target: str, headers: Mapping[str, str], body: bytes, base: str) -> Call:
    """Of a request line as sent: a segment is decoded after the path was taken apart, so an id may hold `%2F`."""
    path = target.partition("?")[0].strip("/")
    segments = tuple(unquote(part) for part in path.split("/")) if path else ()
    activity = headers.get("x-ms-activity-id") or str(uuid.uuid4())
    return Call(verb, segments, headers, body, base, activity)


def json_reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None, charge: float = 1.0) -> Reply:
    """With the body's etag as a header when it has one."""
    named = dict(headers or {})
    if isinstance(body, Mapping) and "_etag" in body:
        named.setdefault("etag", body["_etag"])
    return Reply(status, msgspec.json.encode(body), named, charge)


def feed_reply(container: Container, documents: list[bytes], charge: float) -> Reply:
    """A page of JSON texts."""
    head = b'{"_rid":"%s","Documents":[' % container.rid.encode()
    body = head + b",".join(documents) + b'],"_count":%d}' % len(documents)
    return Reply(200, body, {"x-ms-item-count": str(len(documents)), **content_path(container)}, charge)


def content_path(container: Container) -> dict[str, str]:
    """The headers that name the container."""
    return {"x-ms-alt-content-path": quote(container.path), "x-ms-content-path": container.rid}


def refusal(refused: Refused, activity: str) -> Reply:
    """As the service words it."""
    body = {
        "code": CODES.get(refused.status, str(refused.status)),
        "message": f"{refused.message}\r\nActivityId: {activity}, Microsoft.Azure.Documents.Common/2.14.0",
        **refused.details,
    }
    headers = dict(refused.headers)
    if refused.substatus:
        headers["x-ms-substatus"] = str(refused.substatus)
    return Reply(refused.status, msgspec.json.encode(body), headers, charge=0.0)

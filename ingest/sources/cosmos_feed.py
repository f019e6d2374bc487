"""A container's change feed through the SDK: page by page, as the service wrote it.

Calls block, so they belong into a thread, one at a time. Each feed range has a client of its own: a client remembers
the headers of its last answer, and the place in the feed is one of them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
from azure.core.credentials import TokenCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.cosmos import ContainerProxy, CosmosClient

from ingest.errors import ConfigurationError, SourceUnavailable
from ingest.model.container import ContainerBinding, FeedMode, FeedRange, RequestUnits
from ingest.sources.cosmos_errors import cosmos_errors
from ingest.sources.cosmos_item import Path, as_written
from ingest.sources.cosmos_session import session

__all__ = ["Account", "Container", "Feed", "Page", "physical_ranges"]

_OK = 200
_SEGMENT = re.compile(r'/("[^"]*"|[^/]+)')
"""A name on a path of a partition key, perhaps in quotes."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where a Cosmos DB account answers, and who asks: a key, or an identity. Neither shows in `repr`."""

    endpoint: str
    credential: str | TokenCredential

    def __repr__(self) -> str:
        return f"Account({self.endpoint!r})"


@dataclass(frozen=True, slots=True)
class Container:
    """What the service says of a container: its id of its own, and the paths of its partition key, as names."""

    rid: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """JSON texts of items or changes, and what is after them. `is_end`: there is nothing new.

    `is_resumable`: a later run, and another client, can go on from the continuation. `is_wider`: there may be documents
    of other feed ranges among them.
    """

    rid: str
    documents: list[msgspec.Raw]
    continuation: str
    is_end: bool
    is_resumable: bool = True
    is_wider: bool = False


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """Pages of the SDK that nobody but itself can go on with, and the continuation after the last of them."""

    pages: Iterator[Any]
    continuation: str


class _Answer(msgspec.Struct):
    """A feed's answer; the documents stay as they are written."""

    rid: str = msgspec.field(name="_rid")
    documents: list[msgspec.Raw] = msgspec.field(name="Documents")


_ANSWER = msgspec.json.Decoder(_Answer)
_NONE, _SOME = b'{"Documents":[]}', b'{"Documents":[0]}'


class _Transport(RequestsTransport):  # type: ignore[misc]  # the package imports it lazily, as Any
    """Keeps pages of the feed as they came, and tells the SDK only whether there is a document in them.

    It would make Python values of all of them, which cost more than everything else and are no use here: the documents
    leave as the texts that they are.
    """

    def __init__(self) -> None:
        super().__init__(session=session())
        self.answer: _Answer | None = None
        self.was_answered = False

    def send(self, request: Any, **options: Any) -> Any:
        """As the SDK's own; `answer` is the page, null where none was given, or none that can be read.

        `was_answered`: a page was given since somebody last said no, perhaps one without documents.
        """
        response = super().send(request, **options)
        # Lists of ranges are feeds, too.
        if "A-IM" in request.headers and urlsplit(request.url).path.rstrip("/").endswith("/docs"):
            self.answer = _read(response.body()) if response.status_code == _OK else None
            self.was_answered |= response.status_code == _OK
            if self.answer is not None:
                told = _SOME if self.answer.documents else _NONE
                response.body = lambda: told
        return response


def _read(body: bytes) -> _Answer | None:
    try:
        return _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        whole = json.loads(body)
        return _Answer(whole["_rid"], [as_written(one) for one in whole["Documents"]])
    except (ValueError, KeyError, TypeError):
        return None  # the SDK has words for it


class Feed:
    """The change feed of one feed range. Whatever the SDK raises is one of ours, see `cosmos_errors`."""

    def __init__(self, account: Account, binding: ContainerBinding, within: FeedRange, units: RequestUnits) -> None:
        self._account, self._binding, self._within, self._units = account, binding, within, units
        self._client: CosmosClient | None = None
        self._under_way: _UnderWay | None = None
        self._transport = _Transport()

    def open(self) -> Container:
        """Connect, and ask which container it is.

        Raises:
            ConfigurationError: it is keyed otherwise than the binding says, by which it is decided whose key is hidden.
        """
        with cosmos_errors(self._binding.name, "reading"):
            self._transport = _Transport()
            self._client = CosmosClient(self._account.endpoint, self._account.credential, transport=self._transport)
            container = self._container()
            told: dict[str, Any] = container.read(raw_response_hook=self._seen)
            # Clients of a process share what they know of ranges, by the container's name: it may have been another.
            next(iter(container.read_feed_ranges(force_refresh=True)), None)
        paths = _names(told["partitionKey"]["paths"])
        if paths != _names(self._binding.partition_key):
            key, said = ", ".join(told["partitionKey"]["paths"]), ", ".join(self._binding.partition_key)
            raise ConfigurationError(
                f"{self._binding.name} is keyed by {key}, and the contract says {said}",
                remedy="write the container's own paths as partitionKey",
            )
        return Container(told["_rid"], paths)

    def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            self._client.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self._client = None

    def now(self) -> str:
        """The continuation of what will change from now on, in the binding's mode."""
        return self._page({**self._asked(self._binding.mode), "start_time": "Now"}, 1, resuming=False).continuation

    def page(self, mode: FeedMode, continuation: str | None, limit: int) -> Page:
        """What follows `continuation`, null for the beginning: about `limit` documents, or one transaction's."""
        if self._under_way is not None and self._under_way.continuation == continuation:
            return self._next(self._under_way.pages, resuming=True)
        if continuation is None:
            return self._page({**self._asked(mode), "start_time": "Beginning"}, limit, resuming=False)
        return self._page({"continuation": continuation}, limit, resuming=True)

    def has(self, key: Sequence[Any]) -> bool:
        """Whether items whose partition key has these values are of this feed range; `{}`: a value that is not there.

        It takes a while, 80 µs.
        """
        try:
            place: str = self._container().feed_range_from_partition_key([*key])["Range"]["min"]
        except UnicodeEncodeError:
            return True  # half a surrogate pair, which the SDK cannot hash: rather twice than not at all
        return self._within.low <= place < self._within.high

    def _asked(self, mode: FeedMode) -> dict[str, Any]:
        within = {"min": self._within.low, "max": self._within.high, "isMinInclusive": True, "isMaxInclusive": False}
        return {"mode": mode.value, "feed_range": {"Range": within}}

    def _page(self, asked: dict[str, Any], limit: int, *, resuming: bool) -> Page:
        with cosmos_errors(self._binding.name, "reading the change feed of", resuming=resuming):
            pages = self._container().query_items_change_feed(
                max_item_count=limit, raw_response_hook=self._seen, **asked
            )
        return self._next(pages.by_page(), resuming=resuming)

    def _next(self, pages: Iterator[Any], *, resuming: bool) -> Page:
        self._under_way, self._transport.was_answered = None, False
        with cosmos_errors(self._binding.name, "reading the change feed of", resuming=resuming):
            some = next(pages, None)
            continuation = str(self._container().client_connection.last_response_headers["etag"])
        is_resumable = _is_resumable(continuation)
        answer = self._transport.answer
        if some is not None and answer is None:
            said = f"an answer of the change feed of {self._binding.name} is not as the service writes it"
            raise SourceUnavailable(said, remedy="run again; a proxy on the way may have written it")
        if some is None or answer is None:
            # 200 without a document, of any of several ranges: more may follow, though the SDK ends here.
            is_end = not self._transport.was_answered
            return Page("", [], continuation, is_end=is_end, is_resumable=is_resumable)
        if not is_resumable:
            self._under_way = _UnderWay(pages, continuation)
        is_wider = _is_wider(continuation, self._within)
        return Page(answer.rid, answer.documents, continuation, False, is_resumable, is_wider)  # noqa: FBT003 - no end

    def _container(self) -> ContainerProxy:
        if self._client is None:
            raise SourceUnavailable(f"the feed of {self._binding.name} is not open", remedy="enter the source first")
        return self._client.get_database_client(self._binding.database).get_container_client(self._binding.container)

    def _seen(self, response: Any) -> None:
        """Every answer, those that the SDK tries again included: what it cost."""
        self._units.charge(float(response.http_response.headers.get("x-ms-request-charge") or 0))


def physical_ranges(account: Account, binding: ContainerBinding) -> list[FeedRange]:
    """The physical ranges of a container, in their order. Blocking; raises as `cosmos_errors` says."""
    with cosmos_errors(binding.name, "reading the ranges of"):
        with CosmosClient(account.endpoint, account.credential) as client:
            container = client.get_database_client(binding.database).get_container_client(binding.container)
            container.read()
            found = [one["Range"] for one in container.read_feed_ranges(force_refresh=True)]
        return sorted((FeedRange(one["min"], one["max"]) for one in found), key=lambda one: one.low)


def _names(paths: Sequence[str]) -> tuple[Path, ...]:
    return tuple(tuple(name.strip('"') for name in _SEGMENT.findall(path)) for path in paths)


def _is_resumable(continuation: str) -> bool:
    """False while a physical range that the feed range spans has given no page yet.

    The SDK asks one after the other and writes no place for the others, but does not take such a continuation back:
    `Invalid composite token [Missing token]`.
    """
    return all(one["token"] is not None for one in _ranges(continuation))


def _is_wider(continuation: str, within: FeedRange) -> bool:
    """Whether the SDK reads beyond the feed range: the boundary of a later split cut it, and both sides are read whole.

    Boundaries are compared as text: `FF` stands behind all others.
    """
    asked = (one["range"] for one in _ranges(continuation))
    return any(one["min"] < within.low or one["max"] > within.high for one in asked)


def _ranges(continuation: str) -> list[dict[str, Any]]:
    """The ranges that the SDK reads one after the other, and the place in each; none where it does not say."""
    try:
        found: list[dict[str, Any]] = json.loads(base64.b64decode(continuation))["continuation"]["continuation"]
        return [one for one in found if one.keys() >= {"range", "token"}]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []

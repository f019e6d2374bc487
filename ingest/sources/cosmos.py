"""A slice of a Cosmos DB container as a source: a snapshot where the feed has no beginning, then its changes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import structlog

from ingest.errors import ConfigurationError, ContinuationExpired, SourceUnavailable
from ingest.model.arrived import Deliveries, Values
from ingest.model.container import ContainerBinding, FeedMode, FeedRange, RequestUnits
from ingest.model.delivery import Bounds, Delivery, Window
from ingest.model.gap import Gap
from ingest.sources.cosmos_changes import Changes, Origin, together
from ingest.sources.cosmos_errors import replaced
from ingest.sources.cosmos_feed import Account, Container, Feed, Page
from ingest.sources.cosmos_inferred import Inferred, Known
from ingest.sources.cosmos_token import Phase, Token

__all__ = ["CosmosRange"]

_PAGE = 1_000
"""Documents of a page: the service gives fewer where they are large, and more where one transaction has more."""

_AGAIN_SECONDS = 1.0
"""How long a run with a time limit waits before it looks again whether there is something new."""

_STALE_SECONDS = 3600.0
"""How old the continuation of a quiet feed may become: the service keeps changes for a time, and forgets it then."""

_ASKED = "a new snapshot was asked for"
_MADE_AGAIN = "the container was deleted and made again"

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Filling:
    """A window under way: what is in it, and the token after it."""

    token: Token
    until: float
    pieces: list[Changes] = field(default_factory=list)
    rows: int = 0
    size: int = 0  # bytes

    def take(self, page: Page, changes: Changes) -> None:
        """The page is in the window."""
        self.token = self.token.advanced(page.continuation)
        if len(changes):
            self.pieces.append(changes)
        self.rows += len(changes)
        self.size += changes.size


class CosmosRange:
    """One feed range of a container; implements `ports.TokenSource`. `position` of deliveries is the LSN.

    Where the mode tells all versions, whose feed begins now, the first run notes where that is, takes a snapshot of
    the items that are there, and goes on from the note. A run ends when there is nothing new, with `max_seconds` when
    those are over, and cleanly when the request units are used up and a page was read. The SDK follows splits and
    merges.

    `anew` begins like a first run whatever was read before, under the next generation: on purpose, or where the
    container was made again. A run without it goes on from there, and so does one with it where a generation has begun
    `since` (seconds since 1970): that of an earlier try. A feed that does not go on from the token is begun
    anew once in a run, without being told. Such a generation begins with the gap behind it; when all items that are
    there are in raw, those that `known` still gives are told as deletes that are inferred.
    """

    def __init__(
        self,
        account: Account,
        binding: ContainerBinding,
        within: FeedRange,
        units: RequestUnits | None = None,
        *,
        anew: bool = False,
        since: float = math.inf,
        known: Known = lambda _: iter(()),
    ) -> None:
        self.application = f"land:{binding.name}:{within.name}"
        self._binding, self._range = binding, within
        self._units = RequestUnits() if units is None else units
        self._feed = Feed(account, binding, within, self._units)
        self._container: Container | None = None
        self._token: Token | None = None
        self._anew, self._since, self._known = anew, since, known
        self._before: Token | None = None
        self._why = _ASKED
        self._has_begun = self._has_read = False
        self._inferred: Inferred | None = None

    async def __aenter__(self) -> Self:
        try:
            self._container = await asyncio.to_thread(self._feed.open)
        except BaseException:
            await asyncio.to_thread(self._feed.close)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container = self._inferred = None
        await asyncio.to_thread(self._feed.close)

    def resume(self, token: bytes | None) -> None:
        """Go on after this token; `anew`, count on from its generation.

        Raises:
            SourceReplaced: it is one of another container of that name.
            ConfigurationError: it is one of a feed in another mode.
            LakeUnavailable: it is none.
        """
        self._token = None if token is None else Token.decode(token)
        if self._token is None:
            return
        is_another = self._token.container_rid != self._opened().rid
        if self._anew and (is_another or self._token.begun < self._since):
            self._before, self._why, self._token = self._token, _MADE_AGAIN if is_another else _ASKED, None
            return
        if is_another:
            raise replaced(self._binding.name)
        if self._token.mode is not self._binding.mode:
            raise ConfigurationError(
                f"{self._binding.name} was landed in mode {self._token.mode}, not {self._binding.mode}",
                remedy="put the mode back: the continuation of the one feed means nothing in the other",
            )

    async def ready(self, after: int | None = None) -> int | None:  # noqa: ARG002 - a port
        """Null: a change feed does not tell how much of it there is."""
        return None

    async def read_back(self, after: int | None) -> Delivery | None:  # noqa: ARG002 - a port
        """Null: a container made again has another `_rid`, and the token has it too."""
        return None

    async def windows(
        self,
        bounds: Bounds,
        after: int | None,  # noqa: ARG002 - a port
        stop: asyncio.Event,
    ) -> AsyncIterator[Window]:
        """As `ports.Source` says, after the token of `resume`; `after` means nothing here.

        A window ends where a page does, so it may have a page more bytes than `bounds`. It may be without deliveries:
        where the feed begins, the end of a snapshot, and how far a quiet feed was read are to be remembered. The
        request units that are left are asked before each page.

        Raises:
            SourceUnavailable, TopologyError, ConfigurationError: see `cosmos_errors`.
            SourceReplaced: the container was made again meanwhile.
            ContinuationExpired: the feed does not go on from where this very run began anew.
        """
        loop = asyncio.get_running_loop()
        deadline = math.inf if bounds.max_seconds is None else loop.time() + bounds.max_seconds
        left: float = math.inf if bounds.max_messages is None else bounds.max_messages
        token = self._token
        durable = asyncio.Event()  # is the window before in raw?
        durable.set()
        while not (stop.is_set() or self._has_used_up or loop.time() >= deadline or left <= 0):
            if token is None:
                token = await self._first()
                yield Window([], _kept, token=token.encode(), gap=self._gap(token))
                continue
            if token.phase is Phase.INFERRING:
                await durable.wait()
                gone = await self._gone(token, bounds, left)
                token = token if len(gone) else token.fed()
                yield Window(Deliveries([gone]), _kept, token=token.encode())
                left -= len(gone)
                continue
            filling = _Filling(token, min(deadline, loop.time() + bounds.seconds))
            is_through, expired = False, None
            try:
                is_through = await self._fill(filling, bounds, left, stop)
            except ContinuationExpired as error:
                expired = error
            if filling.token is not token:
                durable = asyncio.Event()
                yield Window(Deliveries(together(filling.pieces)), _told(durable), token=filling.token.encode())
            if is_through:
                return
            token, left = filling.token, left - filling.rows
            if expired is not None:
                self._begin_again(token, expired)
                token = None
        if self._has_used_up:
            self._units.have_ended_a_run = True
            used = {"used": round(self._units.used, 2), "most": self._units.most}
            _log.warning("the request units are used up: the run ends here", source=self.application, **used)

    async def _first(self) -> Token:
        """The token of somebody who has read nothing yet, or begins anew."""
        rid, mode = self._opened().rid, self._binding.mode
        generation = 0 if self._before is None else self._before.generation + 1
        then = await asyncio.to_thread(self._feed.now) if mode is FeedMode.ALL_VERSIONS else None
        phase = Phase.SNAPSHOT if then is not None else Phase.FIRST if generation else Phase.FEED
        self._has_begun = True
        return Token(rid, mode, phase, then=then, generation=generation, begun=time.time())

    def _gap(self, token: Token) -> Gap | None:
        """What was not read between the generation before and the one that begins with the token."""
        if self._before is None:
            return None
        name = self.application.removeprefix("land:")
        return Gap(name, token.generation, _iso(self._before.known_until), _iso(token.begun), self._why)

    def _begin_again(self, token: Token, expired: ContinuationExpired) -> None:
        """The feed does not go on from the token: what follows is the next generation, unless this run began one."""
        if self._has_begun:
            raise expired
        self._before, self._why = token, expired.message
        told = {"source": self.application, "error": expired.message, "generation": token.generation + 1}
        _log.warning("a change feed does not go on: a new snapshot is taken, and deletes are inferred", **told)

    async def _gone(self, token: Token, bounds: Bounds, left: float) -> Values:
        """The next items that the generation did not find; none after the last."""
        if self._inferred is None:
            self._inferred = Inferred(self._known, self._origin(token), token.begun)
        allowance = bounds.allowance
        most = min(bounds.rows, left) if allowance is None else min(bounds.rows, left, allowance.left)
        found = await asyncio.to_thread(self._inferred.take, int(max(1, most)), bounds.bytes)
        if allowance is not None:
            allowance.claim(len(found))
        if not len(found):
            self._inferred = None
        return found

    async def _fill(self, filling: _Filling, bounds: Bounds, left: float, stop: asyncio.Event) -> bool:
        """Collect pages until the window is to be given; true when the run ends, as there is nothing new.

        The window does not end at a page whose continuation is of no use to the next run.
        """
        loop = asyncio.get_running_loop()
        allowance = bounds.allowance
        is_resumable = True
        while True:
            most = min(bounds.rows, left) - filling.rows
            most = most if allowance is None else min(most, allowance.left)
            is_over = stop.is_set() or self._has_used_up or loop.time() >= filling.until
            if is_resumable and (is_over or most <= 0 or filling.size >= bounds.bytes):
                return False
            page, changes = await asyncio.to_thread(self._read, filling.token, int(max(1, min(most, _PAGE))))
            is_resumable = page.is_resumable
            if not page.is_end:
                filling.take(page, changes)
                if allowance is not None:
                    allowance.claim(len(changes))
            elif filling.token.phase is not Phase.FEED:
                filling.token = filling.token.complete()
                return False
            else:
                if filling.rows:
                    filling.token = filling.token.at_end()
                elif time.time() - filling.token.at > _STALE_SECONDS:
                    filling.token = filling.token.advanced(page.continuation).at_end()
                if bounds.max_seconds is None:
                    return True
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), min(_AGAIN_SECONDS, max(filling.until - loop.time(), 0)))

    def _read(self, token: Token, limit: int) -> tuple[Page, Changes]:
        """The page after the token, and what it tells. In a thread: it waits for the service, then it computes."""
        self._has_read, is_snapshot = True, token.phase is Phase.SNAPSHOT
        page = self._feed.page(FeedMode.LATEST_VERSION if is_snapshot else token.mode, token.continuation, limit)
        if page.documents and page.rid != token.container_rid:
            raise replaced(self._binding.name)  # the SDK has found the new one, and goes on in it
        changes = Changes(page.documents, self._origin(token))
        return page, changes.only(self._feed.has) if page.is_wider else changes

    def _origin(self, token: Token) -> Origin:
        is_snapshot = token.phase is Phase.SNAPSHOT
        return Origin(
            self._binding.name,
            self._range.name,
            token.container_rid,
            self._opened().paths,
            FeedMode.LATEST_VERSION if is_snapshot else token.mode,
            token.generation,
            is_snapshot,
        )

    @property
    def _has_used_up(self) -> bool:
        """Whether nothing more is read: a page is at least, though opening took all, or no run would go on."""
        return self._has_read and self._units.are_used_up

    def _opened(self) -> Container:
        if self._container is None:
            raise SourceUnavailable(f"the feed of {self._binding.name} is not open", remedy="enter the source first")
        return self._container


async def _kept() -> None:
    """A change feed keeps what was read, and the lake how far."""


def _told(event: asyncio.Event) -> Callable[[], Awaitable[None]]:
    """An acknowledgement that somebody waits for."""

    async def acknowledge() -> None:
        event.set()

    return acknowledge


def _iso(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds")

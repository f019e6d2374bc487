"""land: windows of deliveries into raw, acknowledged only after the commit is durable."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import functools
import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import structlog
import uuid6

from ingest.errors import Overtaken, TransientError
from ingest.memory import give_back
from ingest.model.allowance import Allowance
from ingest.model.arrived import arrived
from ingest.model.contract import Contract
from ingest.model.delivery import Bounds, Lost, Window
from ingest.model.points import Point, Reached, passing
from ingest.model.ports import Events, Lake, Source, TokenSource
from ingest.model.tables import EVENTS, MOST_DATES, RAW
from ingest.steps.replaced import unreplaced
from ingest.steps.together import together
from ingest.steps.tokens import Tokens

__all__ = ["PATIENCE", "Landed", "Progress", "Screened", "land", "raw_parts", "raw_rows"]

Progress = Callable[[int, int], None]
"""Called with rows done and rows expected."""

Screened = Callable[[pa.Table], pa.Table]
"""Rows of raw, with those of erased people emptied."""

PATIENCE = (1.0, 5.0, 20.0, 60.0, 120.0)
"""Pauses between tries to commit a window: in all well below the broker's consumer timeout of 30 minutes."""

MORE_BYTES = 32 * 1024 * 1024
"""A window is committed in parts where its rows have so many bytes more than its deliveries, which were in bounds."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Landed:
    """What a land took: rows and windows committed and acknowledged, and raw's version after the last.

    `lost` is what a stream no longer had.
    """

    rows: int = 0
    windows: int = 0
    raw_version: int | None = None
    lost: tuple[Lost, ...] = ()


async def land(
    contract: Contract,
    sources: Sequence[Source],
    lake: Lake,
    *,
    events: Events,
    bounds: Bounds,
    stop: asyncio.Event,
    reached: Reached = passing,
    progress: Progress | None = None,
    patience: Sequence[float] = PATIENCE,
    screened: Screened | None = None,
) -> Landed:
    """Take windows from all `sources` at once into raw until `bounds` end the run or `stop` is set.

    A window is acknowledged after its commit and never before; whatever was not acknowledged when this
    ends, however it ends, the source gives again. A window is committed in a thread while the next one is received:
    one of each is held. When the lake refuses, the window is kept in hand and tried again after each of
    the pauses of `patience` (seconds): giving it back would count as a failed delivery, and a queue with a delivery
    limit throws away what failed too often. `screened` is asked just before each try: somebody may have been erased
    meanwhile.

    Each source has windows and a position of its own; sources with one `application` are consumers of one queue.
    `bounds` hold for all of them together, and one window at a time is written. When one fails, the others finish the
    window that they have, then the error is raised: see `together`.

    Raises:
        SourceUnavailable, TopologyError: from a source.
        SourceReplaced: a stream is not the one that was landed up to the stored position.
        Overtaken: another land of the same stream came first.
        LakeUnavailable, CommitFailed: nothing of that window was acknowledged; run again.
    """
    async with contextlib.AsyncExitStack() as stack:
        for source in sources:
            await stack.enter_async_context(source)
        rows_of = functools.partial(raw_rows, contract=contract, events=events)
        parts_of = functools.partial(raw_parts, contract=contract, events=events)
        tokens = Tokens(contract.dataset, lake, screened)
        landing = _Landing(contract, lake, rows_of, parts_of, reached, progress, patience, screened, stop, tokens)
        if all(isinstance(one, TokenSource) for one in sources):
            landing.making = asyncio.Lock()
        ready = {
            one.application: await landing.begin(one) for one in {one.application: one for one in sources}.values()
        }
        halts = {application: asyncio.Event() for application in ready}

        def halt() -> None:
            for one in halts.values():
                one.set()

        whole = Allowance(math.inf if bounds.max_messages is None else bounds.max_messages, spent=halt)
        waits = bounds.max_seconds is not None
        allowances = {
            name: Allowance(math.inf if waits or rows is None else rows, spent=halts[name].set, within=whole)
            for name, rows in ready.items()
        }
        taking = [source for source in sources if waits or ready[source.application] != 0]
        landing.expected = sum(rows or 0 for rows in ready.values())
        watch = asyncio.create_task(_relay(stop, halt))
        try:
            await together(
                (
                    landing.drain(
                        source, bounds.shared(len(taking), allowances[source.application]), halts[source.application]
                    )
                    for source in taking
                ),
                halt=halt,
            )
        finally:
            watch.cancel()
    return landing.landed


async def _relay(stop: asyncio.Event, halt: Callable[[], None]) -> None:
    await stop.wait()
    halt()


@dataclass(slots=True)
class _Landing:
    """What the sources of one `land` share."""

    contract: Contract
    lake: Lake
    rows_of: Callable[[Window], pa.Table]
    parts_of: Callable[[Window], Iterator[pa.Table]]
    reached: Reached
    progress: Progress | None
    patience: Sequence[float]
    screened: Screened | None
    stop: asyncio.Event
    tokens: Tokens
    expected: int = 0
    landed: Landed = Landed()
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    making: asyncio.Lock | None = None  # of rows, where sources have tokens: while others write; null: a turn, too

    async def begin(self, source: Source) -> int | None:
        """Make sure that the source is the one that was landed before; returns how many messages wait in it."""
        dataset = self.contract.dataset
        after = await asyncio.to_thread(self.lake.position, dataset, source.application)
        if isinstance(source, TokenSource):
            source.resume(await asyncio.to_thread(self.tokens.stored, source.application, after))
        await unreplaced(dataset, source, self.lake, after, self.rows_of)
        return await source.ready(after)

    async def drain(self, source: Source, bounds: Bounds, halt: asyncio.Event) -> None:
        """Take the windows of one source."""
        after = await asyncio.to_thread(self.lake.position, self.contract.dataset, source.application)
        windows = source.windows(bounds, after, halt)
        committing = asyncio.create_task(asyncio.sleep(0))
        try:
            while (window := await _next(windows, committing)) is not None:
                await committing
                committing = asyncio.create_task(self._commit(source, window))
                del window  # it may be large
        except Exception:
            await committing  # whatever became of the source: what it gave may be with nobody else
            raise
        else:
            await committing
        finally:
            committing.cancel()

    async def _commit(self, source: Source, window: Window) -> None:
        """Commit a window, then acknowledge it."""
        self.reached(Point.RECEIVED)
        await self._tell(source.application, window)
        acknowledge, moves, lost, token = window.acknowledge, window.position is not None, window.lost, window.token
        parts = self.parts_of(window)
        del window  # whose bytes are in `rows` as soon as there is no part left
        append = functools.partial(_append, self.contract.dataset, self.lake, source.application, moves, self.screened)
        count, rows = 0, await self._part(parts)
        while rows is not None:
            following = await self._part(parts)
            some = _parts(rows)
            for place, part in enumerate(some):
                if token is None:
                    version = await self._patiently(functools.partial(append, part))
                else:
                    is_last = following is None and place + 1 == len(some)
                    version = await self._commit_from(source.application, part, token if is_last else None)
                self.reached(Point.PART_COMMITTED)
            count, rows = count + rows.num_rows, following
        self.reached(Point.RAW_COMMITTED)
        await acknowledge()
        self.reached(Point.ACKNOWLEDGED)
        done = self.landed
        newest = max(version, done.raw_version or version)
        self.landed = Landed(done.rows + count, done.windows + 1, newest, done.lost + lost)
        _log.debug("window landed", source=source.application, rows=count, raw_version=version)
        if self.progress is not None:
            self.progress(self.landed.rows, max(self.expected, self.landed.rows))

    async def _commit_from(self, application: str, rows: pa.Table, token: bytes | None) -> int:
        """Commit a part of a window with its token; null: with the one before the window, which is not through yet."""
        keep = functools.partial(self.tokens.keep, application, token)
        number = await self._patiently(lambda tried: keep())  # noqa: ARG005 - what another try may have kept is inert
        self.reached(Point.TOKEN_KEPT)
        return await self._patiently(functools.partial(self.tokens.append, application, number, rows))

    async def _part(self, parts: Iterator[pa.Table]) -> pa.Table | None:
        async with self.making or self.turn:
            return await asyncio.to_thread(next, parts, None)

    async def _tell(self, application: str, window: Window) -> None:
        """Record what a stream or a feed no longer had, before the position passes it."""
        if window.gap is not None:
            await asyncio.to_thread(self.lake.record_gap, self.contract.dataset, window.gap)
            self.reached(Point.GAP_RECORDED)
            _log.warning("changes may have been missed: a gap is recorded", **dataclasses.asdict(window.gap))
        for one in window.lost:
            await asyncio.to_thread(self.lake.record_loss, self.contract.dataset, application, one)
            stream = application.removeprefix("land:")
            _log.warning("messages are lost: the stream no longer had them", stream=stream, **dataclasses.asdict(one))

    async def _patiently(self, append: Callable[..., int]) -> int:
        """Call `append` until the lake takes the window, with a pause of `patience` after each refusal but the last.

        One source at a time: writers of one table would only be in each other's way.
        """
        for tries, pause in enumerate(self.patience):
            try:
                async with self.turn:
                    return await asyncio.to_thread(append, tried=tries > 0)
            except Overtaken:
                raise  # the window in hand is no longer what follows
            except TransientError as error:
                _log.warning("the lake refused a window, which is kept in hand", error=error.message, again_in=pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), pause)
                break  # told to stop: one last try
        async with self.turn:
            return await asyncio.to_thread(append, tried=bool(self.patience))


async def _next(windows: AsyncIterator[Window], committing: asyncio.Task[None]) -> Window | None:
    """The next window, null after the last; raises at once what `committing` fails with meanwhile."""
    following = asyncio.ensure_future(anext(windows, None))
    try:
        await asyncio.wait({following, committing}, return_when=asyncio.FIRST_COMPLETED)
        if committing.done():
            committing.result()
        return await following
    finally:
        if following.cancel():
            await asyncio.wait({following})


def _append(
    dataset: str,
    lake: Lake,
    application: str,
    moves: bool,  # noqa: FBT001 - bound by place, as all before `rows`
    screened: Screened | None,
    rows: pa.Table,
    *,
    tried: bool,
) -> int:
    """Commit a part; where it `moves` the position, to that of its last row in the same commit."""
    version = lake.append_raw(
        dataset,
        rows if screened is None else screened(rows),
        window=rows["window"][0].as_py(),
        application=application,
        position=rows["position"][-1].as_py() if moves else None,
        tried=tried,
    )
    give_back()  # what the writer took, before the next window takes as much
    return version


def _parts(rows: pa.Table) -> list[pa.Table]:
    """The window's rows, as several windows when clocks have gone wild: each with `MOST_DATES` dates at most.

    They follow one another, and rows of one position stay together: a commit ends at a position or goes beyond it.
    """
    if len(rows["event_date"].unique()) <= MOST_DATES:
        return [rows]
    dates, positions = rows["event_date"].to_pylist(), rows["position"].to_pylist()
    begins, dated, delivery = [0], set[dt.date](), 0
    for at, date in enumerate(dates):
        if positions[at] is None or positions[at] != positions[at - 1]:
            delivery = at
        if date not in dated and len(dated) >= MOST_DATES and delivery > begins[-1]:
            begins.append(delivery)
            dated = set(dates[delivery:at])
        dated.add(date)
    return [_renamed(rows.slice(begin, end - begin)) for begin, end in pairwise([*begins, len(dates)])]


def _renamed(rows: pa.Table) -> pa.Table:
    """`rows` as a window of their own."""
    named = rows.set_column(0, RAW.field("window"), pa.repeat(str(uuid6.uuid7()), rows.num_rows))
    return named.set_column(1, RAW.field("row"), pa.array(range(rows.num_rows), pa.int32()))


def raw_rows(window: Window, contract: Contract, *, events: Events) -> pa.Table:
    """The window, under a new name, as rows of raw, `RAW`: the events of its deliveries, in their order."""
    return _raw([rows for some in arrived(window.deliveries) for rows in events(some, contract)])


def raw_parts(window: Window, contract: Contract, *, events: Events) -> Iterator[pa.Table]:
    """The same as several windows, where batches that came compressed are too much for one."""
    waiting: list[pa.Table] = []
    more = 0
    for some in arrived(window.deliveries):
        more -= some.rows.nbytes
        for rows in events(some, contract):
            if waiting and more + rows.nbytes > MORE_BYTES:
                yield _raw(waiting)
                waiting, more = [], 0
            waiting.append(rows)
            more += rows.nbytes
    yield _raw(waiting)


def _raw(events: list[pa.Table]) -> pa.Table:
    rows = pa.concat_tables([EVENTS.empty_table(), *events])
    count = rows.num_rows
    own = {
        "window": pa.repeat(str(uuid6.uuid7()), count),
        "row": pa.array(np.arange(count, dtype=np.int32)),
        "landed_at": pa.repeat(pa.scalar(dt.datetime.now(dt.UTC), RAW.field("landed_at").type), count),
    }
    return pa.table([own[name] if name in own else rows[name] for name in RAW.names], schema=RAW)

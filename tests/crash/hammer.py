"""The racers of the hammer, each in a process of its own that may be killed at any instruction.

In each turn, events lie in quarantine under two dates and come again, valid, under a third: the curate that reads them
and the rebuilds of both dates, under a contract that lets the rejects in, each want to bring them to curated. All
start at once and publish at the same tick of the clock. A replay, compactions and vacuums come in between.
"""

from __future__ import annotations

import functools
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from ingest import catalog
from ingest.decoding import decode
from ingest.errors import TransientError
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.points import Point
from ingest.steps import Limits, replay
from ingest.steps.maintain import compact, vacuum
from ingest.validate import Suite
from tests.reading import rows_of
from tests.steps.shop import Shop, order
from tests.steps.test_rebuild import without_total_rule

__all__ = ["DAYS", "RACERS", "Arena", "events", "race"]

DAYS = (18, 19, 20, 21)
_TICK = 0.25
_EVENTS = 4
_DEADLINE = 60.0
SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def events(turns: int) -> list[str]:
    """The ids of all events that must be in curated once, in the end."""
    return [f"{kind}{turn}-{number}" for kind in ("both", "good") for turn in range(turns) for number in range(_EVENTS)]


class Arena:
    """What the racers share: a lake, and the turn, in a file so that it outlives whoever is killed."""

    def __init__(self, folder: Path) -> None:
        self._turn, self._over = folder / "turn", folder / "over"
        self.lake = DeltaLake(LocalStorage(folder / "lake"))
        self.contract = catalog.load(SCHEMAS, "orders")
        self.mended = without_total_rule(self.contract)

    @property
    def turn(self) -> int:
        """The turn that all but `ingest` run, from 1; 0 before the first."""
        return int(self._turn.read_text() or 0) if self._turn.exists() else 0

    @turn.setter
    def turn(self, number: int) -> None:
        written = self._turn.with_suffix(f".{os.getpid()}")
        written.write_text(str(number))
        written.replace(self._turn)

    @property
    def is_over(self) -> bool:
        """Whether the last turn is done."""
        return self._over.exists()

    def finish(self) -> None:
        """The last turn is done."""
        self._over.touch()

    def next_turn(self, done: int) -> int | None:
        """Wait for a turn beyond `done`; null when it is over."""
        until = time.monotonic() + _DEADLINE
        while (turn := self.turn) <= done and time.monotonic() < until:
            if self.is_over:
                return None
            time.sleep(0.002)
        return turn if turn > done else None

    def days(self, turn: int) -> tuple[int, int, int]:
        """The two dates whose rejects are the turn's events, and the one under which they come valid."""
        chosen = random.Random(turn).sample(DAYS, 3)
        return chosen[0], chosen[1], chosen[2]


def _at_the_tick(point: Point) -> None:
    """Who publishes within the same quarter of a second publishes at once, give or take some milliseconds."""
    if point is Point.QUARANTINE_COMMITTED:
        time.sleep(_TICK - time.time() % _TICK + random.uniform(0, 0.02))


def _ingest(arena: Arena, turns: int) -> None:
    shop = Shop(arena.lake, arena.contract)
    for turn in range(arena.turn, turns):
        one, other, third = arena.days(turn)
        names = [f"both{turn}-{number}" for number in range(_EVENTS)]
        shop.land(*[order(name, day=day, total=-1) for name in names for day in (one, other)])
        _again(shop.curate)
        shop.land(*[order(name, day=third) for name in names])
        shop.land(*[order(f"good{turn}-{number}", day=DAYS[number]) for number in range(_EVENTS)])
        arena.turn = turn + 1  # the others start
        _again(functools.partial(shop.curate, reached=_at_the_tick))
        counted = Counter(rows_of(arena.lake.uri("curated", "orders"))["event_id"].to_pylist())
        doubled = [name for name, count in counted.items() if count > 1]
        if doubled:
            raise SystemExit(f"turn {turn}: {sorted(doubled)} are in curated twice")
    arena.finish()


def _each_turn(arena: Arena, act: Callable[[int], object]) -> None:
    turn: int | None = max(arena.turn - 1, 0)  # the turn under way when this was killed is run again
    while (turn := arena.next_turn(turn or 0)) is not None:
        _again(functools.partial(act, turn - 1))


def _rebuild_one(arena: Arena, _turns: int) -> None:
    shop = Shop(arena.lake, arena.mended)
    _each_turn(arena, lambda turn: shop.rebuild(arena.days(turn)[0], reached=_at_the_tick))


def _rebuild_other(arena: Arena, _turns: int) -> None:
    shop = Shop(arena.lake, arena.mended)
    _each_turn(arena, lambda turn: shop.rebuild(arena.days(turn)[1], reached=_at_the_tick, rows=5))


def _maintain(arena: Arena, _turns: int) -> None:
    def act(turn: int) -> None:
        if turn % 2:
            replay(arena.mended, arena.lake, decode=decode, validator=Suite(), limits=Limits())
        compact("orders", arena.lake)
        vacuum("orders", arena.lake)

    _each_turn(arena, act)


RACERS: dict[str, Callable[[Arena, int], None]] = {
    "ingest": _ingest,
    "rebuild": _rebuild_one,
    "rebuild another date": _rebuild_other,
    "replay, compact, vacuum": _maintain,
}


def _again(act: Callable[[], object]) -> None:
    """As Airflow does: what is transient, three times more."""
    for left in (3, 2, 1, 0):
        try:
            act()
        except TransientError:
            if not left:
                raise
        else:
            return


def race(name: str, folder: str, turns: int) -> None:
    """Run one racer until all turns are done; what it puts aside when it is killed stays in `folder`."""
    tempfile.tempdir = folder
    RACERS[name](Arena(Path(folder)), turns)

"""land from a change feed, killed at every point and overtaken: no change is lost, and none is another event."""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from azure.cosmos import ContainerProxy

from cosmos import Local
from ingest.errors import LakeUnavailable, Overtaken
from ingest.lake import paths
from ingest.model.container import FeedRange
from ingest.model.delivery import Bounds
from ingest.model.points import Point
from ingest.sources.memory import CrashAt, SimulatedCrash
from ingest.steps.land import _parts, _renamed
from tests.crash.customers import Customers, add
from tests.infra.cosmos_client import fresh, names
from tests.reading import rows_of

POINTS = (Point.RECEIVED, Point.TOKEN_KEPT, Point.PART_COMMITTED, Point.RAW_COMMITTED, Point.ACKNOWLEDGED)
"""What a window from a change feed passes."""


@pytest.fixture
def container(cosmos_account: Local) -> Iterator[ContainerProxy]:
    with fresh(cosmos_account) as made:
        yield made


def raw(customers: Customers) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = rows_of(customers.lake.uri("raw", "orders")).sort_by("position").to_pylist()
    return rows


def changes(customers: Customers) -> list[tuple[str, str]]:
    """Operation and id of each event once, in the feed's order."""
    once = {row["event_id"]: row for row in raw(customers)}
    return [(row["operation"], json.loads(row["key"])[0]) for row in once.values()]


def tokens(customers: Customers) -> list[int]:
    files = customers.lake.storage.files(paths.tokens("orders", customers.source().application))
    return [int(Path(file).stem) for file in files]


def position(customers: Customers) -> int | None:
    return customers.lake.position("orders", customers.source().application)


def expected(first: int, then: int) -> list[tuple[str, str]]:
    return [("snapshot", f"c{n}") for n in range(first)] + [("create", f"c{n}") for n in range(first, first + then)]


def test_rows_of_raw_say_what_was_done_to_which_item(customers: Customers, container: ContainerProxy) -> None:
    add(container, 1, 2)
    customers.land()
    container.delete_item("c1", "k1")
    assert customers.land().rows == 1
    row = raw(customers)[-1]
    assert (row["operation"], row["key"], row["event_type"]) == ("delete", '["c1","k1"]', "delete")
    assert row["event_time"].date() == row["event_date"] == dt.datetime.now(dt.UTC).date()
    assert row["source"] == f"{customers.database}/{customers.container}"
    assert row["event_id"].startswith("lakepost:change:")
    assert customers.land().rows == 0


def test_a_run_without_changes_writes_nothing(customers: Customers) -> None:
    customers.land()
    before = rows_of(customers.lake.uri("raw", "orders")).num_rows, position(customers)
    assert customers.land().windows == 0
    assert (rows_of(customers.lake.uri("raw", "orders")).num_rows, position(customers)) == before


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("nth", [1, 3])
def test_killed_at_a_point_nothing_is_lost(
    customers: Customers, container: ContainerProxy, point: Point, nth: int
) -> None:
    """In the snapshot and in the feed; a change that comes between two runs is among them."""
    add(container, *range(10))
    with pytest.raises(SimulatedCrash):
        customers.land(reached=CrashAt(point, nth))
    customers.land()
    add(container, *range(10, 22))
    with pytest.raises(SimulatedCrash):
        customers.land(reached=CrashAt(point, nth))
    customers.land()
    assert [one for one in changes(customers) if one[0] == "snapshot"] == expected(10, 0)
    assert [one for one in changes(customers) if one[0] != "snapshot"] == expected(10, 12)[10:]
    assert len(raw(customers)) == 22  # a window is committed whole: none was read twice


def test_killed_by_sigkill_at_every_point_in_turn(
    customers: Customers, container: ContainerProxy, tmp_path: Path
) -> None:
    add(container, *range(6))
    customers.land()
    add(container, *range(6, 40))
    for point in POINTS:
        arguments = [str(tmp_path / "lake"), customers.place, str(point), "2"]
        command = [sys.executable, "-m", "tests.crash.customers", *arguments]
        done = subprocess.run(command, cwd=Path(__file__).resolve().parents[2], check=False, timeout=60)
        assert done.returncode == -signal.SIGKILL
    customers.land()
    assert changes(customers) == expected(6, 34)
    assert len(raw(customers)) == 40


def test_a_token_that_a_killed_run_kept_means_nothing_and_is_swept(
    customers: Customers, container: ContainerProxy
) -> None:
    add(container, *range(4))
    customers.land()
    stored = position(customers)
    assert stored is not None
    add(container, 4)
    for _ in range(2):
        with pytest.raises(SimulatedCrash):
            customers.land(reached=CrashAt(Point.TOKEN_KEPT))
    assert position(customers) == stored
    assert tokens(customers)[-2:] == [stored + 1, stored + 2]
    customers.land()
    assert position(customers) == stored + 3
    customers.land()
    assert tokens(customers) == [stored + 3]
    assert changes(customers) == expected(4, 1)


class _Meanwhile:
    """Somebody else lands at a point of this run, once."""

    def __init__(self, customers: Customers, at: Point, nth: int, rows: int) -> None:
        self._customers, self._at, self._left, self._rows = customers, at, nth, rows

    def __call__(self, point: Point) -> None:
        if point is self._at:
            self._left -= 1
            if self._left == 0:
                self._other()

    def _other(self) -> None:
        bounds = Bounds(rows=self._rows, max_messages=self._rows)
        other = threading.Thread(target=lambda: self._customers.land(bounds=bounds))
        other.start()
        other.join()


@pytest.mark.parametrize("point", [Point.RECEIVED, Point.TOKEN_KEPT])
@pytest.mark.parametrize("rows", [1, 3, 9])
def test_a_run_that_was_overtaken_commits_nothing_that_would_leave_a_gap(
    customers: Customers, container: ContainerProxy, point: Point, rows: int
) -> None:
    """The other one has read less, or more: what follows its token is not what this run has in hand."""
    customers.land()
    add(container, *range(20))
    with pytest.raises(Overtaken):
        customers.land(reached=_Meanwhile(customers, point, 2, rows))
    customers.land()
    assert changes(customers) == expected(0, 20)
    assert len(raw(customers)) == 20


def test_a_lake_that_refuses_is_tried_again_and_commits_once(
    customers: Customers, container: ContainerProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses before a token is kept, after, before a commit and after it."""
    customers.land()
    add(container, *range(8))
    lake = customers.lake
    keep, append = lake.keep_token, lake.append_from
    refusals = Counter({"before keep": 1, "after keep": 1, "before append": 1, "after append": 1})

    def refusing(name: str, real: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            for when in ("before", "after"):
                if when == "after":
                    done = real(*given, **named)
                if refusals[f"{when} {name}"]:
                    refusals[f"{when} {name}"] -= 1
                    raise LakeUnavailable("refused", remedy="again")
            return done

        return call

    monkeypatch.setattr(lake, "keep_token", refusing("keep", keep))
    monkeypatch.setattr(lake, "append_from", refusing("append", append))
    customers.land(patience=[0.0] * 6)
    assert not +refusals
    assert changes(customers) == expected(0, 8)
    assert len(raw(customers)) == 8


def test_a_window_of_several_parts_goes_on_only_after_its_last(
    customers: Customers, container: ContainerProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between two parts it is read again as a whole: the same events, and each at least once."""
    customers.land()
    add(container, *range(8))
    monkeypatch.setattr(
        sys.modules["ingest.steps.land"], "_parts", _halves
    )  # `ingest.steps` has the function so called
    with pytest.raises(SimulatedCrash):
        customers.land(reached=CrashAt(Point.PART_COMMITTED, 1), bounds=Bounds())
    assert len(raw(customers)) == 4
    customers.land(bounds=Bounds())
    assert changes(customers) == expected(0, 8)
    assert Counter(row["event_id"] for row in raw(customers)).most_common(1)[0][1] == 2


def _halves(rows: pa.Table) -> list[pa.Table]:
    """As if the window had more event dates than a commit may have."""
    (whole,) = _parts(rows)
    half = len(whole) // 2
    return [_renamed(whole.slice(0, half)), _renamed(whole.slice(half))] if half else [whole]


def test_feed_ranges_have_tokens_of_their_own(
    customers: Customers, container: ContainerProxy, cosmos_account: Local
) -> None:
    cosmos_account.split(*names(container), "0")
    ranges = [FeedRange(one["low"], one["high"]) for one in cosmos_account.ranges(*names(container))]
    add(container, *range(20))
    for nth in (1, 4, 7):
        with pytest.raises(SimulatedCrash):
            customers.land(*map(customers.source, ranges), reached=CrashAt(Point.RAW_COMMITTED, nth))
    customers.land(*map(customers.source, ranges))
    assert sorted(changes(customers)) == sorted(expected(20, 0))
    add(container, *range(20, 40))
    customers.land(*map(customers.source, ranges))
    assert sorted(changes(customers)) == sorted(expected(20, 20))
    assert len(raw(customers)) == 40


def test_a_token_that_is_gone_is_told(customers: Customers, container: ContainerProxy) -> None:
    customers.land()
    number = position(customers)
    assert number is not None
    customers.lake.storage.delete(paths.token("orders", customers.source().application, number))
    with pytest.raises(LakeUnavailable, match="gone from the lake"):
        customers.land()


def test_bounds_hold_for_feed_ranges_too(customers: Customers, container: ContainerProxy) -> None:
    add(container, *range(9))
    assert customers.land(bounds=Bounds(max_messages=5)).rows == 5
    assert customers.land().rows == 4

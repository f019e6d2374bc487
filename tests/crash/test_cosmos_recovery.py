"""A container that is read anew, through land: killed at every point, deletes are inferred once, and gaps are told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey

from cosmos import Local
from ingest.errors import Overtaken, SourceReplaced
from ingest.lake import DeltaLake
from ingest.model.container import FeedMode, FeedRange
from ingest.model.delivery import Bounds
from ingest.model.points import Point
from ingest.sources.cosmos_token import Phase, Token
from ingest.sources.memory import CrashAt, SimulatedCrash
from tests.crash.customers import Customers, add, drop, newest
from tests.infra.cosmos_client import fresh, names
from tests.reading import rows_of

POINTS = (
    Point.RECEIVED,
    Point.GAP_RECORDED,
    Point.TOKEN_KEPT,
    Point.PART_COMMITTED,
    Point.RAW_COMMITTED,
    Point.ACKNOWLEDGED,
)
"""What the windows of a generation that follows another pass."""


@pytest.fixture
def container(cosmos_account: Local) -> Iterator[ContainerProxy]:
    """It keeps changes for ten minutes."""
    with fresh(cosmos_account, change_feed_policy={"retentionDuration": 10}) as made:
        yield made
    cosmos_account.clock(offset=0)


def forget(account: Local, container: ContainerProxy) -> None:
    """Ten minutes pass, and changes that nobody read are no longer kept."""
    account.clock(advance=601)
    add(container, 99)


def raw(customers: Customers) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = rows_of(customers.lake.uri("raw", "orders")).to_pylist()
    return rows


def state(customers: Customers) -> set[str]:
    """The items that are there, as raw tells: each as its last change says."""
    return set(newest(raw(customers)))


def inferred(customers: Customers) -> list[str]:
    return sorted(json.loads(row["key"])[0] for row in raw(customers) if row["operation"] == "delete (inferred)")


def there(container: ContainerProxy) -> set[str]:
    return {one["id"] for one in container.query_items("SELECT * FROM c", enable_cross_partition_query=True)}


def token(customers: Customers, within: FeedRange | None = None) -> Token:
    application = customers.source(within or FeedRange()).application
    number = customers.lake.position("orders", application)
    assert number is not None
    return Token.decode(customers.lake.token("orders", application, number))


def named(*numbers: int) -> list[str]:
    return sorted(f"c{number}" for number in numbers)


def test_one_run_recovers_from_an_expired_continuation(
    customers: Customers, container: ContainerProxy, cosmos_account: Local
) -> None:
    add(container, *range(12))
    customers.land()
    drop(container, 0, 3, 7)
    add(container, 1, 20)
    forget(cosmos_account, container)
    customers.land()
    assert inferred(customers) == named(0, 3, 7)
    assert state(customers) == there(container)
    (gap,) = customers.lake.gaps("orders")
    assert (gap.generation, gap.feed_range.rpartition(":")[2]) == (1, "-FF")
    add(container, 0, 30)
    drop(container, 4)
    assert customers.land().rows == 3
    assert state(customers) == there(container)
    assert customers.land().rows == 0


@pytest.mark.parametrize("mode", list(FeedMode))
def test_a_snapshot_on_purpose_infers_what_is_gone(
    customers: Customers, container: ContainerProxy, mode: FeedMode
) -> None:
    """Of the latest version, whose feed tells no deletes, that is how they are known at all."""
    customers = customers.in_mode(mode)
    add(container, *range(9))
    customers.land()
    drop(container, 2, 5)
    customers.land()
    customers.land(anew=True)
    assert inferred(customers) == (named(2, 5) if mode is FeedMode.LATEST_VERSION else [])
    assert state(customers) == there(container)
    drop(container, 6)
    customers.land(anew=True)
    assert state(customers) == there(container)
    assert [gap.generation for gap in customers.lake.gaps("orders")] == [1, 2]


def test_nothing_was_missed_before_the_first_generation(customers: Customers, container: ContainerProxy) -> None:
    add(container, 1)
    customers.land()
    assert customers.lake.gaps("orders") == []


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_point_of_a_recovery_in_turn_nothing_is_lost_or_doubled(
    customers: Customers, container: ContainerProxy, cosmos_account: Local, point: Point
) -> None:
    """The nth run dies at the nth window: at the gap, in the snapshot, where it ends, among inferred deletes, after."""
    add(container, *range(20))
    customers.land()
    drop(container, *range(10))
    forget(cosmos_account, container)
    for nth in (1, 2, 3, 2, 1, 2, 1):
        try:
            customers.land(reached=CrashAt(point, nth))
        except SimulatedCrash:
            continue
        break
    customers.land()
    assert inferred(customers) == named(*range(10))
    assert state(customers) == there(container)
    ids = [row["event_id"] for row in raw(customers)]
    assert len(set(ids)) == len(ids)
    (gap,) = customers.lake.gaps("orders")
    assert gap.generation == token(customers).generation == 1


def test_killed_by_sigkill_while_deletes_are_inferred(
    customers: Customers, container: ContainerProxy, cosmos_account: Local, tmp_path: Path
) -> None:
    add(container, *range(20))
    customers.land()
    drop(container, *range(16))
    forget(cosmos_account, container)
    for point, nth in ((Point.GAP_RECORDED, 1), (Point.RAW_COMMITTED, 5), (Point.TOKEN_KEPT, 2)):
        arguments = [str(tmp_path / "lake"), customers.place, str(point), str(nth)]
        command = [sys.executable, "-m", "tests.crash.customers", *arguments]
        done = subprocess.run(command, cwd=Path(__file__).resolve().parents[2], check=False, timeout=60)
        assert done.returncode == -signal.SIGKILL
    assert token(customers).phase is Phase.INFERRING
    assert 0 < len(inferred(customers)) < 16
    customers.land()
    assert inferred(customers) == named(*range(16))
    assert state(customers) == there(container)


def test_what_is_gone_is_asked_when_the_snapshot_is_in_raw_also_of_a_second_generation_in_a_run(
    customers: Customers, container: ContainerProxy, cosmos_account: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends what a killed one had begun to infer, and finds the feed after it expired as well."""
    add(container, *range(20))
    customers.land()
    drop(container, *range(10))
    forget(cosmos_account, container)
    while not inferred(customers):
        customers.land(bounds=Bounds(rows=4, max_messages=4))
    assert token(customers).phase is Phase.INFERRING
    add(container, 50)
    forget(cosmos_account, container)
    asked, commit = threading.Event(), DeltaLake.append_from

    def known(lake: DeltaLake, *given: Any) -> Iterator[pa.Table]:
        if given[-1] == 2:
            asked.set()
        return items_before(lake, *given)

    def late(lake: DeltaLake, *given: Any, **named: Any) -> int:
        asked.wait(0.2)  # whoever does not wait for the commit is first
        return commit(lake, *given, **named)

    items_before = DeltaLake.items_before
    monkeypatch.setattr(DeltaLake, "items_before", known)
    monkeypatch.setattr(DeltaLake, "append_from", late)
    customers.land(bounds=Bounds(rows=100))
    assert token(customers).generation == 2
    assert inferred(customers) == named(*range(10))
    assert state(customers) == there(container)


def test_a_snapshot_on_purpose_that_was_killed_is_gone_on_with(customers: Customers, container: ContainerProxy) -> None:
    """Without the word the next run goes on with it; with the word it begins another."""
    add(container, *range(12))
    customers.land()
    with pytest.raises(SimulatedCrash):
        customers.land(anew=True, reached=CrashAt(Point.RAW_COMMITTED, 2))
    assert (token(customers).phase, token(customers).generation) == (Phase.SNAPSHOT, 1)
    customers.land()
    assert (token(customers).phase, token(customers).generation) == (Phase.FEED, 1)
    with pytest.raises(SimulatedCrash):
        customers.land(anew=True, reached=CrashAt(Point.RAW_COMMITTED, 2))
    drop(container, 0)
    customers.land(anew=True)
    assert token(customers).generation == 3
    assert state(customers) == there(container)


def test_killed_before_its_first_token_a_generation_has_not_begun(
    customers: Customers, container: ContainerProxy
) -> None:
    add(container, 1)
    customers.land()
    for point in (Point.GAP_RECORDED, Point.TOKEN_KEPT):
        with pytest.raises(SimulatedCrash):
            customers.land(anew=True, reached=CrashAt(point))
        assert token(customers).generation == 0
    add(container, 2)
    assert customers.land().rows == 1


def made_again(customers: Customers) -> ContainerProxy:
    inside = CosmosClient(customers.endpoint, customers.key).get_database_client(customers.database)
    inside.delete_container(customers.container)
    made: ContainerProxy = inside.create_container(customers.container, partition_key=PartitionKey("/country"))
    return made


def test_a_container_made_again_is_refused_until_somebody_says_so(
    customers: Customers, container: ContainerProxy
) -> None:
    add(container, *range(8))
    customers.land()
    another = made_again(customers)
    add(another, *range(5, 12))
    for _ in range(2):
        with pytest.raises(SourceReplaced, match="made again") as refused:
            customers.land()
        assert "--from-beginning" in refused.value.remedy
    assert customers.lake.gaps("orders") == []
    customers.land(anew=True)
    assert inferred(customers) == named(*range(5))
    assert state(customers) == there(another)
    (gap,) = customers.lake.gaps("orders")
    assert "made again" in gap.why
    customers.land()
    assert token(customers).generation == 1


def test_feed_ranges_have_generations_of_their_own(
    customers: Customers, container: ContainerProxy, cosmos_account: Local
) -> None:
    """Of two ranges one is read anew: what is gone from the other is not known by that."""
    cosmos_account.split(*names(container), "0")
    low, high = (FeedRange(one["low"], one["high"]) for one in cosmos_account.ranges(*names(container)))
    add(container, *range(30))
    customers.land(customers.source(low), customers.source(high))
    of_low = {json.loads(row["key"])[0] for row in raw(customers) if row["routing_key"] == low.name}
    assert 0 < len(of_low) < 30
    drop(container, *range(30))
    customers.land(customers.source(low, anew=True), customers.source(high))
    assert state(customers) == set()
    assert (token(customers, low).generation, token(customers, high).generation) == (1, 0)
    assert set(inferred(customers)) == of_low
    assert [gap.feed_range.rpartition(":")[2] for gap in customers.lake.gaps("orders")] == [low.name]


@pytest.mark.parametrize("when", ["snapshot", "between", "inferring", "feed"])
def test_splits_and_merges_in_each_step_of_a_recovery(
    customers: Customers, container: ContainerProxy, cosmos_account: Local, when: str
) -> None:
    add(container, *range(24))
    customers.land()
    drop(container, *range(12))
    forget(cosmos_account, container)
    points = {"snapshot": 2, "between": 6, "inferring": 8, "feed": 1}

    def split_or_merge(point: Point) -> None:
        if point is not Point.RAW_COMMITTED:
            return
        points[when] -= 1
        if points[when] in {0, -1}:
            there = [one["id"] for one in cosmos_account.ranges(*names(container))]
            if len(there) == 1:
                cosmos_account.split(*names(container), there[0])
            else:
                cosmos_account.merge(*names(container), there)

    if when == "feed":
        customers.land()
        add(container, *range(40, 52))
    customers.land(reached=split_or_merge)
    assert points[when] <= 0
    drop(container, 20)
    customers.land()
    assert inferred(customers) == named(*range(12))
    assert state(customers) == there(container)


def test_two_that_recover_at_once_infer_once(
    customers: Customers, container: ContainerProxy, cosmos_account: Local
) -> None:
    """The other one does all of it while this one has its second window in hand; this one is told."""
    add(container, *range(10))
    customers.land()
    drop(container, *range(5))
    forget(cosmos_account, container)
    left = [2]

    def meanwhile(point: Point) -> None:
        left[0] -= point is Point.RECEIVED
        if point is Point.RECEIVED and left[0] == 0:
            other = threading.Thread(target=customers.land)
            other.start()
            other.join()

    with pytest.raises(Overtaken):
        customers.land(reached=meanwhile)
    customers.land()
    assert inferred(customers) == named(*range(5))
    assert state(customers) == there(container)


def test_a_run_may_end_among_inferred_deletes(
    customers: Customers, container: ContainerProxy, cosmos_account: Local
) -> None:
    add(container, *range(12))
    customers.land()
    drop(container, *range(12))
    forget(cosmos_account, container)
    runs = 0
    while customers.land(bounds=Bounds(rows=2, max_messages=3)).rows:
        runs += 1
    assert runs > 3
    assert inferred(customers) == named(*range(12))
    assert state(customers) == there(container) == {"c99"}


def test_a_feed_range_is_read_anew_while_another_reaches_into_it(
    customers: Customers, container: ContainerProxy, cosmos_account: Local
) -> None:
    """Where a later boundary cuts feed ranges the SDK reads beyond them: what belongs to another is left to it.

    Generations of two ranges are no order: the one's snapshot would stand before the other's changes for ever.
    """
    place = names(container)
    cosmos_account.split(*place, "0")
    low, high = (FeedRange(one["low"], one["high"]) for one in cosmos_account.ranges(*place))
    add(container, *range(40))
    customers.land(customers.source(low), customers.source(high))
    cosmos_account.merge(*place, [one["id"] for one in cosmos_account.ranges(*place)])
    (merged,) = cosmos_account.ranges(*place)
    cosmos_account.split(*place, merged["id"], "10" + "0" * 30)
    customers.land(customers.source(low, anew=True), customers.source(high))
    drop(container, *range(0, 40, 2))
    customers.land(customers.source(low), customers.source(high))
    assert state(customers) == there(container)
    assert inferred(customers) == []
    ids = [row["event_id"] for row in raw(customers)]
    assert len(set(ids)) == len(ids)

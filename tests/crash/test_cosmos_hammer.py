"""The hammer of a container: it changes, splits, forgets, fails and is made again, while land is killed at any time.

`LAKEPOST_SOAK_ITERATIONS` and `LAKEPOST_SOAK_SEED` choose how often the long form strikes and what it repeats.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey

from cosmos import Local
from ingest import api
from ingest.errors import SourceReplaced, TransientError
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.points import Point
from ingest.settings import Settings, load_settings
from ingest.sources.memory import CrashAt, SimulatedCrash
from tests.crash.customers import newest
from tests.crash.forks import context
from tests.dags.customers import customers_of
from tests.reading import rows_of

ITERATIONS = int(os.environ.get("LAKEPOST_SOAK_ITERATIONS", "50"))
SEED = int(os.environ.get("LAKEPOST_SOAK_SEED", "1"))
ITEMS = 60
POINTS = (Point.RECEIVED, Point.GAP_RECORDED, Point.TOKEN_KEPT, Point.PART_COMMITTED, Point.ACKNOWLEDGED)
USED = (Point.BATCH_RECORDED, Point.CURATED_COMMITTED, Point.DELETED_COMMITTED, Point.ITEMS_COMMITTED)
KEEPS = {"retentionDuration": 10}  # minutes
HOSTILE = ("a/b", "q?r#s", 'quote"', "snow ☃", "back\\slash")


class Arena:
    """An account of one's own, a container in it, and the lake that it is landed into by `ranges` feed ranges."""

    def __init__(self, folder: Path, account: Local, chance: random.Random, ranges: int) -> None:
        self.folder, self.account, self.chance = folder, account, chance
        customers_of(folder / "schemas", database="shop", container="customers", feedRanges=ranges)
        self.client = CosmosClient(account.endpoint, account.key)
        self.database = self.client.create_database("shop")
        self.made = 0
        self.again = False
        self.container = self._make()

    def _make(self) -> ContainerProxy:
        self.made += 1
        return self.database.create_container("customers", partition_key=PartitionKey("/id"), change_feed_policy=KEEPS)

    @property
    def settings(self) -> Settings:
        return load_settings(
            lake_url=(self.folder / "lake").as_uri(),
            cosmos_endpoint=self.account.endpoint,
            cosmos_key=self.account.key,
            schemas_dir=self.folder / "schemas",
            window_rows=self.chance.choice([3, 7, 50]),
            _env_file=None,
        )

    @property
    def lake(self) -> DeltaLake:
        return DeltaLake(LocalStorage(self.folder / "lake"))

    def change(self) -> None:
        """A few items are made, changed and deleted."""
        for _ in range(self.chance.randint(1, 12)):
            name = self.chance.choice([*(f"c{number}" for number in range(ITEMS)), *HOSTILE])
            operation: dict[str, Any] = {"operationType": "Delete", "id": name}
            if self.chance.random() < 0.6:
                body = {"id": name, "city": f"city {self.chance.random()}"}
                operation = {"operationType": "Upsert", "resourceBody": body}
            self.account.transaction("shop", "customers", [name], [operation])  # there may be none to delete

    def befall(self) -> None:
        """Something that happens to containers."""
        self.chance.choice(
            [self.split_or_merge, self.forget, self.forget, self.restart, self.fail, self.turn_back, self.make_again]
        )()

    def split_or_merge(self) -> None:
        """At any boundary: feed ranges are cut, too."""
        there = [one["id"] for one in self.account.ranges("shop", "customers")]
        if len(there) > 2:
            self.account.merge("shop", "customers", there[:2])
        else:
            self.account.split("shop", "customers", self.chance.choice(there))

    def forget(self) -> None:
        """What nobody read is no longer kept."""
        self.account.clock(advance=601)
        self.change()

    def restart(self) -> None:
        self.account.kill()
        self.account.start()

    def fail(self) -> None:
        how: dict[str, Any] = self.chance.choice(
            [
                {"status": 429, "retry_after_ms": 5},
                {"status": 503},
                {"cut": "middle"},
                {"status": 410, "substatus": 1007},
            ]
        )
        self.account.fault(kind="feed", times=self.chance.randint(1, 4), after=self.chance.randint(0, 3), **how)

    def turn_back(self) -> None:
        """The account's clock goes backwards."""
        self.account.clock(advance=-self.chance.randint(1, 500))

    def make_again(self) -> None:
        self.database.delete_container("customers")
        self.container = self._make()
        self.again = True
        self.change()


Land = Callable[[Arena, bool], bool]


def strike(arena: Arena, strikes: int, land: Land) -> int:
    """Land, and be killed, while things happen; how often it was."""
    killed = 0
    for _ in range(strikes):
        arena.change()
        if arena.chance.random() < 0.4:
            arena.befall()
        if land(arena, arena.again or arena.chance.random() < 0.1):
            arena.again = False
        else:
            killed += 1
    return killed


def crashed(arena: Arena, anew: bool) -> bool:  # noqa: FBT001 - the one word of a land
    """One that dies at a point, in this process; whether it came to its end."""
    crash = CrashAt(arena.chance.choice(POINTS), arena.chance.randint(1, 8))
    with contextlib.suppress(SimulatedCrash, TransientError, SourceReplaced):
        api.land(arena.settings, "customers", from_beginning=anew, reached=crash)
        return True
    return False


def killed(arena: Arena, anew: bool) -> bool:  # noqa: FBT001 - the one word of a land
    """One that is killed by the clock; whether it came to its end."""
    running = context.Event()
    process = context.Process(target=_land, args=(arena.settings, anew, running), daemon=True)
    process.start()
    assert running.wait(60)
    process.join(arena.chance.uniform(0.05, 1.5))
    process.kill()
    process.join()
    return process.exitcode == 0


def _land(settings: Settings, anew: bool, running: Event) -> None:  # noqa: FBT001 - given to a process
    running.set()
    with contextlib.suppress(TransientError, SourceReplaced):
        api.land(settings, "customers", from_beginning=anew)
        return
    os._exit(75)


def and_used(land: Land) -> Land:
    """The same, and now and then one of the other verbs after it, which may die, too."""
    chance = random.Random(SEED)

    def act(arena: Arena, anew: bool) -> bool:  # noqa: FBT001 - the one word of a land
        landed = land(arena, anew)
        crash = CrashAt(chance.choice(USED), chance.randint(1, 3))
        verbs: list[Callable[[], object]] = [
            lambda: api.curate(arena.settings, "customers", reached=crash),
            lambda: api.rebuild(arena.settings, "customers", dates=None, reached=crash),
            lambda: api.compact(arena.settings, "customers"),
            lambda: api.vacuum(arena.settings, "customers", older_than=0, nobody_is_active=True),
        ]
        if landed and chance.random() < 0.5:
            with contextlib.suppress(SimulatedCrash, TransientError):
                chance.choice(verbs)()
        return landed

    return act


def settled(arena: Arena) -> None:
    """Nothing happens any more: what raw and the history in curated say is what is there."""
    arena.account.clear_faults()
    api.land(arena.settings, "customers", from_beginning=arena.again)
    assert api.land(arena.settings, "customers").landed == 0
    there = {
        one["id"]: one["city"]
        for one in arena.container.query_items("SELECT * FROM c", enable_cross_partition_query=True)
    }
    rows = rows_of(arena.lake.uri("raw", "customers")).to_pylist()
    assert {name: json.loads(row["body"])["city"] for name, row in newest(rows).items()} == there
    api.curate(arena.settings, "customers")
    totals = arena.lake.totals("customers")
    assert (totals.holds, totals.quarantined, totals.pending) == (True, 0, 0), totals
    history = rows_of(arena.lake.uri("curated", "customers")).to_pylist()
    last: dict[str, dict[str, Any]] = {}
    for row in sorted(history, key=_order):
        last[row["key"]] = row
    assert {
        row["customer_id"]: row["city"] for row in last.values() if not row["operation"].startswith("delete")
    } == there
    current = rows_of(arena.lake.uri("current", "customers")).to_pylist()
    assert {row["customer_id"]: row["city"] for row in current} == there
    ids = [row["event_id"] for row in history]
    assert len(set(ids)) == len(ids)
    begun = {row["generation"] for row in history if row["generation"]}
    assert begun <= {gap.generation for gap in arena.lake.gaps("customers")}


def _order(row: dict[str, Any]) -> tuple[int, int, int]:
    return row["generation"], row["lsn"], row["index"]


@pytest.fixture
def arena_of(tmp_path: Path) -> Iterator[Callable[[int, int], Arena]]:
    with contextlib.ExitStack() as stack:

        def make(seed: int, ranges: int) -> Arena:
            account = stack.enter_context(Local(tmp_path / "account"))
            return Arena(tmp_path, account, random.Random(seed), ranges)

        yield make


def test_killed_while_a_container_changes_splits_forgets_and_fails(arena_of: Callable[[int, int], Arena]) -> None:
    arena = arena_of(SEED + 2, 2)  # 3: ranges of the container before stood in the client's memory
    assert strike(arena, 25, crashed) > 5
    settled(arena)


@pytest.mark.soak
@pytest.mark.parametrize("iteration", range(ITERATIONS))
def test_killed_again_and_again(arena_of: Callable[[int, int], Arena], iteration: int) -> None:
    arena = arena_of(SEED * 1_000 + iteration, 1 + iteration % 4)
    assert strike(arena, 30, and_used(crashed)) + strike(arena, 20, killed) > 5
    settled(arena)

"""The hammer: verbs race for the same events and are killed at random; each event ends up in curated exactly once.

`LAKEPOST_SOAK_ITERATIONS` and `LAKEPOST_SOAK_SEED` choose how often the long form runs and what it repeats.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from deltalake import DeltaTable

from ingest.decoding import decode
from ingest.steps import Limits, replay
from ingest.steps.maintain import compact, vacuum
from ingest.validate import Suite
from tests.crash.forks import context
from tests.crash.hammer import DAYS, RACERS, Arena, events, race
from tests.reading import rows_of
from tests.steps.shop import Shop

ITERATIONS = int(os.environ.get("LAKEPOST_SOAK_ITERATIONS", "50"))
SEED = int(os.environ.get("LAKEPOST_SOAK_SEED", "1"))
TURNS = 8
DEADLINE = 240.0


def hammered(folder: Path, *, turns: int, kills: int, seed: int) -> Arena:
    """Run all racers over one lake; `kills` times, one of them is killed and started again."""
    chance = random.Random(seed)
    folder.mkdir()
    arena = Arena(folder)
    Shop(arena.lake, arena.contract)

    def started(name: str) -> ForkServerProcess:
        process = context.Process(target=race, args=(name, str(folder), turns), daemon=True)
        process.start()
        return process

    running = {name: started(name) for name in RACERS}
    until = time.monotonic() + DEADLINE
    try:
        for _ in range(kills):
            victim = chance.choice(list(RACERS))
            running[victim].join(chance.uniform(0.2, 3.0))
            if running[victim].is_alive():
                running[victim].kill()
                running[victim].join()
                running[victim] = started(victim)
        for name, process in running.items():
            process.join(max(until - time.monotonic(), 0))
            assert process.exitcode == 0, f"{name} of seed {seed}: {process.exitcode}"
    finally:
        for process in running.values():
            process.kill()
    return arena


def settled(arena: Arena, turns: int) -> None:
    """What was killed is run again, nobody is active: all is as if nothing had happened."""
    shop = Shop(arena.lake, arena.mended)
    shop.curate()
    doubled = Counter(rows_of(arena.lake.uri("curated", "orders"))["event_id"].to_pylist())
    assert max(doubled.values()) == 1, doubled
    shop.rebuild(*DAYS)
    replay(arena.mended, arena.lake, decode=decode, validator=Suite(), limits=Limits())
    assert shop.curated() == sorted(events(turns))
    totals = arena.lake.totals("orders")
    assert (totals.holds, totals.quarantined, totals.pending) == (True, 0, 0), totals
    compact("orders", arena.lake)
    vacuum("orders", arena.lake, older_than=0, nobody_is_active=True)
    for stage in ("curated", "quarantine"):
        uri = arena.lake.uri(stage, "orders")
        glob = {str(path) for path in Path(uri).glob("event_date=*/*.parquet")}
        assert glob == set(DeltaTable(uri).file_uris())
    assert shop.curated() == sorted(events(turns))


def test_all_verbs_at_once_and_one_of_them_killed(tmp_path: Path) -> None:
    settled(hammered(tmp_path / "arena", turns=3, kills=1, seed=SEED), 3)


@pytest.mark.soak
@pytest.mark.parametrize("iteration", range(ITERATIONS))
def test_all_verbs_at_once_killed_again_and_again(tmp_path: Path, iteration: int) -> None:
    kills = random.Random(iteration).choice([0, 0, 1, 3])
    settled(hammered(tmp_path / "arena", turns=TURNS, kills=kills, seed=SEED * 1_000 + iteration), TURNS)

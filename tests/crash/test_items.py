"""Several processes derive the items of a container at once, and die: none is lost, doubled or comes back."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingest.lake import DeltaLake, LocalStorage
from ingest.model.points import OF_ITEMS
from tests.steps.histories import Change, History

_ROOT = Path(__file__).resolve().parents[2]
_ITEMS = [f"i{number}" for number in range(40)]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(DeltaLake(LocalStorage(tmp_path / "lake")))


def child(lake: Path, point: str, nth: int = 1) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.crash.items", str(lake), point, str(nth)]
    return subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL, start_new_session=True)


def changes(chance: random.Random, lsn: int) -> list[Change]:
    """One change each of some items, a few of them late."""
    chosen = chance.sample(_ITEMS, 12)
    return [
        Change(item, chance.choice(["create", "replace", "delete"]), lsn - chance.choice([0, 0, 0, 7]), number)
        for number, item in enumerate(chosen)
    ]


def test_killed_by_sigkill_at_every_point_in_turn(history: History, tmp_path: Path) -> None:
    chance = random.Random(1)
    for lsn in range(1, 4):
        history.append(*changes(chance, 10 * lsn))
        history.derive()
    for point in OF_ITEMS:
        history.append(*changes(chance, history.position * 10))
        assert child(tmp_path / "lake", point).wait(timeout=60) == -signal.SIGKILL
    assert child(tmp_path / "lake", "none").wait(timeout=60) == 0
    assert history.holds


def test_several_derive_at_once(history: History, tmp_path: Path) -> None:
    several(history, tmp_path, batches=8, kills=0)


@pytest.mark.soak
def test_several_derive_at_once_and_are_killed(history: History, tmp_path: Path) -> None:
    iterations = int(os.environ.get("LAKEPOST_SOAK_ITERATIONS", "50"))
    several(history, tmp_path, batches=2 * iterations, kills=iterations)


def several(history: History, folder: Path, *, batches: int, kills: int) -> None:
    """Two processes derive while this one appends and erases; `kills` of them are killed and begin again."""
    chance = random.Random(int(os.environ.get("LAKEPOST_SOAK_SEED", "1")))
    stop = folder / "stop"
    workers = [child(folder / "lake", str(stop)) for _ in range(2)]
    try:
        for number in range(1, batches + 1):
            before = taken(history)
            history.append(*changes(chance, 10 * number))
            if number % 6 == 0:
                history.erase(chance.choice(_ITEMS))
            wait_for(history, workers, before)
            if number <= kills:
                place = chance.randrange(2)
                workers[place].kill()
                workers[place].wait(timeout=60)
                workers[place] = child(folder / "lake", str(stop))
        stop.touch()
        assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(timeout=60)
    history.derive()
    assert history.holds
    increments = history.table("current"), history.table("deleted")
    history.derive(anew=True)
    assert (history.table("current"), history.table("deleted")) == increments


def wait_for(history: History, workers: list[subprocess.Popen[bytes]], before: int | None) -> None:
    """Until one of them has taken more of the history than `before`."""
    deadline = time.monotonic() + 120
    while taken(history) == before:
        assert time.monotonic() < deadline
        assert all(worker.poll() is None for worker in workers)
        os.sched_yield()


def taken(history: History) -> int | None:
    return history.lake.pin_items("orders").taken

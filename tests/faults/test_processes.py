"""Commands at once, and commands that are killed at any instruction.

`LAKEPOST_SOAK_ITERATIONS` and `LAKEPOST_SOAK_SEED` choose how often the long form kills, and when.
"""

from __future__ import annotations

import os
import random
import signal

import pytest

from tests.faults.conftest import Play
from tests.faults.sabotage import die_after
from tests.faults.scene import Scene, spread

KILLS = int(os.environ.get("LAKEPOST_SOAK_ITERATIONS", "50")) * 4
SEED = int(os.environ.get("LAKEPOST_SOAK_SEED", "1"))
TURNS = ("land", "land", "ingest", "curate")


def kill(scene: Scene, *, kills: int, seed: int) -> None:
    """Start a command and kill it at a random time, again and again.

    A backlog of 300 messages for each kill outlasts them, with commits of 5 ms.
    """
    chance, struck = random.Random(seed), 0
    for _ in range(kills):
        settings = {"window_rows": chance.choice([2, 5, 10]), "batch_rows": 2_000}
        command = scene.start(chance.choice(TURNS), "orders", settings=settings)
        if command.ended(within=chance.uniform(0.05, 0.8)):
            assert command.code() in {0, 75}, (seed, command.told())
        else:
            command.kill()
            struck += 1
    assert struck > kills // 2, f"seed {seed}: only {struck} commands were killed"
    scene.swept()


@pytest.mark.parametrize("kind", ["quorum", pytest.param("stream", marks=pytest.mark.soak)])
def test_killed_at_random_times_over_one_backlog(kind: str, play: Play) -> None:
    scene = play(count=4_000, seed=SEED, kind=kind)
    scene.publish()
    kill(scene, kills=10, seed=SEED)
    scene.finishes()


def test_what_two_queues_give_up_since_land_was_killed_too_often_is_curated_once_by_a_replay(play: Play) -> None:
    """Some of it is in raw already: its commit was durable when land was killed the first time."""
    scene = play(count=1_000, seed=4, shaped=spread)  # with a delivery limit of 2
    scene.publish()
    assert scene.start("land", "orders", settings={"window_rows": 150}, sabotage=die_after).code() == -signal.SIGKILL
    for _ in range(2):
        scene.taken_back()
        scene.holding(scene.depth()[0], window_rows=10_000).kill()
    assert scene.ingested()["quarantined"] > 150
    code, told = scene.run("quarantine", "replay", "orders")
    assert (code, told["curated"] > 0, told["duplicates"] > 0) == (0, True, True), told
    scene.holds()


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["classic", "quorum", "stream"])
def test_killed_hundreds_of_times_over_one_backlog(kind: str, play: Play) -> None:
    scene = play(count=KILLS * 300, seed=SEED, kind=kind)
    scene.publish()
    kill(scene, kills=KILLS, seed=SEED)
    scene.finishes()


def test_two_lands_of_a_stream_are_in_each_others_way_and_double_nothing(play: Play) -> None:
    scene = play(count=1_000, seed=5, kind="stream")
    scene.publish()
    lands = [scene.start("land", "orders", settings={"window_rows": 20}) for _ in range(2)]
    ends = [(land.code(), land.told().get("error")) for land in lands]
    assert all(end in {(0, None), (75, "Overtaken")} for end in ends), ends
    scene.finishes()


@pytest.mark.parametrize("kind", [pytest.param("classic", marks=pytest.mark.soak), "quorum"])
def test_two_lands_of_one_dataset_share_its_messages(kind: str, play: Play) -> None:
    scene = play(count=2_000, seed=2, kind=kind)
    scene.publish()
    lands = [scene.start("land", "orders", settings={"window_rows": 50}) for _ in range(2)]
    assert [land.code() for land in lands] == [0, 0], [land.told() for land in lands]
    assert all(land.told()["landed"] for land in lands), "one of them had nothing to do"
    assert scene.finishes().redelivered == 0


def test_land_and_curate_at_once(play: Play) -> None:
    scene = play(count=3_000, seed=3)
    scene.publish()
    land = scene.start("land", "orders", settings={"window_rows": 10})
    while not land.ended(within=0):
        code, told = scene.run("curate", "orders")
        assert code == 0, told
    assert land.code() == 0, land.told()
    assert scene.finishes().redelivered == 0

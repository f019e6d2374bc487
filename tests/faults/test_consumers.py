"""Several consumers of one queue: they share its messages, whoever is killed, and each commits what it has taken."""

from __future__ import annotations

import random

import pytest

from tests.faults.conftest import Play
from tests.live import Live


def three(live: Live) -> None:
    live.rewrite("queueType:", "consumers: 3\n          queueType:")


@pytest.mark.parametrize("kind", [pytest.param("classic", marks=pytest.mark.soak), "quorum"])
def test_two_lands_with_three_consumers_each_lose_and_double_nothing(kind: str, play: Play) -> None:
    scene = play(count=1_500, seed=4, kind=kind, shaped=three)
    scene.publish()
    lands = [scene.start("land", "orders", settings={"window_rows": 300}) for _ in range(2)]
    assert [land.code() for land in lands] == [0, 0], [land.told() for land in lands]
    assert sum(land.told()["landed"] for land in lands) == 1_500
    assert scene.finishes().redelivered == 0


@pytest.mark.soak
def test_consumers_are_killed_at_random_times_over_one_backlog(play: Play) -> None:
    scene, chance = play(count=4_000, seed=5, shaped=three), random.Random(5)
    scene.publish()
    for _ in range(6):
        land = scene.start("land", "orders", settings={"window_rows": 15})
        assert not land.ended(within=chance.uniform(0.2, 2.0)), "a backlog of eight hundred windows"
        land.kill()
    scene.finishes()

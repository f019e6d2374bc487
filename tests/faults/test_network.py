"""The network between broker and land fails: connections cut anywhere, half-open, deaf.

`LAKEPOST_SOAK_ITERATIONS` and `LAKEPOST_SOAK_SEED` choose how many cuts the long form makes, and which.
"""

from __future__ import annotations

import contextlib
import os
import random

import pytest

from tests.faults.conftest import Play
from tests.faults.proxy import Fault, How, Proxy, Side
from tests.faults.scene import Scene

CUTS = int(os.environ.get("LAKEPOST_SOAK_ITERATIONS", "50")) * 4
SEED = int(os.environ.get("LAKEPOST_SOAK_SEED", "1"))
HANDSHAKE = 700  # bytes, of either side, give or take a few
EACH = 100  # messages that are new at each cut
ALL = {Side.BROKER: 90_000, Side.CLIENT: 1_500}  # about what a drain of so many takes


def cut(scene: Scene, *, cuts: int, seed: int) -> None:
    """Land again and again, each time by a connection that is cut after a random number of bytes."""
    chance = random.Random(seed)
    with Proxy(scene.broker.port) as proxy:
        url, ends = proxy.url(scene.broker.url), []
        for _ in range(cuts):
            scene.publish(EACH)
            side = chance.choice(list(Side))
            most = chance.choice([HANDSHAKE, ALL[side]])
            proxy.fault = Fault(chance.choice([How.CLOSE, How.RESET]), side, chance.randrange(1, most))
            code, told = scene.run("land", "orders", url=url, settings={"window_rows": 30})
            assert code == 75 or (code == 0 and "landed" in told), (seed, proxy.fault, told)
            ends.append(code)
    assert ends.count(75) > cuts // 2, f"seed {seed}: {ends}"


@pytest.mark.parametrize("kind", ["quorum", pytest.param("stream", marks=pytest.mark.soak)])
def test_a_connection_cut_at_random_bytes_is_worth_another_try(kind: str, play: Play) -> None:
    scene = play(count=8 * EACH, seed=SEED, kind=kind)
    cut(scene, cuts=8, seed=SEED)
    scene.finishes()


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["classic", "quorum", "stream"])
def test_hundreds_of_cuts(kind: str, play: Play) -> None:
    scene = play(count=CUTS * EACH, seed=SEED, kind=kind)
    cut(scene, cuts=CUTS, seed=SEED)
    scene.finishes()


GOES_ON = ("--max-seconds", "600")
DEAD: tuple[tuple[Fault, tuple[str, ...], int, str], ...] = (  # with the heartbeat in seconds: three are waited for
    (Fault(How.NO_HEARTBEATS, Side.BROKER), GOES_ON, 1, "quorum"),
    (Fault(How.NO_HEARTBEATS, Side.CLIENT), GOES_ON, 1, "classic"),
    # Silent for longer than it takes until a queue counts as empty, which is noticed before the heartbeats are missed.
    (Fault(How.FREEZE, Side.BROKER, 300_000), (), 3, "quorum"),
    (Fault(How.FREEZE, Side.BROKER, 300_000), (), 3, "stream"),
)


def test_a_connection_that_is_dead_but_not_closed_is_noticed(play: Play) -> None:
    """By its heartbeats; the default is a minute, and then it takes three. All at once, for the clock's sake."""
    scenes = [play(count=700, seed=number, kind=dead[-1]) for number, dead in enumerate(DEAD)]
    with contextlib.ExitStack() as proxies:
        lands = []
        for scene, (fault, arguments, heartbeat, _) in zip(scenes, DEAD, strict=True):
            scene.publish()
            url = proxies.enter_context(Proxy(scene.broker.port, fault)).url(scene.broker.url)
            settings = {"window_rows": 300, "window_seconds": 600}
            lands.append(
                scene.start("land", "orders", *arguments, url=f"{url}?heartbeat={heartbeat}", settings=settings)
            )
        for dead, land in zip(DEAD, lands, strict=True):
            assert (land.code(within=60), land.told().get("error")) == (75, "SourceUnavailable"), (dead, land.told())
        for scene in scenes:
            scene.taken_back()
    for scene in scenes:
        scene.finishes()


@pytest.mark.soak
@pytest.mark.parametrize("after", [0, 300, 550])
def test_a_broker_that_falls_silent_while_land_connects_is_given_up(after: int, play: Play) -> None:
    scene = play(count=200, seed=6)
    scene.publish()
    with Proxy(scene.broker.port, Fault(How.FREEZE, Side.BROKER, after)) as proxy:
        land = scene.start("land", "orders", url=proxy.url(scene.broker.url))
        assert (land.code(within=60), land.told().get("error")) == (75, "SourceUnavailable"), land.told()
    scene.finishes()


@pytest.mark.soak
def test_with_the_default_heartbeat_a_dead_connection_is_noticed_after_three_minutes(play: Play) -> None:
    scene = play(count=200, seed=7)
    with Proxy(scene.broker.port, Fault(How.FREEZE, Side.BROKER, 30_000)) as proxy:
        land = scene.start("land", "orders", "--max-seconds", "900", url=proxy.url(scene.broker.url))
        scene.publish()
        assert not land.ended(within=120)
        assert (land.code(within=120), land.told().get("error")) == (75, "SourceUnavailable"), land.told()
    scene.finishes()

"""The lake's storage fails under land and curate: a disk that is full, commits whose answer is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.child import Lakepost
from tests.faults.conftest import Play
from tests.faults.sabotage import AWAY, vanish_after
from tests.faults.scene import Scene, until

REFUSED = "the lake refused a window, which is kept in hand"
CHECKPOINT = "00000000000000000024.checkpoint.parquet"  # the first that raw gets, in the commit of that version


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A file system of 16 MB at `folder`, and the name of a file that may fill it."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=False, capture_output=True)
    if made.returncode:
        pytest.skip(f"this user may not mount a file system: {made.stderr.decode()}")
    try:
        yield folder / "ballast"
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(ballast: Path) -> None:
    """Leave no byte."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 10, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue


def landing_on_a_full_disk(scene: Scene, ballast: Path) -> Lakepost:
    """A land that was refused once: a window of 300 is committed, and the disk is full for a second one."""
    settings = {"window_rows": 300, "window_seconds": 600}
    land = scene.start("land", "orders", "--max-seconds", "600", settings=settings)
    scene.publish(400)
    until("land has committed a window", lambda: scene.depth() == (0, 100))
    fill(ballast)
    scene.publish(200)
    until("land is refused", lambda: REFUSED in land.log)
    assert scene.depth() == (0, 300), "something was acknowledged"
    return land


def test_a_full_disk_is_waited_for_with_the_window_in_hand(play: Play) -> None:
    scene = play(count=1_000, seed=1)
    with disk(scene.live.lake) as ballast:
        land = landing_on_a_full_disk(scene, ballast)
        ballast.unlink()
        until("land has committed the window", lambda: scene.depth() == (0, 0))
        scene.publish()
        land.terminate()
        assert (land.code(), land.told().get("landed", 0) >= 600) == (0, True), land.told()
        assert scene.finishes().redelivered == 0


def test_a_disk_that_stays_full_is_worth_another_try_and_nothing_was_acknowledged(play: Play) -> None:
    """Told to stop, land tries once more and gives up; without that it does after minutes, see the long form."""
    scene = play(count=1_000, seed=2)
    with disk(scene.live.lake) as ballast:
        land = landing_on_a_full_disk(scene, ballast)
        land.terminate()
        given_up(scene, land)
        assert scene.run("curate", "orders")[0] == 75
        ballast.unlink()
        scene.swept()
        scene.publish()
        scene.finishes()


@pytest.mark.soak
def test_patience_with_a_full_disk_ends(play: Play) -> None:
    scene = play(count=1_000, seed=3)
    with disk(scene.live.lake) as ballast:
        given_up(scene, landing_on_a_full_disk(scene, ballast))
        ballast.unlink()
        scene.publish()
        scene.finishes()


def given_up(scene: Scene, land: Lakepost) -> None:
    """It ends with the transient error, and the broker has all of its window again."""
    assert (land.code(within=600), land.told()["error"]) == (75, "LakeUnavailable")
    scene.taken_back()
    assert scene.depth() == (300, 0)


def test_a_commit_that_was_durable_when_it_failed_is_not_made_again(play: Play) -> None:
    """The storage takes the commit and refuses the checkpoint that belongs to it: an error, and the rows are there."""
    scene = play(count=600, seed=4)
    assert scene.run("land", "orders")[0] == 0  # the tables are there
    (scene.live.lake / "raw" / "orders" / "_delta_log" / CHECKPOINT / "in the way").mkdir(parents=True)
    scene.publish()
    code, told = scene.run("land", "orders", settings={"window_rows": 20})
    assert (code, told["landed"]) == (0, 600)
    assert told["raw_version"] > 25
    assert scene.finishes().redelivered == 0


@pytest.mark.parametrize("kind", ["quorum", pytest.param("stream", marks=pytest.mark.soak)])
def test_a_commit_whose_answer_is_lost_with_the_storage_is_looked_for_when_that_is_back(kind: str, play: Play) -> None:
    scene = play(count=600, seed=5, kind=kind)
    scene.publish()
    land = scene.start("land", "orders", settings={"window_rows": 200}, sabotage=vanish_after)
    raw = scene.live.lake / "raw" / "orders"
    away = raw.with_name(AWAY)
    until("land is refused, after the second commit", lambda: REFUSED in land.log)
    away.rename(raw)
    assert (land.code(), land.told().get("landed")) == (0, scene.count)
    assert scene.finishes().redelivered == 0

"""The broker fails under a land that has a window in hand."""

from __future__ import annotations

from tests.faults.conftest import Play


def test_a_broker_killed_in_the_middle_of_a_window_loses_nothing(play: Play) -> None:
    scenes = [play(count=1_000, seed=1, kind=kind) for kind in ("classic", "quorum")]
    broker = scenes[0].broker
    for scene in scenes:
        scene.publish()
    lands = [scene.holding(200, window_rows=400) for scene in scenes]
    broker.kill()
    codes = [land.code(within=30) for land in lands]
    broker.start()
    assert codes == [75, 75]
    for scene, land in zip(scenes, lands, strict=True):
        assert land.told()["error"] == "SourceUnavailable"
        scene.finishes()

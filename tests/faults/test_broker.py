"""The broker fails under a land that has a window in hand."""

from __future__ import annotations

import dataclasses
import threading

from tests.conftest import publishing
from tests.faults.conftest import Play
from tests.faults.scene import until


def test_a_broker_killed_in_the_middle_of_a_window_loses_nothing(play: Play) -> None:
    scenes = [play(count=1_000, seed=1, kind=kind) for kind in ("classic", "quorum", "stream")]
    broker = scenes[0].broker
    for scene in scenes:
        scene.publish()
    lands = [scene.holding(scene.count - 800, window_rows=400) for scene in scenes]
    broker.kill()
    codes = [land.code(within=60) for land in lands]
    broker.start()
    assert codes == [75, 75, 75]
    for scene, land in zip(scenes, lands, strict=True):
        assert land.told()["error"] == "SourceUnavailable"
        scene.finishes()


def test_draining_goes_on_while_a_memory_alarm_blocks_publishers(play: Play) -> None:
    scene = play(count=1_000, seed=2)
    scene.publish(800)
    publisher = threading.Thread(target=scene.publish, daemon=True)
    scene.broker.ctl("set_vm_memory_high_watermark", "absolute", "1")
    try:
        publisher.start()
        until("the publisher is blocked", lambda: "block" in scene.broker.ctl("list_connections", "state"))
        code, told = scene.run("land", "orders", settings={"window_rows": 300})
        assert (code, told["landed"]) == (0, 800)
        until("the broker tells that all is acknowledged", lambda: scene.depth() == (0, 0))
        assert publisher.is_alive()
    finally:
        scene.broker.ctl("set_vm_memory_high_watermark", "absolute", "1GB")
    publisher.join(30)
    scene.finishes()


def test_a_queue_that_is_deleted_and_made_again_takes_nothing_along_that_land_has_received(play: Play) -> None:
    scenes = [play(count=1_000, seed=3, kind=kind) for kind in ("classic", "quorum")]
    for scene in scenes:
        scene.publish(800)
        land = scene.holding(800, window_rows=900)
        scene.broker.ctl("delete_queue", scene.queue)
        assert (land.code(within=60), land.told()["error"]) == (75, "SourceUnavailable")
        assert "deleted" in land.told()["message"]
        scene.declare()
        scene.publish()
        scene.finishes()


def test_a_queue_made_again_as_another_type_is_told_and_then_drained(play: Play) -> None:
    scene = play(count=1_000, seed=4)
    scene.publish(800)
    land = scene.holding(800, window_rows=900)
    scene.broker.ctl("delete_queue", scene.queue)
    publishing(scene.broker.url)(dataclasses.replace(scene.live.contract.queues[0], queue_type="classic"), ())
    assert land.code(within=60) == 75
    scene.publish()
    code, told = scene.run("land", "orders")
    assert (code, told["error"]) == (1, "TopologyError")
    assert "x-queue-type = 'classic', but the contract says 'quorum'" in told["message"]
    scene.live.rewrite("queueType: quorum", "queueType: classic")
    scene.finishes()


def test_a_queue_whose_process_crashes_gives_its_messages_again(play: Play) -> None:
    """The broker starts it anew and goes on with the consumers that it had; nobody is told."""
    for kind, process in (("classic", "amqqueue:get_pid(Q)"), ("quorum", "whereis(element(1, amqqueue:get_pid(Q)))")):
        scene = play(count=1_000, seed=5, kind=kind)
        scene.publish(800)
        land = scene.holding(200, window_rows=300)
        found = f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{scene.queue}">>))'
        scene.broker.ctl("eval", f"{found}, exit({process}, kill).")
        scene.publish()
        until("land has taken what came then", lambda scene=scene: scene.depth()[0] == 0)  # type: ignore[misc]
        land.terminate()
        assert land.code(within=60) == 0, land.told()
        scene.finishes()

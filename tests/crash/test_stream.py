"""Kill -9 land over a real stream, at every point and at random times: raw has every offset once.

`LAKEPOST_SOAK_ITERATIONS` and `LAKEPOST_SOAK_SEED` choose how often the long form kills, and when.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest import api
from ingest.lake import DeltaLake, LocalStorage
from tests.crash.test_rabbitmq import LANDING, run
from tests.live import Live
from tests.reading import rows_of
from tests.steps.shop import order


@pytest.fixture
def stream(live: Live) -> Live:
    """`orders` in a stream, without an id of their own."""
    live.rewrite("queueType: quorum", "queueType: stream")
    live.publish([])
    live.publish_nameless(order(None, order_id=f"o-{number:08d}") for number in range(40))
    return live


def test_killed_at_every_point_no_row_is_doubled(stream: Live) -> None:
    """Each run lands five messages at a time."""
    for point in LANDING:
        assert run(stream, "land", point, nth=2) == -signal.SIGKILL
    api.land(stream.settings, stream.dataset)
    raw = rows_of(DeltaLake(LocalStorage(stream.lake)).uri("raw", stream.dataset))
    assert sorted(raw["position"].to_pylist()) == list(range(40))
    queue = stream.contract.queues[0].queue
    assert set(raw["event_id"].to_pylist()) == {f"lakepost:offset:{queue}/{number}" for number in range(40)}
    account = api.curate(stream.settings, stream.dataset)
    assert (account.curated, account.duplicates) == (40, 0)


@pytest.mark.soak
def test_killed_at_random_times_no_row_is_doubled(live: Live) -> None:
    """In small segments, so that offsets have gaps."""
    segments = "{x-stream-max-segment-size-bytes: 300000}"
    live.rewrite("queueType: quorum", f"queueType: stream\n          arguments: {segments}")
    live.publish([order(f"e{number}", day=1 + number % 20) for number in range(20_000)])
    chance = random.Random(int(os.environ.get("LAKEPOST_SOAK_SEED", "1")))
    environment = {**os.environ, **live.environment, "LAKEPOST_WINDOW_ROWS": "300"}
    command = [str(Path(sys.executable).with_name("lakepost")), "land", live.dataset]
    for _ in range(int(os.environ.get("LAKEPOST_SOAK_ITERATIONS", "50"))):
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as land:
            with contextlib.suppress(subprocess.TimeoutExpired):
                land.wait(chance.uniform(1.0, 3.5))
            land.kill()
        assert land.returncode in {0, -signal.SIGKILL}
    api.land(live.settings, live.dataset)
    lake = DeltaLake(LocalStorage(live.lake))
    raw = rows_of(lake.uri("raw", live.dataset))
    assert sorted(raw["event_id"].to_pylist()) == sorted(f"e{number}" for number in range(20_000))
    assert len(set(raw["position"].to_pylist())) == 20_000
    assert lake.losses(live.dataset) == []

"""Kill -9 a process at every named point, against the real broker, and run again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest import api
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from ingest.model.points import OF_INGEST, Point
from tests.crash.outcome import Outcome, outcome
from tests.crash.test_memory import EVENTS
from tests.live import Live
from tests.steps.shop import Shop

CHILD = Path(__file__).with_name("child.py")
LANDING = (Point.RECEIVED, Point.PART_COMMITTED, Point.RAW_COMMITTED, Point.ACKNOWLEDGED)
CURATING = tuple(point for point in OF_INGEST if point not in LANDING)


def run(live: Live, verb: str, point: str = "none", nth: int = 1) -> int:
    """Run a verb in a process of its own that dies with this one; returns its exit code."""
    environment = {**os.environ, **live.environment, "LAKEPOST_WINDOW_ROWS": "5", "LAKEPOST_BATCH_ROWS": "10"}
    done = subprocess.run(
        [sys.executable, str(CHILD), verb, live.dataset, point, str(nth)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, orders: Contract) -> Outcome:
    """What the memory source gives without a crash: also that both sources give the same."""
    shop = Shop(DeltaLake(LocalStorage(tmp_path_factory.mktemp("undisturbed"))), orders)
    shop.land(*EVENTS)
    shop.curate()
    return outcome(shop.lake, "orders")


@pytest.mark.parametrize("point", OF_INGEST)
def test_killed_and_run_again(point: Point, live: Live, undisturbed: Outcome) -> None:
    live.publish(EVENTS)
    if point in LANDING:
        assert run(live, "land", point, nth=2) == -signal.SIGKILL
    api.land(live.settings, live.dataset)
    if point in CURATING:
        assert run(live, "curate", point) == -signal.SIGKILL
    api.curate(live.settings, live.dataset)
    assert live.waiting() == 0
    found = outcome(DeltaLake(LocalStorage(live.lake)), live.dataset)
    for row in found.curated:
        row["source"] = "shop.events/lakepost.orders"
    assert found == undisturbed

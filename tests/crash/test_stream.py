"""Kill -9 land at every point over a real stream: raw has every offset once."""

from __future__ import annotations

import signal

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
    queue = stream.contract.sources[0].queue
    assert set(raw["event_id"].to_pylist()) == {f"lakepost:offset:{queue}/{number}" for number in range(40)}
    account = api.curate(stream.settings, stream.dataset)
    assert (account.curated, account.duplicates) == (40, 0)

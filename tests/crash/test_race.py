"""Verbs that race in processes of their own: every event ends up in one place, exactly once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ingest.decoding import decode
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from ingest.steps import Limits, replay
from ingest.validate import Suite
from tests.crash.race import ROLES, ROUNDS
from tests.crash.racers import race_to_the_end
from tests.reading import rows_of
from tests.steps.shop import Shop
from tests.steps.test_rebuild import without_total_rule


def test_ingest_rebuild_replay_and_compact_at_once_lose_and_double_nothing(tmp_path: Path, orders: Contract) -> None:
    shop = Shop(DeltaLake(LocalStorage(tmp_path)), orders)
    race_to_the_end("tests.crash.race", ROLES, tmp_path)
    totals = shop.lake.totals("orders")
    assert totals.raw == 6 * ROUNDS
    assert totals.holds, totals

    shop.curate()
    replay(without_total_rule(orders), shop.lake, decode=decode, validator=Suite(), limits=Limits())
    curated = Counter(rows_of(shop.lake.uri("curated", "orders"))["event_id"].to_pylist())
    assert curated == Counter([f"{kind}{turn}" for kind in ("good", "bad") for turn in range(ROUNDS)])
    quarantined = Counter(rows_of(shop.lake.uri("quarantine", "orders"))["event_id"].to_pylist())
    assert quarantined == Counter([f"broken{turn}" for turn in range(ROUNDS)])
    assert shop.lake.totals("orders").holds

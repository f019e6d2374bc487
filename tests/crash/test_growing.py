"""Workers of three versions of one contract at once: each event ends up once, in the table of the newest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from tests.crash.growing import ROUNDS, VERSIONS
from tests.crash.racers import race_to_the_end
from tests.reading import rows_of
from tests.steps.shop import Shop
from tests.versions import with_wider_types


def test_versions_that_race_lose_and_double_nothing(tmp_path: Path, orders: Contract) -> None:
    Shop(DeltaLake(LocalStorage(tmp_path)), orders)
    race_to_the_end("tests.crash.growing", VERSIONS, tmp_path)
    shop = Shop(DeltaLake(LocalStorage(tmp_path)), with_wider_types(orders))
    assert shop.lake.totals("orders").raw == 3 * 3 * ROUNDS
    assert shop.lake.totals("orders").holds

    shop.rebuild()
    kept = {VERSIONS[name](orders).digest: VERSIONS[name](orders) for name in VERSIONS}
    shop.curate(contract_at=kept.__getitem__)
    shop.rebuild()
    rows = rows_of(shop.lake.uri("curated", "orders"))
    events = sorted(f"{name}{turn}" for name in VERSIONS for turn in range(ROUNDS))
    assert sorted(rows["event_id"].to_pylist()) == events
    assert Counter(rows["channel"].to_pylist()) == {None: ROUNDS, "channel": ROUNDS, "wider": ROUNDS}
    totals = shop.lake.totals("orders")
    assert (totals.holds, totals.pending, totals.quarantined) == (True, 0, 3 * ROUNDS)

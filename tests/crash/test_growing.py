"""Workers of three versions of one contract at once: each event ends up once, in the table of the newest."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from tests.crash.growing import ROUNDS, VERSIONS
from tests.reading import rows_of
from tests.steps.shop import Shop
from tests.versions import with_wider_types

ROOT = Path(__file__).resolve().parents[2]


def test_versions_that_race_lose_and_double_nothing(tmp_path: Path, orders: Contract) -> None:
    Shop(DeltaLake(LocalStorage(tmp_path)), orders)
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.crash.growing", version, tmp_path, ROOT / "schemas"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for version in VERSIONS
    ]
    try:
        told = [racer.communicate(timeout=240)[0] for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
    assert [racer.returncode for racer in racers] == [0, 0, 0], "\n".join(told)
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

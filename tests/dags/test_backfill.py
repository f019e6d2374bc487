"""The real Airflow scheduler backfills `rebuild__orders` over dates of a real lake."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable

from airflow_local import Airflow
from ingest import catalog
from ingest.lake import DeltaLake, LocalStorage
from stack import airflow_connections
from tests.reading import rows_of
from tests.steps.shop import Shop, order

DAG_ID = "rebuild__orders"


@pytest.fixture
def shop(tmp_path: Path, schemas: Path) -> Shop:
    """Three dates: two with a reject that the mended suite lets in, one whose raw row was trimmed."""
    shop = Shop(DeltaLake(LocalStorage(tmp_path / "lake")), catalog.load(schemas, "orders"))
    shop.land(
        *(order(f"{name}{day}", day=day, total=total) for day in (20, 21) for name, total in (("a", 1), ("b", -5)))
    )
    shop.land(order("trimmed", day=23))
    shop.curate()
    DeltaTable(shop.lake.uri("raw", "orders")).delete("event_date = '2026-11-23'")
    suite = schemas / "orders" / "suite.json"
    text = suite.read_text()
    suite.write_text(text.replace('"min_value": 0.0,', '"min_value": -100.0,'))
    assert suite.read_text() != text
    return shop


@pytest.fixture
def airflow(tmp_path: Path, dags_folder: Path, schemas: Path, shop: Shop) -> Iterator[Airflow]:
    told = airflow_connections("amqp://guest:guest@127.0.0.1:1/", tmp_path / "lake")
    told["LAKEPOST_SCHEMAS_DIR"] = str(schemas)
    with Airflow(tmp_path / "airflow", dags=dags_folder, env=told, tied=True) as airflow:
        yield airflow


def test_a_backfill_rebuilds_each_of_its_dates_alone_and_no_other(airflow: Airflow, shop: Shop) -> None:
    assert shop.curated() == ["a20", "a21", "trimmed"]
    airflow.unpause(DAG_ID)
    unknown = airflow.trigger(DAG_ID, partition_key="1970-01-01")
    assert airflow.wait(DAG_ID, unknown, 120) == "success"
    left_over = {event["partition_key"] for event in airflow.asset_events(DAG_ID, unknown)}
    assert left_over == {"2026-11-20", "2026-11-21", "2026-11-23"}, "what a curate that no DAG ran had touched"
    airflow.wait_backfill(airflow.backfill(DAG_ID, "2026-11-20", "2026-11-23"), 240)
    runs = {run["partition_key"]: run for run in airflow.runs(DAG_ID) if run["run_type"] == "backfill"}
    tasks = {key: airflow.task_instances(DAG_ID, run["dag_run_id"])[0] for key, run in runs.items()}
    assert {key: (runs[key]["state"], task["state"], task["try_number"]) for key, task in tasks.items()} == {
        "2026-11-20": ("success", "success", 1),
        "2026-11-21": ("success", "success", 1),
        "2026-11-22": ("success", "skipped", 1),  # no rows
        "2026-11-23": ("failed", "failed", 1),  # trimmed: trying again changes nothing
    }
    assert "RawTrimmed" in airflow.task_log(DAG_ID, runs["2026-11-23"]["dag_run_id"], "rebuild")
    assert shop.curated() == ["a20", "a21", "b20", "b21", "trimmed"]
    assert rows_of(shop.lake.uri("quarantine", "orders")).num_rows == 0
    published = {
        key: {event["partition_key"] for event in airflow.asset_events(DAG_ID, run["dag_run_id"])}
        for key, run in runs.items()
    }
    nothing: set[str] = set()
    assert [published[f"2026-11-{day}"] for day in (20, 21, 22)] == [{"2026-11-20"}, {"2026-11-21"}, nothing]
    spans = sorted((task["start_date"], task["end_date"]) for task in tasks.values())
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans)), "one date at a time"

"""`replay__<dataset>` as the catalogue says it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, PartitionedAtRuntime
from airflow.sdk.exceptions import AirflowSkipException

from ingest import catalog
from ingest.model.replay import Replayed
from lakepost_airflow import tasks
from lakepost_airflow.replay_dag import replay_dag
from tests.dags.running import begun


@pytest.fixture
def dag(schemas: Path) -> DAG:
    return replay_dag(catalog.load(schemas, "orders"), schemas)


def test_it_runs_only_when_triggered_one_at_a_time(dag: DAG) -> None:
    assert dag.dag_id == "replay__orders"
    assert isinstance(dag.timetable, PartitionedAtRuntime)
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    assert dag.params.dump() == {"dry_run": False}


def test_its_one_task_publishes_the_asset_and_is_tried_again(dag: DAG) -> None:
    (task,) = dag.tasks
    assert (task.task_id, [asset.name for asset in task.outlets]) == ("replay", ["curated/orders"])
    assert (task.retries, task.retry_policy is not None, task.execution_timeout is not None) == (3, True, True)


def test_its_page_says_when_to_use_it(dag: DAG) -> None:
    for said in ("after the contract", "dry_run", "lakepost quarantine list orders", "run again"):
        assert said in str(dag.doc_md)


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Any:
    def begin(*, dry_run: bool, dates: list[str]) -> SimpleNamespace:
        def replayed(dataset: str) -> Replayed:
            return Replayed(dataset, replayed=3, curated=2, quarantined=1, dry_run=dry_run)

        return begun(monkeypatch, "replay", replayed, dates, params={"dry_run": dry_run})

    return begin


def test_it_publishes_the_dates_it_touched(begin: Any) -> None:
    run = begin(dry_run=False, dates=["2026-11-20"])
    assert tasks.replay("orders", "/schemas")["curated"] == 2
    assert run.asked == [("orders", {"dry_run": False})]
    assert run.partitions == ["2026-11-20"]
    assert run.event.extra == {"curated_version": 7, "curated": 2, "quarantined": 1, "duplicates": 0}


def test_a_dry_run_publishes_nothing_and_keeps_its_counts(begin: Any) -> None:
    run = begin(dry_run=True, dates=["2026-11-20"])
    with pytest.raises(AirflowSkipException):
        tasks.replay("orders", "/schemas")
    assert run.asked == [("orders", {"dry_run": True})]
    assert (run.partitions, run.pushed["return_value"]["curated"]) == ([], 2)

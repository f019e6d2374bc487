"""`rebuild__<dataset>` as the catalogue says it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, CronPartitionTimetable, RetryAction
from airflow.sdk.exceptions import AirflowSkipException

from ingest import catalog
from ingest.errors import ConfigurationError, RawTrimmed
from ingest.model.account import Account
from ingest.model.upkeep import TASK_TIMEOUTS
from lakepost_airflow import tasks
from lakepost_airflow.rebuild_dag import rebuild_dag
from tests.dags.running import begun


@pytest.fixture
def dag(schemas: Path) -> DAG:
    return rebuild_dag(catalog.load(schemas, "orders"), schemas)


def test_a_run_is_a_date_and_nothing_runs_until_somebody_unpauses_it(dag: DAG) -> None:
    assert dag.dag_id == "rebuild__orders"
    assert isinstance(dag.timetable, CronPartitionTimetable)
    assert (dag.max_active_runs, dag.catchup, dag.is_paused_upon_creation) == (1, False, True)


def test_its_one_task_takes_one_date_at_a_time_also_in_a_backfill(dag: DAG) -> None:
    (task,) = dag.tasks
    assert (task.task_id, [asset.name for asset in task.outlets]) == ("rebuild", ["curated/orders"])
    assert (task.retries, task.max_active_tis_per_dag) == (3, 1)
    assert task.execution_timeout == TASK_TIMEOUTS["rebuild"]


def test_a_trimmed_date_is_not_tried_again(dag: DAG) -> None:
    policy = dag.get_task("rebuild").retry_policy
    assert policy is not None
    assert policy.evaluate(RawTrimmed("gone"), try_number=1, max_tries=3).action is RetryAction.FAIL


def test_its_page_says_how_to_backfill(dag: DAG) -> None:
    for said in ("unpause this DAG", "stays queued", "lakepost rebuild orders", "1970-01-01", "/dags/ingest__orders"):
        assert said in str(dag.doc_md)


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Any:
    def begin(partition_key: str | None, dates: list[str]) -> SimpleNamespace:
        def rebuilt(dataset: str) -> SimpleNamespace:
            return SimpleNamespace(account=Account(dataset, curated=2, quarantined=-2, partitions=tuple(dates)))

        return begun(monkeypatch, "rebuild", rebuilt, dates, dag_run=SimpleNamespace(partition_key=partition_key))

    return begin


def test_it_rebuilds_the_partition_key_s_date_and_publishes_what_it_touched(begin: Any) -> None:
    run = begin("2026-11-20", ["2026-11-20"])
    assert tasks.rebuild("orders", "/schemas")["curated"] == 2
    day = dt.date(2026, 11, 20)
    assert run.asked == [("orders", {"dates": (day, day)})]
    assert run.partitions == ["2026-11-20"]
    assert run.event.extra == {"curated_version": 7, "curated": 2, "quarantined": -2, "duplicates": 0}


def test_a_date_in_which_nothing_changes_is_skipped_and_keeps_its_account(begin: Any) -> None:
    run = begin("2026-11-20", [])
    with pytest.raises(AirflowSkipException):
        tasks.rebuild("orders", "/schemas")
    assert (run.partitions, run.pushed["return_value"]["dataset"]) == ([], "orders")


@pytest.mark.parametrize(("key", "says"), [(None, "no partition key"), ("last week", "'last week'")])
def test_a_run_without_a_date_fails_and_says_what_to_do(begin: Any, key: str | None, says: str) -> None:
    run = begin(key, [])
    with pytest.raises(ConfigurationError, match=says) as refused:
        tasks.rebuild("orders", "/schemas")
    assert "YYYY-MM-DD" in refused.value.remedy
    assert run.asked == []

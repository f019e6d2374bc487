"""`ingest__<dataset>` of a dataset whose rows come from a container's feed ranges."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, RetryAction

from ingest import api, errors
from ingest.model.account import Account
from lakepost_airflow import tasks
from lakepost_airflow.ingest_dag import ingest_dag
from tests.dags.customers import customers_of


@pytest.fixture
def dag(tmp_path: Path) -> DAG:
    return ingest_dag(customers_of(tmp_path), tmp_path)


def test_each_feed_range_is_landed_by_a_task_and_curate_waits_for_all_of_them(dag: DAG) -> None:
    ranges, land, curate = (dag.get_task(name) for name in ("feed_ranges", "land", "curate"))
    assert (ranges.is_mapped, land.is_mapped, curate.is_mapped) == (False, True, False)
    assert ranges.downstream_task_ids == {"land"}
    assert land.downstream_task_ids == {"curate"}
    assert curate.trigger_rule == "all_success"
    assert [asset.name for asset in curate.outlets] == ["curated/customers"]
    assert 1 < land.max_active_tis_per_dagrun <= 16  # type: ignore[operator]


@pytest.mark.parametrize(("count", "names"), [(1, {"land", "curate"}), (2, {"feed_ranges", "land", "curate"})])
def test_a_container_that_is_read_as_one_has_the_plain_task(tmp_path: Path, count: int, names: set[str]) -> None:
    dag = ingest_dag(customers_of(tmp_path, feedRanges=count), tmp_path)
    assert set(dag.task_dict) == names
    assert dag.get_task("land").is_mapped is (count > 1)


def test_a_run_may_begin_anew_and_has_no_limit_of_messages(dag: DAG) -> None:
    assert dag.params.dump() == {"accept": False, "from_beginning": False}


def test_the_page_of_a_container_says_what_its_runs_do(dag: DAG, tmp_path: Path) -> None:
    page = str(dag.doc_md)
    for said in ("`shop/customers`", "feed_ranges", "from_beginning", "SourceReplaced", "lakepost_cosmos"):
        assert said in page
    whole = ingest_dag(customers_of(tmp_path / "whole", feedRanges=1), tmp_path / "whole")
    assert "feed_ranges" not in str(whole.doc_md)


@pytest.mark.parametrize("task_id", ["feed_ranges", "land", "curate"])
@pytest.mark.parametrize(
    ("error", "action"),
    [
        (errors.SourceUnavailable("throttled"), RetryAction.RETRY),
        (errors.Overtaken("another land"), RetryAction.RETRY),
        (errors.SourceReplaced("made again"), RetryAction.FAIL),
        (errors.ContinuationExpired("forgotten"), RetryAction.FAIL),
        (errors.TopologyError("no container"), RetryAction.FAIL),
        (errors.ConfigurationError("refused"), RetryAction.FAIL),
    ],
)
def test_only_what_passes_by_itself_is_tried_again(
    dag: DAG, task_id: str, error: Exception, action: RetryAction
) -> None:
    policy = dag.get_task(task_id).retry_policy
    assert policy is not None
    assert policy.evaluate(error, try_number=1, max_tries=3).action is action


@pytest.mark.parametrize(("feed_range", "anew"), [("-7F", False), (None, True)])
def test_land_takes_its_feed_range_and_begins_anew_once_where_the_run_says_so(
    monkeypatch: pytest.MonkeyPatch, feed_range: str | None, *, anew: bool
) -> None:
    asked: list[Any] = []

    def land(_settings: object, dataset: str, **options: Any) -> Account:
        asked.append((dataset, options))
        return Account(dataset, landed=3, request_units=12.5)

    begun = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    context = {
        "params": {"accept": False, "from_beginning": anew},
        "dag_run": SimpleNamespace(start_date=begun),
    }
    monkeypatch.setattr(tasks, "get_current_context", lambda: context)
    monkeypatch.setattr(tasks, "task_settings", lambda _folder: SimpleNamespace())
    monkeypatch.setattr(api, "land", land)
    assert tasks.land("customers", "/schemas", feed_range)["request_units"] == 12.5
    # A snapshot that was begun by an earlier try of this run is gone on with.
    assert asked == [("customers", {"from_beginning": begun if anew else False, "feed_range": feed_range})]

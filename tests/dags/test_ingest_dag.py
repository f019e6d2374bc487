"""`ingest__<dataset>` as the catalogue says it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, PartitionedAtRuntime, RetryAction
from airflow.sdk.exceptions import AirflowSkipException

from ingest import api, catalog, errors
from ingest.model.account import Account
from ingest.model.contract import Contract
from lakepost_airflow import tasks
from lakepost_airflow.ingest_dag import ingest_dag, ingest_dags
from lakepost_timetable import RuntimePartitionedCron


@pytest.fixture
def contract(schemas: Path) -> Contract:
    return catalog.load(schemas, "orders")


@pytest.fixture
def dag(contract: Contract, schemas: Path) -> DAG:
    return ingest_dag(contract, schemas)


def test_every_folder_under_schemas_gets_its_dag(schemas: Path) -> None:
    text = (schemas / "orders" / "contract.odcs.yaml").read_text()
    (schemas / "returns").mkdir()
    (schemas / "returns" / "contract.odcs.yaml").write_text(text.replace("name: orders", "name: returns"))
    (schemas / "returns" / "suite.json").write_text(
        (schemas / "orders" / "suite.json").read_text().replace('"name": "orders"', '"name": "returns"')
    )
    dags = ingest_dags(schemas)
    assert list(dags) == ["ingest__orders", "ingest__returns"]
    assert set(dags["ingest__returns"].task_dict) == {"land", "curate"}


def test_land_comes_before_curate_and_only_curate_publishes_the_asset(dag: DAG) -> None:
    land, curate = dag.get_task("land"), dag.get_task("curate")
    assert land.downstream_task_ids == {"curate"}
    assert (land.outlets, [asset.name for asset in curate.outlets]) == ([], ["curated/orders"])


def test_a_run_follows_the_contracts_cron_one_at_a_time_without_catching_up(dag: DAG, contract: Contract) -> None:
    assert isinstance(dag.timetable, RuntimePartitionedCron)
    assert dag.timetable.partitioned_at_runtime
    assert dag.timetable.serialize()["expression"] == contract.schedule
    assert (dag.max_active_runs, dag.catchup) == (1, False)


def test_a_contract_without_schedule_runs_only_when_triggered(contract: Contract, schemas: Path) -> None:
    dag = ingest_dag(dataclasses.replace(contract, schedule=None), schemas)
    assert isinstance(dag.timetable, PartitionedAtRuntime)


def test_a_schedule_that_is_no_cron_expression_is_an_error_of_the_contract(contract: Contract, schemas: Path) -> None:
    with pytest.raises(errors.ContractError, match="'every noon' is no cron expression"):
        ingest_dag(dataclasses.replace(contract, schedule="every noon"), schemas)


_TRANSIENT = [errors.SourceUnavailable("away"), errors.LakeUnavailable("full"), errors.CommitFailed("late")]
_TERMINAL = [
    errors.ContractError("wrong"),
    errors.ConfigurationError("wrong"),
    errors.TopologyError("wrong"),
    errors.SchemaMismatch("wrong"),
    errors.AccountBroken("wrong"),
    errors.GateClosed("shut", pending=1, expectations={}),
]


@pytest.mark.parametrize("task_id", ["land", "curate"])
@pytest.mark.parametrize(
    ("error", "action"),
    [(error, RetryAction.RETRY) for error in _TRANSIENT]
    + [(error, RetryAction.FAIL) for error in _TERMINAL]
    + [(RuntimeError("a defect"), RetryAction.DEFAULT)],
)
def test_the_class_of_an_error_decides_whether_a_task_tries_again(
    dag: DAG, task_id: str, error: Exception, action: RetryAction
) -> None:
    policy = dag.get_task(task_id).retry_policy
    assert policy is not None
    assert policy.evaluate(error, try_number=1, max_tries=3).action is action


def test_a_task_has_three_retries_ever_later_and_a_time_limit(dag: DAG) -> None:
    for task in dag.tasks:
        assert task.retries == 3  # the policy is never asked about a killed worker
        assert task.retry_delay == dt.timedelta(seconds=30)
        assert task.retry_exponential_backoff == 2
        assert task.execution_timeout is not None


def test_a_broken_contract_takes_no_other_dataset_away(schemas: Path) -> None:
    (schemas / "broken").mkdir()
    (schemas / "broken" / "contract.odcs.yaml").write_text("kind: nothing of the sort\n")
    (schemas / "broken" / "suite.json").write_text("{}")
    dags = ingest_dags(schemas)
    assert set(dags["ingest__orders"].task_dict) == {"land", "curate"}
    assert set(dags["ingest__broken"].task_dict) == {"contract"}


def test_the_dag_of_a_broken_contract_says_what_is_wrong_and_fails_on_schedule(schemas: Path) -> None:
    contract = schemas / "orders" / "contract.odcs.yaml"
    contract.write_text(contract.read_text().replace("physicalName", "fysicalName").replace("schedule", "shedule"))
    with pytest.raises(errors.ContractError) as expected:
        catalog.load(schemas, "orders")
    dag = ingest_dags(schemas)["ingest__orders"]
    assert str(expected.value) in str(dag.doc_md)
    assert isinstance(dag.timetable, RuntimePartitionedCron)  # it would fall silent without one
    with pytest.raises(errors.ContractError) as shown:
        dag.get_task("contract").python_callable()  # type: ignore[union-attr]
    assert str(shown.value) == str(expected.value)


def test_a_folder_whose_name_airflow_refuses_still_gets_a_dag(schemas: Path) -> None:
    (schemas / "new orders!").mkdir()
    assert set(ingest_dags(schemas)) == {"ingest__new_orders_", "ingest__orders"}


def test_the_page_of_a_dataset_tells_what_its_contract_says(dag: DAG, contract: Contract) -> None:
    page = str(dag.doc_md)
    for column in contract.columns:
        assert f"| `{column.name}` | {column.type}" in page
        assert column.description.replace("|", r"\|") in page
    assert "| `total` | decimal(12, 2) | yes |" in page
    assert "| `items[].unit_price` | decimal(10, 2) |" in page
    for expectation in contract.expectations:
        assert f"`{expectation.type}(column={expectation.column!r}" in page
    source = contract.queues[0]
    for said in (contract.owner, source.queue, source.exchange, "5.0%", "1,000", "lakepost sql"):
        assert said in page
    assert {"lakepost", *contract.tags} <= set(dag.tags)
    assert dag.get_task("land").owner == contract.owner


@pytest.mark.parametrize(
    ("mode", "says"),
    [("AllVersionsAndDeletes", "Every change is a row"), ("LatestVersion", "cannot tell: that an item was deleted")],
)
def test_the_page_of_a_container_tells_what_its_feed_cannot(schemas: Path, mode: str, says: str) -> None:
    shipped = Path(__file__).parents[2] / "schemas" / "customers"
    shutil.copytree(shipped, schemas / "customers")
    contract = schemas / "customers" / catalog.CONTRACT_FILE
    contract.write_text(contract.read_text().replace("[/id]\n", f"[/id]\n          mode: {mode}\n"))
    page = str(ingest_dags(schemas)["ingest__customers"].doc_md)
    for said in ("`shop/customers`", "`/id`", f"`{mode}`", says, "`expired`", "customers_changes"):
        assert said in page


def test_a_description_cannot_end_its_cell_of_the_table(contract: Contract, schemas: Path) -> None:
    column = dataclasses.replace(contract.columns[0], description="either | or\nthe other")
    page = str(ingest_dag(dataclasses.replace(contract, columns=(column,)), schemas).doc_md)
    assert r"either \| or the other |" in page


def test_accept_is_off_and_max_messages_is_empty_unless_a_run_says_otherwise(dag: DAG) -> None:
    assert dag.params.dump() == {"accept": False, "max_messages": None}
    with pytest.raises(ValueError, match="less than the minimum"):
        dag.params.get_param("max_messages").resolve(0)


class _Run:
    """What a task body sees of Airflow and of `ingest.api`."""

    def __init__(self, account: Account, published: int | None = None, **params: Any) -> None:
        self.unpublished: dict[int, list[str]] = {5: list(account.partitions)} if account.partitions else {}
        asset = tasks.curated_asset("orders")
        self.account, self.calls, self.pushed, self.partitions = account, [], {}, []  # type: ignore[var-annotated]
        event = SimpleNamespace(add_partitions=self.partitions.extend, extra=None)
        self.event = event
        self.context = {
            "params": {"accept": False, "max_messages": None} | params,
            "ti": SimpleNamespace(xcom_push=lambda key, value: self.pushed.update({key: value})),
            "inlet_events": {
                asset: [] if published is None else [SimpleNamespace(extra={"curated_version": published})]
            },
            "outlet_events": {asset: event},
        }

    def since(self, _settings: object, _dataset: str, version: int) -> tuple[list[str], int]:
        newer = {number: dates for number, dates in self.unpublished.items() if number > version}
        return sorted({date for dates in newer.values() for date in dates}), max(newer, default=version)

    def step(self, settings: object, dataset: str, **options: Any) -> Account:
        self.calls.append((settings, dataset, options))
        return self.account


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Any:
    def begin(account: Account, published: int | None = None, **params: Any) -> _Run:
        run = _Run(account, published, **params)
        monkeypatch.setattr(tasks, "get_current_context", lambda: run.context)
        monkeypatch.setattr(tasks, "task_settings", lambda schemas_dir: ("settings", schemas_dir))
        monkeypatch.setattr(api, "land", run.step)
        monkeypatch.setattr(api, "curate", run.step)
        monkeypatch.setattr(api, "partitions_since", run.since)
        return run

    return begin


def test_land_takes_as_many_messages_as_the_run_says_and_returns_its_account(begin: Any) -> None:
    run = begin(Account("orders", landed=7), max_messages=7)
    assert tasks.land("orders", "/schemas")["landed"] == 7
    assert run.calls == [(("settings", Path("/schemas")), "orders", {"max_messages": 7})]


def test_curate_publishes_the_dates_it_touched_as_partitions(begin: Any) -> None:
    run = begin(Account("orders", curated=5, curated_version=3, partitions=("2026-11-20", "2026-11-21")), accept=True)
    assert tasks.curate("orders", "/schemas")["curated"] == 5
    assert run.calls == [(("settings", Path("/schemas")), "orders", {"accept": True})]
    assert run.partitions == ["2026-11-20", "2026-11-21"]
    assert run.event.extra == {"curated_version": 5, "curated": 5, "quarantined": 0, "duplicates": 0}


def test_curate_publishes_what_a_run_that_was_killed_after_its_commit_did_not(begin: Any) -> None:
    run = begin(Account("orders", partitions=("2026-11-21",)), published=3)
    run.unpublished |= {3: ["2026-11-01"], 4: ["2026-11-20"]}
    tasks.curate("orders", "/schemas")
    assert run.partitions == ["2026-11-20", "2026-11-21"]


def test_a_curate_that_finds_nothing_new_is_skipped_and_keeps_its_account(begin: Any) -> None:
    run = begin(Account("orders", pending=0, curated_version=3))
    with pytest.raises(AirflowSkipException):
        tasks.curate("orders", "/schemas")
    assert run.partitions == []
    assert run.pushed["return_value"]["curated_version"] == 3

"""The real Airflow scheduler runs `ingest__orders` and `ingest__customers` on real parts and a real lake."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from azure.cosmos import ContainerProxy, PartitionKey
from deltalake import DeltaTable

from airflow_api import named
from airflow_local import Airflow
from broker import Broker
from cosmos import Local
from ingest import api
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Delivery
from ingest.settings import Settings, load_settings
from stack import airflow_connections
from tests.dags.customers import customers_of
from tests.dags.orders import orders_of_its_own
from tests.infra.cosmos_client import fresh, names

DAG_ID, CUSTOMERS = "ingest__orders", "ingest__customers"
ROWS, REJECTED = 1_200, 240
DAYS = ("2026-11-20", "2026-11-21")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lake, schemas and Airflow of this module's tests."""
    home = tmp_path_factory.mktemp("scheduler")
    shutil.copytree(Path(__file__).parents[2] / "schemas" / "orders", home / "schemas" / "orders")
    return home


@pytest.fixture(scope="module")
def orders(home: Path) -> QueueBinding:
    return orders_of_its_own(home / "schemas")


@pytest.fixture(scope="module")
def customers(home: Path, cosmos_account: Local) -> Iterator[ContainerProxy]:
    """The container of the dataset, which is read by two feed ranges."""
    with fresh(cosmos_account, partition_key=PartitionKey("/id")) as container:
        database, name = names(container)
        customers_of(home / "schemas", database=database, container=name, feedRanges=2)
        yield container


@pytest.fixture(scope="module")
def settings(home: Path, broker: Broker, cosmos_account: Local) -> Settings:
    """The same parts as those of the DAGs."""
    return load_settings(
        lake_url=(home / "lake").as_uri(),
        rabbitmq_url=broker.url,
        cosmos_endpoint=cosmos_account.endpoint,
        cosmos_key=cosmos_account.key,
        schemas_dir=home / "schemas",
        _env_file=None,
    )


@pytest.fixture(scope="module")
def airflow(
    home: Path, orders: QueueBinding, customers: ContainerProxy, broker: Broker, cosmos_account: Local
) -> Iterator[Airflow]:
    told = airflow_connections(broker.url, home / "lake", cosmos_account)
    told["LAKEPOST_SCHEMAS_DIR"] = str(home / "schemas")
    with Airflow(home / "airflow", dags=Path(__file__).parents[2] / "dags", env=told, tied=True) as airflow:
        yield airflow


def _orders(count: int, rejected: int) -> Iterator[Delivery]:
    """`count` orders over two days, of which `rejected` have a total that the suite refuses."""
    for number in range(count):
        day = DAYS[number % 2]
        body = {
            "order_id": f"o-{number:08d}",
            "customer_id": f"c-{number % 100:06d}",
            "status": "placed",
            "occurred_at": f"{day}T12:00:00.1234567+00:00",
            "currency": "EUR",
            "total": -5.00 if number < rejected else 12.50,
            "item_count": 2,
            "promised_on": "2026-11-24",
        }
        yield Delivery(
            body=json.dumps(body).encode(),
            source="",
            routing_key="order.placed",
            content_type="application/json",
            message_id=str(uuid.uuid4()),
            type="order.placed",
            timestamp=dt.datetime.fromisoformat(f"{day}T12:00:00+00:00"),
        )


def _rows(home: Path, stage: str, dataset: str = "orders") -> int:
    return int(DeltaTable(str(home / "lake" / stage / dataset)).count())


def _tries(airflow: Airflow, run: str, dag: str = DAG_ID) -> dict[str, tuple[str, int]]:
    return {named(task): (task["state"], task["try_number"]) for task in airflow.task_instances(dag, run)}


def test_a_closed_gate_fails_the_run_at_once_and_accepting_publishes_what_is_valid(
    airflow: Airflow,
    broker: Broker,
    orders: QueueBinding,
    publish: Callable[[QueueBinding, Sequence[Delivery]], None],
    settings: Settings,
    home: Path,
) -> None:
    publish(orders, list(_orders(ROWS, REJECTED)))
    airflow.unpause(DAG_ID)

    closed = airflow.trigger(DAG_ID)
    assert airflow.wait(DAG_ID, closed, 180) == "failed"
    assert _tries(airflow, closed) == {"land": ("success", 1), "curate": ("failed", 1)}
    log = airflow.task_log(DAG_ID, closed, "curate")
    for said in (
        "GateClosed",
        "expect_column_values_to_be_between(total)",
        f"{ROWS} rows are pending",
        "accept = true",
        "/_lakepost/reports/orders/",
    ):
        assert said in log
    assert airflow.asset_events(DAG_ID, closed) == []
    assert (_rows(home, "raw"), _rows(home, "curated")) == (ROWS, 0)

    accepted = airflow.trigger(DAG_ID, conf={"accept": True})
    assert airflow.wait(DAG_ID, accepted, 180) == "success"
    account = airflow.xcom(DAG_ID, accepted, "curate")
    assert (account["curated"], account["quarantined"], account["pending"]) == (ROWS - REJECTED, REJECTED, 0)
    assert (_rows(home, "raw"), _rows(home, "curated")) == (ROWS, ROWS - REJECTED)
    assert _rows(home, "quarantine") == REJECTED
    events = airflow.asset_events(DAG_ID, accepted)
    assert sorted((event["name"], event["partition_key"]) for event in events) == [
        ("curated/orders", day) for day in DAYS
    ]

    nothing = airflow.trigger(DAG_ID)
    assert airflow.wait(DAG_ID, nothing, 180) == "success"
    assert _tries(airflow, nothing) == {"land": ("success", 1), "curate": ("skipped", 1)}
    assert airflow.xcom(DAG_ID, nothing, "land")["landed"] == 0
    assert airflow.asset_events(DAG_ID, nothing) == []

    publish(orders, list(_orders(2, 0)))
    api.ingest(settings, "orders")  # as if a run had been killed between its commit and its end
    late = airflow.trigger(DAG_ID)
    assert airflow.wait(DAG_ID, late, 180) == "success"
    assert sorted(event["partition_key"] for event in airflow.asset_events(DAG_ID, late)) == list(DAYS)

    password = broker.url.split(":")[2].split("@")[0]
    told = [airflow.task_log(DAG_ID, run, task) for run in (closed, accepted) for task in ("land", "curate")]
    told += [json.dumps(airflow.task_instances(DAG_ID, run)) for run in (closed, accepted)]
    told += [json.dumps(airflow.xcom(DAG_ID, accepted, task)) for task in ("land", "curate")]
    assert not [text for text in told if password in text]


def test_feed_ranges_are_landed_by_tasks_of_their_own_and_published_together(
    airflow: Airflow, customers: ContainerProxy, cosmos_account: Local, settings: Settings, home: Path
) -> None:
    def add(first: int, count: int) -> None:
        for number in range(first, first + count):
            customers.create_item({"id": f"c-{number:06d}", "city": "Köln"})

    add(0, 20)
    assert api.ingest(settings, "customers").curated == 20
    add(20, 20)
    airflow.unpause(CUSTOMERS)
    low, high = api.feed_ranges(settings, "customers")
    newest = max((home / "lake").glob(f"_lakepost/feeds/customers/**/*{high}*/*"))
    token = newest.read_bytes()
    newest.write_bytes(token.replace(b'"container_rid":"', b'"container_rid":"other-'))

    failed = airflow.trigger(CUSTOMERS)
    assert airflow.wait(CUSTOMERS, failed, 180) == "failed"
    assert _tries(airflow, failed, CUSTOMERS) == {
        "feed_ranges": ("success", 1),
        "land[0]": ("success", 1),
        "land[1]": ("failed", 1),  # trying again changes nothing
        "curate": ("upstream_failed", 0),
    }
    assert "SourceReplaced" in airflow.task_log(CUSTOMERS, failed, "land", map_index=1)
    landed = airflow.xcom(CUSTOMERS, failed, "land", map_index=0)["landed"]
    assert 0 < landed < 20
    assert (_rows(home, "raw", "customers"), _rows(home, "curated", "customers_changes")) == (20 + landed, 20)
    told = {one["rendered_map_index"] for one in airflow.task_instances(CUSTOMERS, failed) if one["task_id"] == "land"}
    assert told == {low, high}

    newest.write_bytes(token)
    mended = airflow.trigger(CUSTOMERS)
    assert airflow.wait(CUSTOMERS, mended, 180) == "success"
    assert airflow.xcom(CUSTOMERS, mended, "land", map_index=0)["landed"] == 0
    assert airflow.xcom(CUSTOMERS, mended, "land", map_index=1)["landed"] == 20 - landed
    account = airflow.xcom(CUSTOMERS, mended, "curate")
    assert (account["curated"], account["duplicates"], account["pending"]) == (20, 0, 0)
    assert (_rows(home, "raw", "customers"), _rows(home, "curated", "customers_changes")) == (40, 40)
    published = [airflow.asset_events(CUSTOMERS, run) for run in (failed, mended)]
    assert (published[0], {event["name"] for event in published[1]}) == ([], {"curated/customers"})

    logs = [airflow.task_log(CUSTOMERS, mended, "land", map_index=at) for at in (0, 1)]
    logs += [airflow.log_file.read_text(), json.dumps(airflow.task_instances(CUSTOMERS, mended))]
    assert not [text for text in logs if cosmos_account.key in text]

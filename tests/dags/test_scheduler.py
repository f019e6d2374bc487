"""The real Airflow scheduler runs `ingest__orders` on a real broker and a real lake."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from deltalake import DeltaTable

from airflow_local import Airflow
from broker import Broker
from ingest import api
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Delivery
from ingest.settings import load_settings
from stack import airflow_connections
from tests.dags.orders import orders_of_its_own

DAG_ID = "ingest__orders"
ROWS, REJECTED = 1_200, 240
DAYS = ("2026-11-20", "2026-11-21")


@pytest.fixture
def orders(schemas: Path) -> QueueBinding:
    return orders_of_its_own(schemas)


@pytest.fixture
def airflow(
    tmp_path: Path, dags_folder: Path, schemas: Path, orders: QueueBinding, broker: Broker
) -> Iterator[Airflow]:
    told = airflow_connections(broker.url, tmp_path / "lake") | {"LAKEPOST_SCHEMAS_DIR": str(schemas)}
    with Airflow(tmp_path / "airflow", dags=dags_folder, env=told, tied=True) as airflow:
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


def _rows(tmp_path: Path, stage: str) -> int:
    return int(DeltaTable(str(tmp_path / "lake" / stage / "orders")).count())


def _tries(airflow: Airflow, run: str) -> dict[str, tuple[str, int]]:
    return {task["task_id"]: (task["state"], task["try_number"]) for task in airflow.task_instances(DAG_ID, run)}


def test_a_closed_gate_fails_the_run_at_once_and_accepting_publishes_what_is_valid(
    airflow: Airflow,
    broker: Broker,
    orders: QueueBinding,
    publish: Callable[[QueueBinding, Sequence[Delivery]], None],
    schemas: Path,
    tmp_path: Path,
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
    assert (_rows(tmp_path, "raw"), _rows(tmp_path, "curated")) == (ROWS, 0)

    accepted = airflow.trigger(DAG_ID, conf={"accept": True})
    assert airflow.wait(DAG_ID, accepted, 180) == "success"
    account = airflow.xcom(DAG_ID, accepted, "curate")
    assert (account["curated"], account["quarantined"], account["pending"]) == (ROWS - REJECTED, REJECTED, 0)
    assert (_rows(tmp_path, "raw"), _rows(tmp_path, "curated")) == (ROWS, ROWS - REJECTED)
    assert _rows(tmp_path, "quarantine") == REJECTED
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
    settings = load_settings(
        lake_url=(tmp_path / "lake").as_uri(), rabbitmq_url=broker.url, schemas_dir=schemas, _env_file=None
    )
    api.ingest(settings, "orders")  # as if a run had been killed between its commit and its end
    late = airflow.trigger(DAG_ID)
    assert airflow.wait(DAG_ID, late, 180) == "success"
    assert sorted(event["partition_key"] for event in airflow.asset_events(DAG_ID, late)) == list(DAYS)

    password = broker.url.split(":")[2].split("@")[0]
    told = [airflow.task_log(DAG_ID, run, task) for run in (closed, accepted) for task in ("land", "curate")]
    told += [json.dumps(airflow.task_instances(DAG_ID, run)) for run in (closed, accepted)]
    told += [json.dumps(airflow.xcom(DAG_ID, accepted, task)) for task in ("land", "curate")]
    assert not [text for text in told if password in text]

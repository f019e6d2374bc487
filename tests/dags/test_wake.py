"""A message wakes `ingest__orders` long before its schedule, by way of the real triggerer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_local import Airflow
from broker import Broker
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Delivery
from stack import airflow_connections
from tests.conftest import Publish
from tests.dags.orders import orders_of_its_own

DAG_ID = "ingest__orders"


@pytest.fixture
def orders(schemas: Path) -> QueueBinding:
    return orders_of_its_own(schemas, wakes=True)


@pytest.fixture
def airflow(
    tmp_path: Path, dags_folder: Path, schemas: Path, orders: QueueBinding, broker: Broker
) -> Iterator[Airflow]:
    told = airflow_connections(broker.url, tmp_path / "lake") | {"LAKEPOST_SCHEMAS_DIR": str(schemas)}
    with Airflow(tmp_path / "airflow", dags=dags_folder, env=told, tied=True, triggerer=True) as airflow:
        yield airflow


def test_a_message_wakes_the_dag_and_its_rows_are_published(
    airflow: Airflow, broker: Broker, orders: QueueBinding, publish: Publish
) -> None:
    publish(orders, [])  # the queue is there
    airflow.unpause(DAG_ID)
    sample = Path(__file__).parents[2] / "schemas" / "orders" / "samples" / "valid" / "placed.json"
    body = json.loads(sample.read_text())["delivery"]["body"].encode()
    publish(orders, [Delivery(body, "", "order.placed", message_id="wake-1", type="order.placed")])
    run = airflow.wait_for_run(DAG_ID, "asset_triggered", 180)
    assert airflow.wait(DAG_ID, run, 180) == "success"
    assert airflow.xcom(DAG_ID, run, "curate")["curated"] == 1
    assert [event["name"] for event in airflow.asset_events(DAG_ID, run)] == ["curated/orders"]
    assert [one["run_type"] for one in airflow.runs(DAG_ID)] == ["asset_triggered"]
    assert broker.password not in airflow.log_file.read_text()

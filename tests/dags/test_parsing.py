"""Parsing the DAG folder, as the DAG processor does it, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_PARSE = """
import json, sys, time
from pathlib import Path
import airflow.settings
airflow.settings.initialize()
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization
import airflow.sdk, airflow.plugins_manager, airflow.timetables.trigger
from airflow.sdk import DAG, Asset, Connection, ExceptionRetryPolicy, Param, PartitionedAtRuntime, task
airflow.plugins_manager.ensure_plugins_loaded()
folder = Path(sys.argv[1])
begun = time.process_time()
bag = BundleDagBag(str(folder), bundle_path=folder, bundle_name="dags", collect_dags=True)
seconds = time.process_time() - begun
dags = {name: DagSerialization.to_dict(dag) for name, dag in bag.dags.items()}
back = {name: type(DagSerialization.from_dict(dag).timetable).__name__ for name, dag in dags.items()}
files = set(bag.file_last_changed)
print(json.dumps({"errors": bag.import_errors, "dags": back, "files": sorted(files), "seconds": seconds,
                  "modules": sorted(sys.modules), "serialised": json.dumps(dags)}))
"""
_HEAVY = {"pyarrow", "great_expectations", "deltalake", "aio_pika", "aiormq", "pandas", "duckdb", "ingest.api"}


def _parse(folder: Path, **environment: str) -> dict[str, Any]:
    inherited = dict(os.environ) | environment
    done = subprocess.run(
        [sys.executable, "-c", _PARSE, str(folder)],
        env=inherited,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def parsed() -> dict[str, Any]:
    return _parse(Path(__file__).resolve().parents[2] / "dags")


def test_the_folder_parses_without_errors_and_only_dag_files_are_parsed(
    parsed: dict[str, Any], dags_folder: Path
) -> None:
    assert parsed["errors"] == {}
    for dataset in ("customers", "deliveries", "orders", "stock"):
        assert {f"{verb}__{dataset}" for verb in ("ingest", "rebuild", "replay")} <= set(parsed["dags"])
    assert parsed["files"] == [str(dags_folder / "ingest_datasets.py")]


def test_the_timetable_survives_the_scheduler_s_database(parsed: dict[str, Any]) -> None:
    assert parsed["dags"]["ingest__orders"] == "RuntimePartitionedCron"
    assert parsed["dags"]["rebuild__orders"] == "CronPartitionTimetable"


def test_parsing_imports_no_columnar_library_no_validator_and_no_broker_client(parsed: dict[str, Any]) -> None:
    assert _HEAVY.isdisjoint(parsed["modules"])


def test_parsing_costs_less_than_a_second_of_processor_time(parsed: dict[str, Any]) -> None:
    assert parsed["seconds"] < 1.0


def test_what_a_dag_holds_in_the_database_has_no_secret(dags_folder: Path) -> None:
    secret = "do-not-tell"
    connection = json.dumps({"conn_type": "amqp", "host": "broker", "password": secret})
    parsed = _parse(
        dags_folder, AIRFLOW_CONN_LAKEPOST_RABBITMQ=connection, LAKEPOST_RABBITMQ_URL=f"amqp://me:{secret}@broker/"
    )
    assert parsed["errors"] == {}
    assert secret not in parsed["serialised"]


def test_a_dataset_that_wakes_survives_the_database_too_and_costs_no_broker_client(
    dags_folder: Path, schemas: Path
) -> None:
    contract = schemas / "orders" / "contract.odcs.yaml"
    wakes = "  - property: wakeOnMessages\n    value: true\n  - property: schedule\n"
    contract.write_text(contract.read_text().replace("  - property: schedule\n", wakes))
    parsed = _parse(dags_folder, LAKEPOST_SCHEMAS_DIR=str(schemas))
    assert parsed["errors"] == {}
    assert parsed["dags"]["ingest__orders"] == "RuntimePartitionedAssetOrCron"
    assert "lakepost_trigger.MessagesWaiting" in parsed["serialised"]
    assert _HEAVY.isdisjoint(parsed["modules"])


def test_the_schemas_folder_can_be_named_by_the_environment(dags_folder: Path, schemas: Path) -> None:
    (schemas / "broken").mkdir()
    parsed = _parse(dags_folder, LAKEPOST_SCHEMAS_DIR=str(schemas))
    mine = {"ingest__orders", "rebuild__orders", "replay__orders"}
    assert set(parsed["dags"]) == {"ingest__broken", "maintain__lake"} | mine

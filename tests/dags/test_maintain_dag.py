"""`maintain__lake`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.model.upkeep import TASK_TIMEOUTS
from ingest.settings import Settings
from lakepost_airflow import tasks
from lakepost_airflow.maintain_dag import maintain_dag


def test_every_dataset_is_compacted_then_vacuumed_one_run_at_a_time(schemas: Path) -> None:
    dag = maintain_dag(schemas)
    assert dag.dag_id == "maintain__lake"
    assert dag.get_task("compact").downstream_task_ids == {"vacuum"}
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    for name in ("compact", "vacuum"):
        assert dag.get_task(name).partial_kwargs["execution_timeout"] == TASK_TIMEOUTS[name]  # type: ignore[union-attr]


def test_a_dataset_without_tables_has_nothing_to_maintain(
    schemas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(lake_url=(tmp_path / "lake").as_uri(), schemas_dir=schemas)
    monkeypatch.setattr(tasks, "task_settings", lambda _: settings)
    tasks.compact("orders", str(schemas))
    tasks.vacuum("orders", str(schemas))
    assert not (tmp_path / "lake").exists()

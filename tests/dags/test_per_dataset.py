"""DAGs made from the catalogue, one per dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lakepost_airflow.per_dataset import per_dataset
from lakepost_airflow.rebuild_dag import rebuild_dag
from lakepost_airflow.replay_dag import replay_dag


@pytest.mark.parametrize(("build", "name"), [(replay_dag, "replay__orders"), (rebuild_dag, "rebuild__orders")])
def test_a_broken_contract_takes_no_other_dataset_away(schemas: Path, build: Any, name: str) -> None:
    (schemas / "broken").mkdir()
    assert set(per_dataset(schemas, build)) == {name}

"""Airflow in the test process: a home of its own, and the import path that its components have."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DAGS = ROOT / "dags"
_HOME = Path(tempfile.mkdtemp(prefix="lakepost-airflow-"))

# Before the first import of Airflow, which reads them then and would write its home into the user's.
os.environ.update(
    AIRFLOW_HOME=str(_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(DAGS),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(DAGS / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
)
sys.path += [str(DAGS), str(DAGS / "plugins")]


def pytest_unconfigure() -> None:
    """Leave no Airflow home behind."""
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture
def dags_folder() -> Path:
    """The DAG folder that ships."""
    return DAGS


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """A folder with a copy of the shipped `orders`, to break."""
    shutil.copytree(ROOT / "schemas" / "orders", tmp_path / "schemas" / "orders")
    return tmp_path / "schemas"

"""One DAG of a kind for every dataset of the catalogue whose contract can be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException

from ingest import catalog
from ingest.errors import ContractError
from ingest.model.contract import Contract

__all__ = ["per_dataset"]


def per_dataset(schemas_dir: Path, build: Callable[[Contract, Path], DAG]) -> dict[str, DAG]:
    """What `build` makes of each dataset under `schemas_dir`, by DAG id.

    None where the contract is broken, or Airflow refuses a value of it: `ingest__<dataset>` tells that.
    """
    dags: dict[str, DAG] = {}
    for dataset in catalog.names(schemas_dir):
        try:
            dag = build(catalog.load(schemas_dir, dataset), schemas_dir)
        except (ContractError, AirflowException, ValueError, TypeError):
            continue
        dags[dag.dag_id] = dag
    return dags

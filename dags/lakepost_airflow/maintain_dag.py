"""`maintain__lake`: compact, then vacuum, for every dataset of the catalogue."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, task

from ingest import catalog
from ingest.model.upkeep import TASK_TIMEOUTS
from lakepost_airflow import tasks
from lakepost_airflow.retries import RETRIES

__all__ = ["maintain_dag"]

_DOC = """Small files become few, then replaced and orphaned files older than the longest task go. A commit costs more
the more files and log entries there are: hourly suits some thousand windows a day. It may run
beside land and curate."""


def maintain_dag(schemas_dir: Path) -> DAG:
    """One mapped task per verb, one instance per dataset."""
    with DAG(
        dag_id="maintain__lake",
        description="compact and vacuum every dataset",
        doc_md=_DOC,
        schedule="30 * * * *",
        catchup=False,
        max_active_runs=1,
        tags=["lakepost", "maintain"],
        default_args={"owner": "lakepost"},
    ) as dag:
        names = catalog.names(schemas_dir)
        compact = task(execution_timeout=TASK_TIMEOUTS["compact"], **RETRIES)(tasks.compact)
        vacuum = task(execution_timeout=TASK_TIMEOUTS["vacuum"], trigger_rule="all_done", **RETRIES)(tasks.vacuum)
        compacted = compact.partial(schemas_dir=str(schemas_dir)).expand(dataset=names)
        compacted >> vacuum.partial(schemas_dir=str(schemas_dir)).expand(dataset=names)
    return dag

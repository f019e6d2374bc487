"""`replay__<dataset>`: quarantined rows once more, started by hand after the contract or the code was mended."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, Param, PartitionedAtRuntime, task

from ingest.model.contract import Contract
from ingest.model.upkeep import TASK_TIMEOUTS
from lakepost_airflow import tasks
from lakepost_airflow.retries import RETRIES

__all__ = ["replay_dag"]


def replay_dag(contract: Contract, schemas_dir: Path) -> DAG:
    """The DAG of one dataset. It has no schedule."""
    with DAG(
        dag_id=f"replay__{contract.dataset}",
        description=f"Judge the quarantined rows of {contract.dataset} again.",
        doc_md=_document(contract),
        schedule=PartitionedAtRuntime(),
        catchup=False,
        max_active_runs=1,
        tags=sorted({"lakepost", "replay", *contract.tags}),
        default_args={"owner": contract.owner or "lakepost"},
        params={
            "dry_run": Param(
                default=False,
                type="boolean",
                title="Dry run",
                description="Say in the task's result what would happen, and change nothing.",
            )
        },
    ) as dag:
        asset = tasks.curated_asset(contract.dataset)
        replay = task(execution_timeout=TASK_TIMEOUTS["replay"], inlets=[asset], outlets=[asset], **RETRIES)(
            tasks.replay
        )
        replay(dataset=contract.dataset, schemas_dir=str(schemas_dir))
    return dag


def _document(contract: Contract) -> str:
    name = contract.dataset
    return "\n\n".join(
        [
            f"# Replay {name}",
            (
                "Trigger this after the contract, the suite or the code was mended so that rows in quarantine are valid"
                f" now. Every row in `quarantine/{name}` is judged again by the contract of today ({contract.version}"
                " when this page was made): what is valid moves to curated, exactly once; what curated has by its id"
                " leaves as a counted duplicate; the rest stays, with its reason of today. It has no schedule: nothing"
                " changes for rejected rows until somebody mends something."
            ),
            (
                "Look first: **dry_run** tells the counts in the task's result and changes nothing. A run that was"
                " interrupted is simply run again. The asset's partitions are the event dates touched."
            ),
            (
                f"```\nlakepost quarantine list {name}\nlakepost quarantine show {name} --limit 5\n"
                f"lakepost quarantine replay {name} --dry-run\n```"
            ),
        ]
    )

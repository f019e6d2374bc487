"""`rebuild__<dataset>`: one event date anew from raw per run, so that a range of dates is a backfill in the UI."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, CronPartitionTimetable, task

from ingest.model.contract import UNKNOWN_DATE, Contract
from ingest.model.upkeep import TASK_TIMEOUTS
from lakepost_airflow import tasks
from lakepost_airflow.retries import RETRIES

__all__ = ["rebuild_dag"]


def rebuild_dag(contract: Contract, schemas_dir: Path) -> DAG:
    """The DAG of one dataset: a run's partition key is the event date that it rebuilds.

    Airflow backfills only what has a schedule, so it has one: yesterday, at midnight UTC. It exists for the
    backfill, so it is paused until somebody unpauses it, whatever the installation's default is.
    """
    with DAG(
        dag_id=f"rebuild__{contract.dataset}",
        description=f"Event dates of {contract.dataset} anew from raw: backfill the dates that you want.",
        doc_md=_document(contract),
        schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
        catchup=False,
        is_paused_upon_creation=True,
        max_active_runs=1,
        tags=sorted({"lakepost", "rebuild", *contract.tags}),
        default_args={"owner": contract.owner or "lakepost"},
    ) as dag:
        asset = tasks.curated_asset(contract.dataset)
        rebuild = task(
            execution_timeout=TASK_TIMEOUTS["rebuild"],
            inlets=[asset],
            outlets=[asset],
            # A backfill's limit of runs is its own, 10 by default. Rebuilds of one dataset start over when another
            # one commits first, so they would only stand in each other's way.
            max_active_tis_per_dag=1,
            **RETRIES,
        )(tasks.rebuild)
        rebuild(dataset=contract.dataset, schemas_dir=str(schemas_dir))
    return dag


def _document(contract: Contract) -> str:
    name = contract.dataset
    return "\n\n".join(
        [
            f"# Rebuild {name}",
            (
                "After the contract, the suite or the code was mended: **unpause this DAG**, then backfill it over the"
                " event dates that you want (Trigger → Backfill). Each run takes one date, its partition key, and"
                f" computes that date's rows of `curated/{name}` and `quarantine/{name}` anew from raw, under the"
                f" contract of today ({contract.version} when this page was made). A backfill of a paused DAG stays"
                " queued. Dates that a run was made for before are taken again only when the backfill says so"
                " (reprocess behaviour: completed)."
            ),
            (
                "One date at a time, however many runs the backfill has active. While the DAG is unpaused it also"
                " rebuilds yesterday, once with the first backfill and then at each midnight UTC. That changes nothing"
                " where nothing was mended, and costs the reading of that day: pause it again after the backfill."
            ),
            (
                "A date without rows, and one in which nothing changes, is skipped and the run succeeds. A date whose"
                " raw rows were trimmed fails at once and stays as it is. Rows that curate has not read yet stay"
                f" pending. `{UNKNOWN_DATE}`, the rows without a readable time, is rebuilt by a run that is triggered"
                " with that partition key. The asset's partitions are the event dates touched."
            ),
            f"```\nlakepost rebuild {name} --from DATE --to DATE --dry-run\nlakepost status {name}\n```",
            f"See also [ingest__{name}](/dags/ingest__{name}), [replay__{name}](/dags/replay__{name}).",
        ]
    )

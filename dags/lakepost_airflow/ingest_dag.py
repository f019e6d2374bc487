"""`ingest__<dataset>` out of a dataset's contract: land, then curate, on the contract's schedule."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

from airflow.sdk import DAG, Asset, AssetWatcher, Param, PartitionedAtRuntime, task
from airflow.sdk.exceptions import AirflowException

from ingest import catalog
from ingest.errors import ContractError
from ingest.model.contract import Contract
from ingest.model.upkeep import TASK_TIMEOUTS
from lakepost_airflow import tasks
from lakepost_airflow.document import broken_document, contract_document
from lakepost_airflow.retries import RETRIES
from lakepost_timetable import RuntimePartitionedAssetOrCron, RuntimePartitionedCron
from lakepost_trigger import MessagesWaiting

__all__ = ["ingest_dag", "ingest_dags"]


def ingest_dags(schemas_dir: Path) -> dict[str, DAG]:
    """One DAG per dataset under `schemas_dir`, by DAG id.

    A broken contract costs no other dataset its DAG: its own one stays, says what is wrong, and fails.
    """
    dags = [_dag_or_broken(schemas_dir, dataset) for dataset in catalog.names(schemas_dir)]
    return {dag.dag_id: dag for dag in dags}


def ingest_dag(contract: Contract, schemas_dir: Path) -> DAG:
    """The DAG of one dataset.

    Raises:
        ContractError: the contract's schedule is no cron expression.
    """
    with DAG(
        dag_id=f"ingest__{contract.dataset}",
        description=_first_line(contract.description),
        doc_md=contract_document(contract),
        schedule=_timetable(contract),
        catchup=False,
        max_active_runs=1,
        tags=sorted({"lakepost", "ingest", *contract.tags}),
        default_args={"owner": contract.owner or "lakepost"},
        params=_params(),
    ) as dag:
        call = {"dataset": contract.dataset, "schemas_dir": str(schemas_dir)}
        asset = tasks.curated_asset(contract.dataset)
        land = task(execution_timeout=TASK_TIMEOUTS["land"], **RETRIES)(tasks.land)
        curate = task(execution_timeout=TASK_TIMEOUTS["curate"], inlets=[asset], outlets=[asset], **RETRIES)(
            tasks.curate
        )
        land(**call) >> curate(**call)
    return dag


def _dag_or_broken(schemas_dir: Path, dataset: str) -> DAG:
    try:
        return ingest_dag(catalog.load(schemas_dir, dataset), schemas_dir)
    except ContractError as error:
        return _broken_dag(dataset, error)
    except (AirflowException, ValueError, TypeError) as error:  # a value that Airflow itself refuses: an id, a tag
        return _broken_dag(dataset, ContractError(f"Airflow refuses schemas/{dataset}: {error}"))


def _broken_dag(dataset: str, error: ContractError) -> DAG:
    """A DAG in the dataset's place whose only task fails with the contract's error.

    It runs hourly: a dataset that was being ingested must not fall silent because its contract broke.
    """

    def contract() -> NoReturn:
        """Fail with what is wrong with the contract."""
        raise error

    with DAG(
        dag_id="ingest__" + re.sub(r"[^\w.-]", "_", dataset, flags=re.ASCII),
        description="broken contract",
        doc_md=broken_document(dataset, error),
        schedule=RuntimePartitionedCron("0 * * * *", timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        tags=["lakepost", "ingest", "broken contract"],
        params=_params(),
    ) as dag:
        task(contract)()
    return dag


def _timetable(
    contract: Contract,
) -> RuntimePartitionedCron | RuntimePartitionedAssetOrCron | PartitionedAtRuntime:
    if contract.schedule is None:
        return PartitionedAtRuntime()
    timetable = RuntimePartitionedCron(contract.schedule, timezone="UTC")
    try:
        timetable.validate()
    except AirflowException as error:
        raise ContractError(
            f"schemas/{contract.dataset}: the schedule {contract.schedule!r} is no cron expression: {error}",
            remedy="write five fields, for example `*/15 * * * *`",
        ) from error
    if not contract.wake_on_messages:
        return timetable
    asset: Any = _waiting_asset(contract)  # the timetable takes the SDK's asset too
    return RuntimePartitionedAssetOrCron(timetable=timetable, assets=[asset])


def _waiting_asset(contract: Contract) -> Asset:
    """What has an event when messages wait. It is not the curated asset: those who read that want rows."""
    trigger = MessagesWaiting(contract.dataset, [source.queue for source in contract.queues])
    return Asset(
        name=f"waiting/{contract.dataset}",
        uri=f"lakepost://waiting/{contract.dataset}",
        group="lakepost",
        watchers=[AssetWatcher(name=f"rabbitmq/{contract.dataset}", trigger=trigger)],
    )


def _params() -> dict[str, Param]:
    return {
        "accept": Param(
            default=False,
            type="boolean",
            title="Accept the rejects",
            description="Open a closed gate for this run: rejected rows go to quarantine, the others are published.",
        ),
        "max_messages": Param(
            default=None,
            type=["null", "integer"],
            minimum=1,
            title="At most so many messages",
            description="land takes no more than this; empty: all that wait at the start.",
        ),
    }


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]

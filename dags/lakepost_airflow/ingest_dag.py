"""`ingest__<dataset>` out of a dataset's contract: land, then curate, on the contract's schedule.

A container is landed by one task per feed range. curate waits for all of them: a run publishes the asset for all that
was there when it began, or not at all. Where a range fails, what the others landed stays in raw, pending, and the next
run's curate takes it; so nothing is lost, and nothing is published of which a part is missing.
"""

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

_RANGES_AT_ONCE = 8
"""Each is a process of some 300 MB, and all of them commit to one table."""


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
    call = {"dataset": contract.dataset, "schemas_dir": str(schemas_dir)}
    with DAG(
        dag_id=f"ingest__{contract.dataset}",
        description=_first_line(contract.description),
        doc_md=contract_document(contract),
        schedule=_timetable(contract),
        catchup=False,
        max_active_runs=1,
        tags=sorted({"lakepost", "ingest", *contract.tags}),
        default_args={"owner": contract.owner or "lakepost"},
        params=_params(contract),
    ) as dag:
        asset = tasks.curated_asset(contract.dataset)
        curate = task(execution_timeout=TASK_TIMEOUTS["curate"], inlets=[asset], outlets=[asset], **RETRIES)(
            tasks.curate
        )
        _land(contract, call) >> curate(**call)
    return dag


def _land(contract: Contract, call: dict[str, str]) -> Any:
    """The task that lands the dataset; mapped over the feed ranges where a container is read by several."""
    how: dict[str, Any] = {"execution_timeout": TASK_TIMEOUTS["land"], **RETRIES}
    if contract.container is None or contract.container.feed_ranges == 1:
        return task(**how)(tasks.land)(**call)
    ranges = task(execution_timeout=TASK_TIMEOUTS["feed_ranges"], **RETRIES)(tasks.feed_ranges)(**call)
    mapped = task(
        max_active_tis_per_dagrun=_RANGES_AT_ONCE,
        map_index_template="{{ task.op_kwargs['feed_range'] }}",
        **how,
    )(tasks.land)
    return mapped.partial(**call).expand(feed_range=ranges)


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
        params=_PARAMS,
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


def _params(contract: Contract) -> dict[str, Param]:
    return _PARAMS if contract.container is None else {"accept": _ACCEPT, "from_beginning": _FROM_BEGINNING}


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


_ACCEPT = Param(
    default=False,
    type="boolean",
    title="Accept the rejects",
    description="Open a closed gate for this run: rejected rows go to quarantine, the others are published.",
)
_MAX_MESSAGES = Param(
    default=None,
    type=["null", "integer"],
    minimum=1,
    title="At most so many messages",
    description="land takes no more than this; empty: all that wait at the start.",
)
_FROM_BEGINNING = Param(
    default=False,
    type="boolean",
    title="From the beginning",
    description="land takes a new snapshot of the container, whatever was landed of it before, and goes on from there.",
)
_PARAMS = {"accept": _ACCEPT, "max_messages": _MAX_MESSAGES}

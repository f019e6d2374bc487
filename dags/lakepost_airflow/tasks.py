"""The task bodies: each imports `ingest.api` when it runs, calls one verb and returns its account."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Asset, get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from ingest.errors import ConfigurationError
from lakepost_airflow.connections import task_settings

if TYPE_CHECKING:
    from ingest.settings import Settings

__all__ = ["compact", "curate", "curated_asset", "feed_ranges", "land", "rebuild", "replay", "vacuum"]


def curated_asset(dataset: str) -> Asset:
    """The Airflow asset of a dataset's curated table; its partitions are event dates, `YYYY-MM-DD`."""
    return Asset(name=f"curated/{dataset}", uri=f"lakepost://curated/{dataset}", group="lakepost")


def feed_ranges(dataset: str, schemas_dir: str) -> list[str]:
    """The names of the feed ranges that the dataset's container is read by, each of which is landed by a task."""
    from ingest import api  # noqa: PLC0415 - columnar libraries stay out of DAG parsing

    return api.feed_ranges(task_settings(Path(schemas_dir)), dataset)


def land(dataset: str, schemas_dir: str, feed_range: str | None = None) -> dict[str, Any]:
    """Source → raw, then acknowledge; of a container only the `feed_range` where one is given.

    Returns the account (XCom: counts and versions only).
    """
    from ingest import api  # noqa: PLC0415 - columnar libraries stay out of DAG parsing

    context, settings = get_current_context(), task_settings(Path(schemas_dir))
    params = context["params"]
    if "from_beginning" not in params:
        return api.land(settings, dataset, max_messages=params["max_messages"]).to_dict()
    # A task that is tried again goes on in the snapshot that it has begun.
    anew = params["from_beginning"] and (context["dag_run"].start_date or True)
    return api.land(settings, dataset, from_beginning=anew, feed_range=feed_range).to_dict()


def curate(dataset: str, schemas_dir: str) -> dict[str, Any]:
    """Raw → curated and quarantine, then publish the event dates touched as partitions of the asset.

    Published are the dates of every commit since the last event of the asset, not only this run's: a run that
    was killed after its commit, or stopped by a gate after its first batch, published nothing. A run with
    nothing to publish is skipped, its account kept: an event without a partition would say that something is
    new, and would start consumers that do not know partitions.
    """
    from ingest import api  # noqa: PLC0415 - columnar libraries stay out of DAG parsing

    context = get_current_context()
    settings = task_settings(Path(schemas_dir))
    account = api.curate(settings, dataset, accept=bool(context["params"]["accept"])).to_dict()
    _publish(settings, dataset, account)
    return account


def rebuild(dataset: str, schemas_dir: str) -> dict[str, Any]:
    """The run's event date anew from raw, then publish the event dates touched, as `curate` does.

    A date without rows, or one in which nothing changed, publishes nothing and is skipped, its account kept.
    """
    from ingest import api  # noqa: PLC0415 - columnar libraries stay out of DAG parsing

    date = _event_date(get_current_context()["dag_run"].partition_key)
    settings = task_settings(Path(schemas_dir))
    account = api.rebuild(settings, dataset, dates=(date, date)).account.to_dict()
    _publish(settings, dataset, account)
    return account


def replay(dataset: str, schemas_dir: str) -> dict[str, Any]:
    """Quarantine once more, then publish the event dates touched, as `curate` does and with what it left over.

    A dry run publishes nothing and is skipped, its account kept.
    """
    from ingest import api  # noqa: PLC0415 - columnar libraries stay out of DAG parsing

    context = get_current_context()
    settings = task_settings(Path(schemas_dir))
    dry_run = bool(context["params"]["dry_run"])
    account = api.replay(settings, dataset, dry_run=dry_run).to_dict()
    if dry_run:
        _skip(dataset, account)
    _publish(settings, dataset, account)
    return account


def compact(dataset: str, schemas_dir: str) -> None:
    """Small files of the dataset's tables become few."""
    from ingest import api  # noqa: PLC0415 - columnar libraries stay out of DAG parsing

    settings = task_settings(Path(schemas_dir))
    if api.begun(settings, dataset):
        api.compact(settings, dataset)


def vacuum(dataset: str, schemas_dir: str) -> None:
    """Remove the files of the dataset's tables that nobody needs any more."""
    from ingest import api  # noqa: PLC0415 - columnar libraries stay out of DAG parsing

    settings = task_settings(Path(schemas_dir))
    if api.begun(settings, dataset):
        api.vacuum(settings, dataset)


def _event_date(partition_key: str | None) -> dt.date:
    try:
        return dt.date.fromisoformat(partition_key or "")
    except ValueError as error:
        told = "no partition key" if not partition_key else f"the partition key {partition_key!r}"
        raise ConfigurationError(
            f"which event date? The run has {told}",
            remedy="backfill the DAG over the dates, or trigger it with a date as its partition key: YYYY-MM-DD",
        ) from error


def _publish(settings: Settings, dataset: str, account: dict[str, Any]) -> None:
    """Publish the event dates touched since the asset's last event of ours; without any, skip the task."""
    from ingest import api  # noqa: PLC0415 - columnar libraries stay out of DAG parsing

    context, asset = get_current_context(), curated_asset(dataset)
    partitions, version = api.partitions_since(settings, dataset, _published(context["inlet_events"][asset]))
    if not partitions:
        _skip(dataset, account)
    event = context["outlet_events"][asset]
    event.add_partitions(partitions)
    event.extra = {"curated_version": version} | {key: account[key] for key in ("curated", "quarantined", "duplicates")}


def _skip(dataset: str, account: dict[str, Any]) -> NoReturn:
    """End the task as skipped, its account kept."""
    get_current_context()["ti"].xcom_push(key="return_value", value=account)
    raise AirflowSkipException(f"nothing new to publish for {dataset}")


def _published(events: Any) -> int:
    """Curated's version that the asset's newest event of ours published; 0 when there is none.

    Others may be made by hand.
    """
    versions = (int(events[-place].extra.get("curated_version", 0)) for place in range(1, len(events) + 1))
    return next((version for version in versions if version), 0)

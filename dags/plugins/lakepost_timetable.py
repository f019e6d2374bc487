"""The plugin timetables: a cron cadence, alone or beside assets, whose runs learn their partitions while they work.

Airflow loads it from its plugins folder in every component and puts that folder on the import path,
so a DAG file imports it by its bare name.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.trigger import CronTriggerTimetable

__all__ = ["LakepostTimetables", "RuntimePartitionedAssetOrCron", "RuntimePartitionedCron"]


class RuntimePartitionedCron(CronTriggerTimetable):
    """Runs on a cron expression; the partitions are those that the run finds in its messages.

    Which event dates a run touches is known only once its messages are read: a late event belongs to
    an old date. So the task publishes them with `outlet_events[asset].add_partitions(…)`.
    """

    partitioned_at_runtime = True


class RuntimePartitionedAssetOrCron(AssetOrTimeSchedule):
    """Runs on a cron expression, and whenever an asset has an event."""

    partitioned_at_runtime = True


class LakepostTimetables(AirflowPlugin):
    """Registers the timetables: Airflow refuses to serialise one that no plugin names."""

    name = "lakepost_timetables"
    timetables = [RuntimePartitionedCron, RuntimePartitionedAssetOrCron]  # noqa: RUF012 - a plain list is what AirflowPlugin declares

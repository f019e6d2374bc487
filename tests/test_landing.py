"""The feed ranges of a container, each landed by a run of its own, as Airflow's mapped tasks do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from azure.cosmos import ContainerProxy, PartitionKey
from structlog.testing import capture_logs

from cosmos import Local
from ingest import api
from ingest.errors import ConfigurationError
from ingest.lake import DeltaLake, LocalStorage
from ingest.settings import Settings, load_settings
from tests.dags.customers import customers_of
from tests.infra.cosmos_client import fresh, names
from tests.reading import rows_of

ITEMS, RANGES = 200, 4


@pytest.fixture
def container(tmp_path: Path, cosmos_account: Local) -> Iterator[ContainerProxy]:
    with fresh(cosmos_account, partition_key=PartitionKey("/id")) as container:
        database, name = names(container)
        customers_of(tmp_path / "schemas", database=database, container=name, feedRanges=RANGES)
        for number in range(ITEMS):
            container.create_item({"id": f"c-{number:06d}", "city": "Bonn"})
        yield container


def _settings(folder: Path, account: Local, **given: object) -> Settings:
    return load_settings(
        lake_url=(folder / "lake").as_uri(),
        cosmos_endpoint=account.endpoint,
        cosmos_key=account.key,
        schemas_dir=folder / "schemas",
        _env_file=None,
        **given,
    )


@pytest.mark.usefixtures("container")
def test_runs_of_different_feed_ranges_commit_at_once_and_none_stands_in_the_others_way(
    tmp_path: Path, cosmos_account: Local
) -> None:
    settings = _settings(tmp_path, cosmos_account, window_rows=4)
    ranges = api.feed_ranges(settings, "customers")
    with capture_logs() as told, ThreadPoolExecutor(len(ranges)) as pool:
        accounts = list(pool.map(lambda one: api.land(settings, "customers", feed_range=one), ranges))
    assert [one for one in told if one["log_level"] == "warning"] == []  # a commit is tried again at once
    assert sum(account.landed for account in accounts) == ITEMS
    assert all(0 < account.landed < ITEMS for account in accounts)
    raw = rows_of(DeltaLake(LocalStorage(tmp_path / "lake")).uri("raw", "customers"))
    assert sorted(raw["key"].to_pylist()) == [f'["c-{number:06d}","c-{number:06d}"]' for number in range(ITEMS)]
    assert api.land(settings, "customers").landed == 0


@pytest.mark.usefixtures("container")
def test_a_feed_range_has_its_part_of_a_run_s_request_units(tmp_path: Path, cosmos_account: Local) -> None:
    settings = _settings(tmp_path, cosmos_account, window_rows=4, cosmos_request_units=40)
    ranges = api.feed_ranges(settings, "customers")
    spent = [api.land(settings, "customers", feed_range=one) for one in ranges]
    for account in spent:
        assert 40 / RANGES <= account.request_units < 2 * 40 / RANGES  # the last page is paid when it has come
    assert 0 < sum(account.landed for account in spent) < ITEMS


def test_a_snapshot_that_a_try_of_the_same_run_has_begun_is_gone_on_with(
    tmp_path: Path, cosmos_account: Local, container: ContainerProxy
) -> None:
    settings = _settings(tmp_path, cosmos_account)
    assert api.land(settings, "customers").landed == ITEMS
    begun = dt.datetime.now(dt.UTC)
    assert api.land(settings, "customers", from_beginning=begun).landed == ITEMS
    container.create_item({"id": "c-999999", "city": "Bonn"})
    assert api.land(settings, "customers", from_beginning=begun).landed == 1
    assert api.land(settings, "customers", from_beginning=dt.datetime.now(dt.UTC)).landed == ITEMS + 1


def test_a_dataset_from_queues_has_no_feed_ranges(tmp_path: Path) -> None:
    settings = load_settings(lake_url=tmp_path.as_uri(), schemas_dir=Path(__file__).parents[1] / "schemas")
    with pytest.raises(ConfigurationError, match="no feed ranges"):
        api.feed_ranges(settings, "orders")

"""What a container and its service can do to land and curate, by the settings that the command reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.cosmos import ContainerProxy, PartitionKey

from cosmos import Local
from ingest import api
from ingest.errors import SourceUnavailable
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.points import Point
from ingest.settings import Settings, load_settings
from tests.crash.customers import newest
from tests.dags.customers import customers_of
from tests.infra.cosmos_client import fresh, names
from tests.reading import rows_of


@pytest.fixture
def container(tmp_path: Path, cosmos_account: Local) -> Iterator[ContainerProxy]:
    with fresh(cosmos_account, partition_key=PartitionKey("/id")) as made:
        yield made
    cosmos_account.clear_faults()
    cosmos_account.clock(offset=0)


def settings_of(folder: Path, account: Local, container: ContainerProxy, **given: Any) -> Settings:
    database, name = names(container)
    customers_of(folder / "schemas", database=database, container=name)
    return load_settings(
        lake_url=(folder / "lake").as_uri(),
        cosmos_endpoint=account.endpoint,
        cosmos_key=account.key,
        schemas_dir=folder / "schemas",
        _env_file=None,
        **given,
    )


def raw(settings: Settings) -> list[dict[str, Any]]:
    lake = DeltaLake(LocalStorage(Path(settings.lake_url.removeprefix("file://"))))
    rows: list[dict[str, Any]] = rows_of(lake.uri("raw", "customers")).to_pylist()
    return rows


def cities(settings: Settings) -> dict[str, str]:
    """What raw says that there is."""
    return {name: json.loads(row["body"])["city"] for name, row in newest(raw(settings)).items()}


def there(container: ContainerProxy) -> dict[str, str]:
    found = container.query_items("SELECT c.id, c.city FROM c", enable_cross_partition_query=True)
    return {one["id"]: one["city"] for one in found}


def add(container: ContainerProxy, *numbers: int, city: str = "Bonn") -> None:
    for number in numbers:
        container.upsert_item({"id": f"c{number}", "city": city})


HARD = ("a/b", "a\\b", "q?r", "s#t", 'quote"', "snow ☃ \U0001f600", " blank", "é" * 127)


def test_what_is_hard_to_carry_goes_through_land_and_curate(
    tmp_path: Path, cosmos_account: Local, container: ContainerProxy
) -> None:
    """In the snapshot and in the feed: ids of any kind, 2 MB, a thousand changes of one LSN, a clock that goes back."""
    settings = settings_of(tmp_path, cosmos_account, container)
    large = "x" * (2 * 1024 * 1024 - 500)
    place = names(container)

    def make(city: str) -> None:
        for name in HARD:
            made = [{"operationType": "Upsert", "resourceBody": {"id": name, "city": city}}]
            cosmos_account.transaction(*place, [name], made)
        container.upsert_item({"id": "large", "city": city, "text": large})

    make("Bonn")
    api.land(settings, "customers")
    cosmos_account.clock(offset=5_000)
    make("Oslo")
    often = [{"operationType": "Upsert", "resourceBody": {"id": "often", "city": f"city {n}"}} for n in range(1_000)]
    cosmos_account.transaction(*place, ["often"], often)
    cosmos_account.clock(offset=0)
    gone = [{"operationType": "Delete", "id": HARD[0]}]
    cosmos_account.transaction(*place, [HARD[0]], gone)
    account = api.ingest(settings, "customers")
    assert account.landed == len(HARD) + 1 + 1_000 + 1
    assert account.curated == account.landed + len(HARD) + 1
    assert cities(settings) == there(container)
    assert cities(settings)["often"] == "city 999"
    rows = raw(settings)
    assert len({row["event_id"] for row in rows}) == len(rows)
    assert len({row["position"] for row in rows if '"often"' in row["key"]}) == 1
    assert api.status(settings, "customers").totals.holds


@pytest.mark.parametrize(
    "storm",
    [{"status": 429, "retry_after_ms": 1}, {"status": 503}, {"cut": "middle"}],
    ids=["throttled", "unavailable", "cut"],
)
@pytest.mark.parametrize("again", ["", "again"])
def test_a_storm_ends_a_run_that_the_next_one_goes_on_with(
    tmp_path: Path, cosmos_account: Local, container: ContainerProxy, storm: dict[str, Any], again: str
) -> None:
    """It begins in the middle: what was committed by then stays, and nothing is taken for expired."""
    settings = settings_of(tmp_path, cosmos_account, container, window_rows=2)
    add(container, *range(10))
    if again:
        api.land(settings, "customers")
        container.delete_item("c0", "c0")
    cosmos_account.fault(kind="feed", after=4, times=400, **storm)
    with pytest.raises(SourceUnavailable):
        api.land(settings, "customers", from_beginning=bool(again))
    landed = len(raw(settings))
    assert landed
    cosmos_account.clear_faults()
    assert api.land(settings, "customers").landed
    assert cities(settings) == there(container)
    assert {json.loads(row["headers"])["generation"] for row in raw(settings)} == ({0, 1} if again else {0})


@pytest.mark.parametrize("again", ["", "again"])
def test_a_service_that_is_killed_and_started_after_each_window(tmp_path: Path, again: str) -> None:
    with Local(tmp_path / "account") as account, fresh(account, partition_key=PartitionKey("/id")) as container:
        settings = settings_of(tmp_path, account, container, window_rows=3)
        add(container, *range(9))
        if again:
            api.land(settings, "customers")
            for number in range(4):
                container.delete_item(f"c{number}", f"c{number}")

        def restart(point: Point) -> None:
            if point is Point.RECEIVED:
                account.kill()
                account.start()

        api.land(settings, "customers", from_beginning=bool(again), reached=restart)
        api.land(settings, "customers")
        assert cities(settings) == there(container)
        rows = raw(settings)
        assert len({row["event_id"] for row in rows}) == len(rows)

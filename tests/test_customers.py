"""The dataset customers from a container to its tables: its items are what the container has, read by the SDK."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey

from cosmos import Local
from ingest import api
from ingest.lake import DeltaLake, LocalStorage
from ingest.settings import Settings, load_settings
from tests.command import Command
from tests.reading import rows_of

_SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"
_KEY = "k1:" + base64.b64encode(b"customers" * 4).decode()


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Local]:
    with Local(tmp_path / "account") as local:
        yield local


@pytest.fixture
def container(account: Local) -> Iterator[ContainerProxy]:
    with CosmosClient(account.endpoint, account.key) as client:
        yield client.create_database("shop").create_container("customers", PartitionKey("/id"))


@pytest.fixture
def environment(tmp_path: Path, account: Local) -> dict[str, str]:
    return {
        "LAKEPOST_LAKE_URL": (tmp_path / "lake").as_uri(),
        "LAKEPOST_COSMOS_ENDPOINT": account.endpoint,
        "LAKEPOST_COSMOS_KEY": account.key,
        "LAKEPOST_PII_KEYS": _KEY,
        "LAKEPOST_SCHEMAS_DIR": str(_SCHEMAS),
    }


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    named = {name.removeprefix("LAKEPOST_").lower(): value for name, value in environment.items()}
    return load_settings(**named, _env_file=None)


def put(container: ContainerProxy, *numbers: int, city: str = "Köln") -> None:
    for number in numbers:
        container.upsert_item(
            {
                "id": f"c-{number:06}",
                "name": f"Name {number}",
                "email": f"mail{number}@example.org",
                "city": city,
                "country": "DE",
                "segment": "household",
                "marketingConsent": False,
                "registeredAt": "2024-03-01T09:30:00Z",
                "address": {"street": "Hauptstraße 1", "postcode": "50667", "floor": number % 5},
            }
        )


def drop(container: ContainerProxy, *numbers: int) -> None:
    for number in numbers:
        container.delete_item(f"c-{number:06}", f"c-{number:06}")


def there(container: ContainerProxy) -> list[tuple[str, str]]:
    return sorted((item["id"], item["city"]) for item in container.read_all_items())


def rows(tmp_path: Path, stage: str = "current") -> list[dict[str, Any]]:
    found = rows_of(DeltaLake(LocalStorage(tmp_path / "lake")).uri(stage, "customers"))
    return sorted(found.to_pylist(), key=lambda row: str(row["key"]))


def current(tmp_path: Path) -> list[tuple[str, str]]:
    return sorted((row["customer_id"], row["city"]) for row in rows(tmp_path))


def test_the_items_are_what_the_container_has(
    tmp_path: Path,
    settings: Settings,
    container: ContainerProxy,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(container, *range(12))
    api.ingest(settings, "customers")
    assert current(tmp_path) == there(container)
    put(container, 1, 2, 3, city="Bonn")
    drop(container, 3, 4, 5)
    api.ingest(settings, "customers")
    assert current(tmp_path) == there(container)
    put(container, 4, 20, 21, city="Mainz")
    drop(container, 20, 0)
    put(container, 0, city="Ulm")
    put(container, 1, city="Trier")
    api.ingest(settings, "customers")
    assert current(tmp_path) == there(container)
    increments = rows(tmp_path), rows(tmp_path, "deleted")
    assert len(increments[1]) == 3
    api.rebuild(settings, "customers", dates=None)
    assert (rows(tmp_path), rows(tmp_path, "deleted")) == increments

    capsys.readouterr()  # what was logged up to here
    lakepost = Command(monkeypatch, capsys, tmp_path, environment)
    (told,) = json.loads(lakepost("status", "customers", "--json")[1])["datasets"]
    assert told["items"] == {"now": 11, "deleted": 3}
    _, out, err = lakepost("status", "customers")
    assert "customers: 11 items now, 3 deleted" in out + err
    code, out, _ = lakepost("rebuild", "customers", "--current", "--json")
    assert (code, json.loads(out)) == (0, {"dataset": "customers", "items": {"now": 11, "deleted": 3}})
    assert (rows(tmp_path), rows(tmp_path, "deleted")) == increments


def test_who_is_erased_leaves_the_items_and_the_deleted(
    tmp_path: Path, settings: Settings, container: ContainerProxy
) -> None:
    put(container, *range(6))
    api.ingest(settings, "customers")
    drop(container, 2, 3)
    put(container, 1, 4, city="Bonn")
    api.ingest(settings, "customers")
    for number in (1, 2):
        done = api.erase(settings, "customers", f"c-{number:06}", nobody_is_active=True)
        assert (done.proved, done.pending) == (True, False)
        assert holding(tmp_path / "lake", f"c-{number:06}") == []
    assert [name for name, _ in current(tmp_path)] == ["c-000000", "c-000004", "c-000005"]
    (left,) = rows(tmp_path, "deleted")
    assert left["event_time"] is not None


def holding(lake: Path, value: str) -> list[str]:
    """The files of the lake that hold the value, Parquet decoded."""
    found = []
    for file in lake.rglob("*"):
        if file.is_file():
            parquet = file.suffix == ".parquet"
            content = repr(pq.read_table(file).to_pylist()).encode() if parquet else file.read_bytes()
            if value.encode() in content:
                found.append(str(file))
    return found

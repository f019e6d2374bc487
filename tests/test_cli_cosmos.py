"""A container by the command: landed, recovered, refused with what to do, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey

from cosmos import Local
from tests.command import Command
from tests.dags.customers import customers_of
from tests.infra.cosmos_client import fresh, names

WRONG_KEY = "d3Jvbmcgd3Jvbmcgd3Jvbmc="


@pytest.fixture
def container(tmp_path: Path, cosmos_account: Local) -> Iterator[ContainerProxy]:
    policy = {"retentionDuration": 10}
    with fresh(cosmos_account, partition_key=PartitionKey("/id"), change_feed_policy=policy) as made:
        database, name = names(made)
        customers_of(tmp_path / "schemas", database=database, container=name)
        yield made
    cosmos_account.clock(offset=0)


@pytest.fixture
def lakepost(
    tmp_path: Path,
    cosmos_account: Local,
    container: ContainerProxy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    environment = {
        "LAKEPOST_LAKE_URL": (tmp_path / "lake").as_uri(),
        "LAKEPOST_COSMOS_ENDPOINT": cosmos_account.endpoint,
        "LAKEPOST_COSMOS_KEY": cosmos_account.key,
        "LAKEPOST_SCHEMAS_DIR": str(tmp_path / "schemas"),
    }
    return Command(monkeypatch, capsys, tmp_path, environment)


def add(container: ContainerProxy, *numbers: int) -> None:
    for number in numbers:
        container.upsert_item({"id": f"c-{number:06d}", "city": "Bonn"})


def test_a_gap_is_told_by_land_and_by_status(
    lakepost: Command, container: ContainerProxy, cosmos_account: Local
) -> None:
    add(container, *range(5))
    assert lakepost.json("land", "customers")[1]["landed"] == 5
    assert lakepost.json("status", "customers")[1]["datasets"][0]["gaps"] == []
    container.delete_item("c-000003", "c-000003")
    cosmos_account.clock(advance=601)
    add(container, 7)
    code, out, err = lakepost("land", "customers", "--json")
    assert (code, '"landed": 6' in out) == (0, True)  # five items, and one that is gone
    assert "a new snapshot is taken" in err
    assert "a gap is recorded" in err
    (gap,) = lakepost.json("status", "customers")[1]["datasets"][0]["gaps"]
    database, name = names(container)
    assert (gap["feed_range"], gap["generation"]) == (f"{database}/{name}:-FF", 1)
    assert gap["since"] <= gap["until"]
    _, _, said = lakepost("status", "customers")
    for words in ("GAP", gap["since"], gap["until"], "retention", "versions in between are not known", "inferred"):
        assert words in said, words
    assert cosmos_account.key not in out + err + said


def test_a_container_made_again_waits_for_the_word(
    lakepost: Command, container: ContainerProxy, cosmos_account: Local
) -> None:
    add(container, 1, 2)
    lakepost.json("land", "customers")
    database, name = names(container)
    with CosmosClient(cosmos_account.endpoint, cosmos_account.key) as client:
        inside = client.get_database_client(database)
        inside.delete_container(name)
        add(inside.create_container(name, partition_key=PartitionKey("/id")), 2, 3)
        code, told = lakepost.json("land", "customers")
        assert (code, told["error"]) == (1, "SourceReplaced")
        assert "`lakepost land` with --from-beginning" in told["remedy"]
        assert lakepost.json("land", "customers", "--from-beginning")[1]["landed"] == 3
        _, found = lakepost.json("sql", "SELECT key, operation FROM raw.customers ORDER BY landed_at, key")
    assert {"key": '["c-000001","c-000001"]', "operation": "delete (inferred)"} in found["rows"]


def test_a_run_that_ends_since_its_request_units_are_used_up_says_so(
    lakepost: Command, container: ContainerProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And how many were used; the next one goes on, over all feed ranges."""
    add(container, *range(60))
    monkeypatch.setenv("LAKEPOST_COSMOS_REQUEST_UNITS", "10")
    monkeypatch.setenv("LAKEPOST_WINDOW_ROWS", "4")
    code, told = lakepost.json("land", "customers")
    assert (code, told["request_units_used_up"]) == (0, True)
    assert 10 <= told["request_units"] < 20
    assert 0 < told["landed"] < 30
    code, out, err = lakepost("land", "customers")
    assert code == 0
    assert "request_units" in out
    assert "request units are used up: 1" in err
    assert "LAKEPOST_COSMOS_REQUEST_UNITS" in err
    monkeypatch.setenv("LAKEPOST_COSMOS_REQUEST_UNITS", "10000")
    code, told = lakepost.json("land", "customers")
    assert (code, told["request_units_used_up"]) == (0, False)
    assert lakepost.json("status", "customers")[1]["datasets"][0]["raw"] == 60


MISUSES: dict[str, tuple[dict[str, str], int, tuple[str, ...]]] = {
    "no endpoint": ({"COSMOS_ENDPOINT": ""}, 2, ("no Cosmos DB account", "LAKEPOST_COSMOS_ENDPOINT")),
    "a connection string": ({"COSMOS_ENDPOINT": f"AccountKey={WRONG_KEY}"}, 2, ("is not the URL", "_COSMOS_KEY")),
    "a password": ({"COSMOS_ENDPOINT": f"https://a:{WRONG_KEY}@b/"}, 2, ("is not the URL", "LAKEPOST_COSMOS_KEY")),
    "a wrong key": ({"COSMOS_KEY": WRONG_KEY}, 2, ("refuses", "LAKEPOST_COSMOS_KEY")),
    "a key that is none": ({"COSMOS_KEY": f"{WRONG_KEY} secret"}, 2, ("LAKEPOST_COSMOS_KEY is not base64",)),
    "nobody there": ({"COSMOS_ENDPOINT": "http://127.0.0.1:1/"}, 75, ("failed while", "can be reached")),
    "no request units": ({"COSMOS_REQUEST_UNITS": "0"}, 2, ("LAKEPOST_COSMOS_REQUEST_UNITS", "correct it")),
    "--from-offset 0": ({}, 2, ("no such place", "--from-beginning takes a new snapshot")),
    "--from-time 2026-11-20T08:00:00Z": ({}, 2, ("no such place", "--from-beginning takes a new snapshot")),
    "--feed-range 00-11": ({}, 2, ("'00-11'", "it is read by -FF")),
    "--adopt-replaced": ({}, 2, ("no stream", "--from-beginning")),
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_misuse_says_what_to_do_and_no_secret(
    lakepost: Command, cosmos_account: Local, monkeypatch: pytest.MonkeyPatch, misuse: str
) -> None:
    environment, code, words = MISUSES[misuse]
    for name, value in environment.items():
        monkeypatch.setenv(f"LAKEPOST_{name}", value)
    got, out, err = lakepost("land", "customers", *(misuse.split() if misuse.startswith("--") else ()))
    assert (got, out) == (code, ""), err
    assert "Traceback" not in err
    assert [word for word in words if word not in err] == [], err
    assert not any(secret in err for secret in (cosmos_account.key, WRONG_KEY))


def test_a_container_that_is_not_there(lakepost: Command, container: ContainerProxy, cosmos_account: Local) -> None:
    with CosmosClient(cosmos_account.endpoint, cosmos_account.key) as client:
        client.get_database_client(names(container)[0]).delete_container(names(container)[1])
    code, told = lakepost.json("land", "customers")
    assert (code, told["error"]) == (1, "TopologyError")
    assert "create it, or correct `container` in the contract" in told["remedy"]


def test_a_queue_has_neither_snapshot_nor_feed_ranges(lakepost: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = Path(__file__).resolve().parents[1] / "schemas"
    monkeypatch.setenv("LAKEPOST_SCHEMAS_DIR", str(shipped))
    for arguments in (("--from-beginning",), ("--feed-range", "-FF")):
        code, told = lakepost.json("land", "orders", *arguments)
        assert (code, told["error"]) == (2, "ConfigurationError")
        assert "queues" in told["message"]
        assert arguments[0] in told["remedy"]

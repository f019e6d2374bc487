"""The local Cosmos, items: what the unmodified SDK writes and reads, and what it is refused."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey, exceptions
from azure.cosmos.aio import CosmosClient as AsyncClient

from cosmos import Local
from tests.infra.cosmos_client import fresh, names


@pytest.fixture
def customers(cosmos_account: Local) -> Iterator[ContainerProxy]:
    with fresh(cosmos_account) as container:
        yield container


def test_an_item_is_created_read_replaced_and_deleted(customers: ContainerProxy) -> None:
    """Each version has the system properties of the service, and an etag of its own."""
    made = customers.create_item({"id": "c1", "country": "IS", "name": "Ásta"})
    assert made["_self"].endswith(f"/docs/{made['_rid']}/")
    assert made["_attachments"] == "attachments/"
    assert isinstance(made["_ts"], int)
    assert customers.read_item("c1", "IS") == made

    replaced = customers.replace_item("c1", {"id": "c1", "country": "IS", "name": "Björk"})
    assert replaced["_rid"] == made["_rid"]
    assert replaced["_etag"] != made["_etag"]

    customers.delete_item("c1", "IS")
    with pytest.raises(exceptions.CosmosResourceNotFoundError) as missing:
        customers.read_item("c1", "IS")
    assert missing.value.status_code == 404
    assert missing.value.sub_status in {None, 0}


def test_an_id_is_unique_within_its_partition_key_only(customers: ContainerProxy) -> None:
    customers.create_item({"id": "c1", "country": "IS"})
    customers.create_item({"id": "c1", "country": "NO"})
    with pytest.raises(exceptions.CosmosResourceExistsError):
        customers.create_item({"id": "c1", "country": "NO"})


def test_upsert_creates_then_replaces(customers: ContainerProxy) -> None:
    first = customers.upsert_item({"id": "c1", "country": "IS", "n": 1})
    second = customers.upsert_item({"id": "c1", "country": "IS", "n": 2})
    assert first["_rid"] == second["_rid"]
    assert customers.read_item("c1", "IS")["n"] == 2


def test_a_write_on_a_stale_etag_is_refused_and_a_read_of_a_known_one_brings_nothing(customers: ContainerProxy) -> None:
    made = customers.create_item({"id": "c1", "country": "IS"})
    condition: Any = {"etag": made["_etag"], "match_condition": MatchConditions.IfNotModified}
    customers.replace_item("c1", {"id": "c1", "country": "IS", "n": 1}, **condition)
    for write in (
        lambda: customers.replace_item("c1", {"id": "c1", "country": "IS"}, **condition),
        lambda: customers.upsert_item({"id": "c1", "country": "IS"}, **condition),
        lambda: customers.delete_item("c1", "IS", **condition),
    ):
        with pytest.raises(exceptions.CosmosAccessConditionFailedError):
            write()
    known = customers.read_item("c1", "IS")
    again = customers.read_item("c1", "IS", etag=known["_etag"], match_condition=MatchConditions.IfModified)
    assert not again


def test_patch_changes_parts_under_a_condition(customers: ContainerProxy) -> None:
    customers.create_item({"id": "c1", "country": "IS", "visits": 1, "tags": ["a", "c"], "old": {"name": "x"}})
    customers.patch_item(
        "c1",
        "IS",
        [
            {"op": "incr", "path": "/visits", "value": 2},
            {"op": "add", "path": "/tags/1", "value": "b"},
            {"op": "set", "path": "/city", "value": "Akureyri"},
            {"op": "move", "from": "/old/name", "path": "/name"},
            {"op": "remove", "path": "/old"},
        ],
        filter_predicate="from c where c.visits = 1",
    )
    kept = customers.read_item("c1", "IS")
    assert (kept["visits"], kept["tags"], kept["city"], kept["name"]) == (3, ["a", "b", "c"], "Akureyri", "x")
    assert "old" not in kept
    with pytest.raises(exceptions.CosmosAccessConditionFailedError):
        customers.patch_item(
            "c1", "IS", [{"op": "remove", "path": "/city"}], filter_predicate="from c where c.visits = 1"
        )
    for refused in (
        {"op": "replace", "path": "/nowhere", "value": 1},
        {"op": "set", "path": "/country", "value": "NO"},
        {"op": "set", "path": "/id", "value": "c2"},
    ):
        with pytest.raises(exceptions.CosmosHttpResponseError, match="BadRequest"):
            customers.patch_item("c1", "IS", [refused])


def test_a_transaction_is_all_or_nothing(customers: ContainerProxy) -> None:
    customers.create_item({"id": "c1", "country": "IS"})
    with pytest.raises(exceptions.CosmosBatchOperationError) as failed:
        customers.execute_item_batch(
            [("create", ({"id": "c2", "country": "IS"},)), ("create", ({"id": "c1", "country": "IS"},))], "IS"
        )
    assert (failed.value.error_index, failed.value.status_code) == (1, 409)
    assert [one["statusCode"] for one in failed.value.operation_responses] == [424, 409]
    assert [one["id"] for one in customers.read_all_items()] == ["c1"]

    results = customers.execute_item_batch(
        [
            ("create", ({"id": "c2", "country": "IS"},)),
            ("patch", ("c1", [{"op": "set", "path": "/n", "value": 1}])),
            ("read", ("c1",)),
            ("delete", ("c2",)),
        ],
        "IS",
    )
    assert [one["statusCode"] for one in results] == [201, 200, 200, 204]
    assert results[2]["resourceBody"]["n"] == 1
    with pytest.raises(exceptions.CosmosHttpResponseError, match="more operations"):
        customers.execute_item_batch([("read", ("c1",))] * 101, "IS")


def test_an_item_of_2_mb_is_kept_and_a_larger_one_refused(customers: ContainerProxy) -> None:
    customers.create_item({"id": "big", "country": "IS", "text": "x" * (2 * 1024 * 1024 - 60)})
    assert len(customers.read_item("big", "IS")["text"]) == 2 * 1024 * 1024 - 60
    with pytest.raises(exceptions.CosmosHttpResponseError) as refused:
        customers.create_item({"id": "bigger", "country": "IS", "text": "x" * (2 * 1024 * 1024)})
    assert refused.value.status_code == 413


@pytest.mark.parametrize("hostile", ["it's", 'say "hi"', "æ—ø 🐟", "a b+c&d=e;f", "%2F%00", "..", "x" * 1023])
def test_a_hostile_id_is_written_and_found_again(customers: ContainerProxy, hostile: str) -> None:
    if hostile == "..":  # a client's HTTP library takes it out of the path
        customers.execute_item_batch([("create", ({"id": hostile, "country": hostile},))], hostile)
        customers.execute_item_batch([("delete", (hostile,))], hostile)
        return
    customers.create_item({"id": hostile, "country": hostile, "n": 1})
    assert customers.read_item(hostile, hostile)["n"] == 1
    found = customers.query_items(
        "SELECT * FROM c WHERE c.id = @id", parameters=[{"name": "@id", "value": hostile}], partition_key=hostile
    )
    assert [one["id"] for one in found] == [hostile]
    customers.delete_item(hostile, hostile)


@pytest.mark.parametrize("hostile", ["a/b", "a\\b", "what?", "#1"])
def test_an_id_that_the_sdk_would_not_name_is_written_by_a_transaction(customers: ContainerProxy, hostile: str) -> None:
    """The service keeps such ids; the SDK refuses to create them one by one, and paths with a slash find nothing."""
    with pytest.raises(ValueError, match="illegal"):
        customers.create_item({"id": hostile, "country": "IS"})
    customers.execute_item_batch([("create", ({"id": hostile, "country": "IS"},))], "IS")
    assert [one["id"] for one in customers.read_all_items()] == [hostile]
    customers.execute_item_batch([("delete", (hostile,))], "IS")
    assert not list(customers.read_all_items())


def test_items_outlive_their_time_only_by_the_accounts_clock(cosmos_account: Local) -> None:
    with fresh(cosmos_account, default_ttl=100) as customers:
        customers.create_item({"id": "default", "country": "IS"})
        customers.create_item({"id": "short", "country": "IS", "ttl": 10})
        customers.create_item({"id": "ever", "country": "IS", "ttl": -1})
        with pytest.raises(exceptions.CosmosHttpResponseError, match="ttl"):
            customers.create_item({"id": "none", "country": "IS", "ttl": 0})
        cosmos_account.clock(advance=50)
        try:
            assert {one["id"] for one in customers.read_all_items()} == {"default", "ever"}
            cosmos_account.clock(advance=51)
            assert {one["id"] for one in customers.read_all_items()} == {"ever"}
        finally:
            cosmos_account.clock(offset=0)


def test_an_item_expires_by_itself(cosmos_account: Local) -> None:
    with fresh(cosmos_account, default_ttl=-1) as customers:
        customers.create_item({"id": "first", "country": "IS"})
        customers.create_item({"id": "short", "country": "IS", "ttl": 1})
        until = time.monotonic() + 20
        while {one["id"] for one in customers.read_all_items()} != {"first"}:
            assert time.monotonic() < until
        with pytest.raises(exceptions.CosmosResourceNotFoundError):
            customers.read_item("short", "IS")


def test_partition_keys_of_every_kind_have_a_place(customers: ContainerProxy) -> None:
    """Missing, null, numbers, booleans, texts: each is a partition of its own, and 1 is 1.0."""
    keys = [None, True, False, 1, 2.5, "1", ""]
    for number, key in enumerate(keys):
        customers.create_item({"id": f"c{number}", "country": key})
    customers.create_item({"id": "none"})
    for number, key in enumerate(keys):
        assert customers.read_item(f"c{number}", key)["country"] == key
    assert customers.read_item("c3", 1.0)["country"] == 1
    assert [one["id"] for one in customers.query_items("SELECT * FROM c WHERE NOT IS_DEFINED(c.country)",
                                                       enable_cross_partition_query=True)] == ["none"]  # fmt: skip


def test_keys_of_several_levels_are_found_whole_and_by_prefix(cosmos_account: Local) -> None:
    with fresh(cosmos_account, partition_key=PartitionKey(["/country", "/city"], kind="MultiHash")) as customers:
        for city in ("Oslo", "Bergen"):
            customers.create_item({"id": city, "country": "NO", "city": city})
        customers.create_item({"id": "Reykjavík", "country": "IS", "city": "Reykjavík"})
        assert customers.read_item("Oslo", ["NO", "Oslo"])["city"] == "Oslo"
        found = customers.query_items("SELECT * FROM c", partition_key=["NO"])
        assert {one["id"] for one in found} == {"Oslo", "Bergen"}


def test_queries_select_filter_count_and_page(customers: ContainerProxy, cosmos_account: Local) -> None:
    database, name = names(customers)
    cosmos_account.split(database, name, "0")
    for number in range(40):
        customers.create_item({"id": f"c{number}", "country": f"k{number % 7}", "n": number, "a": {"b": number % 2}})
    pages = customers.query_items(
        "SELECT * FROM c WHERE c.n >= @n AND (c.a.b = 1 OR c.id IN ('c30', 'c32'))",
        parameters=[{"name": "@n", "value": 30}],
        enable_cross_partition_query=True,
        max_item_count=2,
    ).by_page()
    found = [[one["n"] for one in page] for page in pages]
    assert sorted(chain.from_iterable(found)) == [30, 31, 32, 33, 35, 37, 39]
    assert max(map(len, found)) == 2
    everywhere: Any = {"enable_cross_partition_query": True}
    some: Any = customers.query_items("SELECT VALUE COUNT(1) FROM c WHERE c.n < 5", **everywhere)
    assert list(some) == [5]
    of_one: Any = customers.query_items("SELECT VALUE COUNT(1) FROM c", partition_key="k1")
    assert list(of_one) == [6]
    assert list(customers.query_items('SELECT c.id, c["a"].b AS odd FROM c WHERE c.n = 3', **everywhere)) == [
        {"id": "c3", "odd": 1}
    ]
    assert len(list(customers.query_items("SELECT VALUE c.n FROM c", **everywhere))) == 40
    read = customers.read_items([("c1", "k1"), ("c2", "k2"), ("c9", "k9")])
    assert sorted(one["id"] for one in read) == ["c1", "c2"]


@pytest.mark.parametrize(
    "query", ["SELECT TOP 1 * FROM c", "SELECT * FROM c ORDER BY c.n", "SELECT * FROM c JOIN d IN c.x", "SELECT", "x'"]
)
def test_a_query_that_is_not_served_is_refused(customers: ContainerProxy, query: str) -> None:
    with pytest.raises(exceptions.CosmosHttpResponseError) as refused:
        list(customers.query_items(query, enable_cross_partition_query=True))
    assert refused.value.status_code == 400


def test_a_query_over_partitions_must_be_asked_for(customers: ContainerProxy) -> None:
    with pytest.raises(exceptions.CosmosHttpResponseError, match="Cross partition query is required but disabled"):
        list(customers.query_items("SELECT * FROM c"))


@pytest.mark.parametrize(
    "options",
    [
        {"partition_key": PartitionKey(["/a", "/b", "/c", "/d"], kind="MultiHash")},
        {"partition_key": PartitionKey("country")},
        {"partition_key": PartitionKey("/country", version=1)},
        {"partition_key": PartitionKey("/'country'")},
        {"default_ttl": 0},
        {"change_feed_policy": {"retentionDuration": "for ever"}},
    ],
)
def test_a_container_that_cannot_be_is_refused(cosmos_account: Local, options: dict[str, Any]) -> None:
    with pytest.raises(exceptions.CosmosHttpResponseError) as refused, fresh(cosmos_account, **options):
        pass
    assert refused.value.status_code == 400


def test_databases_and_containers_are_listed_refused_twice_and_deleted(cosmos_account: Local) -> None:
    name = f"db-{uuid.uuid4().hex[:8]}"
    with CosmosClient(cosmos_account.endpoint, cosmos_account.key) as client:
        database = client.create_database(name)
        with pytest.raises(exceptions.CosmosResourceExistsError):
            client.create_database(name)
        container = database.create_container("one", PartitionKey("/k"), default_ttl=60)
        with pytest.raises(exceptions.CosmosResourceExistsError):
            database.create_container("one", PartitionKey("/k"))
        assert container.read()["partitionKey"] == {"paths": ["/k"], "kind": "Hash", "version": 2}
        database.replace_container(container, PartitionKey("/k"), default_ttl=30)
        assert container.read()["defaultTtl"] == 30
        assert [one["id"] for one in database.list_containers()] == ["one"]
        assert name in [one["id"] for one in client.list_databases()]
        database.delete_container(container)
        with pytest.raises(exceptions.CosmosResourceNotFoundError) as missing:
            container.create_item({"id": "1", "k": "1"})
        assert missing.value.sub_status == 1003
        client.delete_database(database)
        with pytest.raises(exceptions.CosmosResourceNotFoundError):
            database.read()


async def _crud(account: Local, name: str) -> list[str]:
    async with AsyncClient(account.endpoint, account.key) as client:
        database = await client.create_database(name)
        container = await database.create_container("customers", PartitionKey("/country"))
        for number in range(5):
            await container.create_item({"id": f"c{number}", "country": "IS"})
        await container.delete_item("c1", "IS")
        await container.upsert_item({"id": "c2", "country": "IS", "n": 1})
        kept = [one["id"] async for one in container.query_items("SELECT * FROM c", partition_key="IS")]
        feed = [one["id"] async for one in container.query_items_change_feed(start_time="Beginning")]
    assert sorted(feed) == sorted(kept)
    return feed


def test_the_asynchronous_sdk_is_served_alike(cosmos_account: Local) -> None:
    import asyncio  # noqa: PLC0415

    assert asyncio.run(_crud(cosmos_account, f"shop-{uuid.uuid4().hex[:8]}")) == ["c0", "c3", "c4", "c2"]

"""The local Cosmos, change feeds: both modes, continuations, splits and merges, one transaction's changes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey, exceptions
from azure.cosmos.aio import CosmosClient as AsyncClient

from cosmos import AdminRefused, Local
from tests.infra.cosmos_client import changes, fresh, ids, names, paged, position

ALL = "AllVersionsAndDeletes"


@pytest.fixture
def customers(cosmos_account: Local) -> Iterator[ContainerProxy]:
    with fresh(cosmos_account) as container:
        yield container


def add(container: ContainerProxy, *numbers: int) -> None:
    for number in numbers:
        container.upsert_item({"id": f"c{number}", "country": f"k{number}", "n": number})


def test_the_latest_version_feed_has_each_item_once_at_its_last_change(customers: ContainerProxy) -> None:
    add(customers, 1, 2, 3, 1)
    customers.delete_item("c2", "k2")
    read = changes(customers, start_time="Beginning")
    assert ids(read) == ["c3", "c1"]
    assert read[0]["_lsn"] < read[1]["_lsn"]


def test_a_continuation_goes_on_where_the_last_page_ended(customers: ContainerProxy) -> None:
    add(customers, *range(10))
    pages = paged(customers, start_time="Beginning", max_item_count=3)
    assert ids(list(next(pages))) == ["c0", "c1", "c2"]
    after = pages.continuation_token
    assert ids(changes(customers, continuation=after)) == [f"c{n}" for n in range(3, 10)]
    end = position(customers)
    assert not changes(customers, continuation=end)
    add(customers, 3)
    assert ids(changes(customers, continuation=end)) == ["c3"]


def test_a_feed_from_now_has_nothing_until_something_changes(customers: ContainerProxy) -> None:
    add(customers, 1)
    assert not changes(customers)
    now = position(customers)
    add(customers, 2)
    assert ids(changes(customers, continuation=now)) == ["c2"]


def test_a_feed_from_a_time_leaves_out_what_is_older(customers: ContainerProxy, cosmos_account: Local) -> None:
    try:
        add(customers, 1, 2)
        cosmos_account.clock(offset=100)
        add(customers, 3, 4)
        since = datetime.now(UTC) + timedelta(seconds=50)
        assert ids(changes(customers, start_time=since)) == ["c3", "c4"]
        # The clock goes back: by LSN the item comes later, and its time is before the start.
        cosmos_account.clock(offset=0)
        add(customers, 5)
        assert ids(changes(customers, start_time=since)) == ["c3", "c4"]
    finally:
        cosmos_account.clock(offset=0)


def test_all_versions_and_deletes_tells_every_change(customers: ContainerProxy, cosmos_account: Local) -> None:
    assert not changes(customers, mode=ALL)
    start = position(customers)
    made = customers.create_item({"id": "c1", "country": "IS", "n": 1})
    customers.upsert_item({"id": "c1", "country": "IS", "n": 2})
    customers.patch_item("c1", "IS", [{"op": "set", "path": "/n", "value": 3}])
    customers.delete_item("c1", "IS")
    read = changes(customers, mode=ALL, continuation=start)
    assert [one["metadata"]["operationType"] for one in read] == ["create", "replace", "replace", "delete"]
    assert [one["current"].get("n") for one in read] == [1, 2, 3, None]
    assert read[0]["current"] == made
    lsns = [one["metadata"]["lsn"] for one in read]
    assert [one["metadata"].get("previousImageLSN") for one in read] == [None, *lsns[:3]]
    assert read[0]["metadata"]["crts"] == made["_ts"]
    gone = read[3]["metadata"]
    assert (gone["id"], gone["partitionKey"], gone.get("timeToLiveExpired")) == ("c1", {"country": "IS"}, None)


def test_an_expired_item_is_a_delete_that_says_so(cosmos_account: Local) -> None:
    with fresh(cosmos_account, default_ttl=10) as customers:
        assert not changes(customers, mode=ALL)
        start = position(customers)
        add(customers, 1)
        customers.create_item({"id": "sooner", "country": "IS", "ttl": 5})
        cosmos_account.clock(offset=11)
        try:
            read = changes(customers, mode=ALL, continuation=start)
        finally:
            cosmos_account.clock(offset=0)
        assert [one["metadata"]["operationType"] for one in read] == ["create", "create", "delete", "delete"]
        assert [one["metadata"]["id"] for one in read[2:]] == ["sooner", "c1"]
        assert {one["metadata"]["timeToLiveExpired"] for one in read[2:]} == {True}


def test_all_versions_and_deletes_is_refused_beyond_its_retention(cosmos_account: Local) -> None:
    with fresh(cosmos_account, change_feed_policy={"retentionDuration": 10}) as customers:
        assert not changes(customers, mode=ALL)
        start = position(customers)
        add(customers, 1)
        try:
            cosmos_account.clock(offset=599)
            assert ids(changes(customers, mode=ALL, continuation=start)) == ["c1"]
            kept = position(customers)
            cosmos_account.clock(offset=601)
            with pytest.raises(exceptions.CosmosHttpResponseError, match="retention") as refused:
                changes(customers, mode=ALL, continuation=start)
            assert refused.value.status_code == 400
            assert not changes(customers, mode=ALL, continuation=kept)
        finally:
            cosmos_account.clock(offset=0)


def test_an_account_without_continuous_backup_has_no_such_feed(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Local(tmp_path_factory.mktemp("plain"), retention=0) as account, fresh(account) as customers:
        add(customers, 1)
        with pytest.raises(exceptions.CosmosHttpResponseError, match="continuous backup"):
            changes(customers, mode=ALL)
        assert ids(changes(customers, start_time="Beginning")) == ["c1"]


def test_changes_of_one_transaction_share_an_lsn_and_a_page(customers: ContainerProxy, cosmos_account: Local) -> None:
    database, name = names(customers)
    assert not changes(customers, mode=ALL)
    start = position(customers)
    add(customers, 0)
    operations = [{"operationType": "Create", "resourceBody": {"id": f"t{n}", "country": "IS"}} for n in range(1000)]
    results = cosmos_account.transaction(database, name, ["IS"], operations)
    assert {one["statusCode"] for one in results} == {201}
    add(customers, 1)
    for asked in ({"mode": ALL, "continuation": start}, {"start_time": "Beginning"}):
        pages = paged(customers, **asked, max_item_count=10)
        sizes = [len(list(page)) for page in pages]
        assert sizes[:2] == [1001, 1]
        assert not any(sizes[2:])
    read = changes(customers, start_time="Beginning")
    assert len({one["_lsn"] for one in read}) == 3
    assert ids(read)[1:4] == ["t0", "t1", "t2"]


def test_a_feed_range_of_a_partition_key_is_where_the_items_are(cosmos_account: Local) -> None:
    with fresh(cosmos_account) as customers:
        database, name = names(customers)
        for one in cosmos_account.split(database, name, "0"):
            cosmos_account.split(database, name, one["id"])
        add(customers, *range(30))
        by_range = [
            ids(changes(customers, feed_range=one, start_time="Beginning")) for one in customers.read_feed_ranges()
        ]
        assert len(by_range) == 4
        assert sorted(chain.from_iterable(by_range)) == sorted(f"c{n}" for n in range(30))
        for number in range(30):
            whole = customers.feed_range_from_partition_key(f"k{number}")
            assert ids(changes(customers, feed_range=whole, start_time="Beginning")) == [f"c{number}"]
            assert ids(changes(customers, partition_key=f"k{number}", start_time="Beginning")) == [f"c{number}"]
            assert customers.is_feed_range_subset(list(customers.read_feed_ranges())[_holder(by_range, number)], whole)


def test_splits_and_merges_that_cannot_be_are_refused(customers: ContainerProxy, cosmos_account: Local) -> None:
    database, name = names(customers)
    low, high = cosmos_account.split(database, name, "0", at="10")
    assert (low["high"], high["low"]) == ("10", "10")
    _, far = cosmos_account.split(database, name, high["id"])
    for cannot in (
        lambda: cosmos_account.split(database, name, "0"),
        lambda: cosmos_account.split(database, name, low["id"], at="20"),
        lambda: cosmos_account.split(database, name, low["id"], at="0x1"),
        lambda: cosmos_account.merge(database, name, [low["id"]]),
        lambda: cosmos_account.merge(database, name, [low["id"], far["id"]]),
        lambda: cosmos_account.split(database, "nothing", "0"),
        lambda: cosmos_account.clock(offset="later"),  # type: ignore[arg-type]
    ):
        with pytest.raises(AdminRefused):
            cannot()
    assert len(cosmos_account.ranges(database, name)) == 3


def test_throughput_decides_the_number_of_ranges(cosmos_account: Local) -> None:
    with fresh(cosmos_account, offer_throughput=25_000) as customers:
        assert len(list(customers.read_feed_ranges())) == 3
    with (
        pytest.raises(exceptions.CosmosHttpResponseError, match="throughput"),
        fresh(cosmos_account, offer_throughput=1),
    ):
        pass


def _holder(by_range: list[list[str]], number: int) -> int:
    return next(i for i, found in enumerate(by_range) if f"c{number}" in found)


@pytest.mark.parametrize("mode", ["LatestVersion", ALL])
def test_a_split_and_a_merge_in_the_middle_of_reading_lose_and_repeat_nothing(
    customers: ContainerProxy, cosmos_account: Local, mode: str
) -> None:
    database, name = names(customers)
    assert not changes(customers, mode=mode)
    start = position(customers)
    add(customers, *range(40))
    pages = paged(customers, continuation=start, mode=mode, max_item_count=10)
    read = ids(list(next(pages)))
    left, right = cosmos_account.split(database, name, "0")
    read += ids(list(next(pages)))
    add(customers, *range(40, 60))
    for page in pages:
        read += ids(list(page))
    after = pages.continuation_token
    assert sorted(read) == sorted(f"c{n}" for n in range(60))

    add(customers, *range(60, 70))
    cosmos_account.merge(database, name, [left["id"], right["id"]])
    add(customers, *range(70, 80))
    rest = ids(changes(customers, mode=mode, continuation=after))
    assert sorted(rest) == sorted(f"c{n}" for n in range(60, 80))


@pytest.mark.parametrize(
    ("mode", "at", "widened"),
    [("LatestVersion", "20" + "0" * 30, False), (ALL, "20" + "0" * 30, False), (ALL, "08", True)],
)
def test_readers_of_feed_ranges_go_on_through_a_merge_and_other_splits(
    customers: ContainerProxy, cosmos_account: Local, mode: str, at: str, *, widened: bool
) -> None:
    """Each keeps to its part of the hash space, whichever partition holds it, and together they read all, once.

    But where a new boundary cuts a reader's part, the SDK goes on with the whole of both new ranges, so that readers
    overlap and read some changes twice: a trap of the SDK (`handle_feed_range_gone`), none of the feed.
    """
    database, name = names(customers)
    cosmos_account.split(database, name, "0")
    parts = list(customers.read_feed_ranges(force_refresh=True))
    places = []
    for part in parts:
        assert not changes(customers, feed_range=part, mode=mode)
        places.append(position(customers))
    read: list[list[str]] = [[], []]
    held: list[str] = []

    def go_on(*numbers: int) -> None:
        add(customers, *numbers)
        held.extend(f"c{n}" for n in numbers)
        for i, place in enumerate(places):
            pages = paged(customers, continuation=place, mode=mode, max_item_count=4)
            read[i] += ids(list(next(pages)))  # and leaves the rest for the next time
            places[i] = pages.continuation_token

    go_on(*range(20))
    cosmos_account.merge(database, name, [one["id"] for one in cosmos_account.ranges(database, name)])
    go_on(*range(20, 30))
    (merged,) = cosmos_account.ranges(database, name)
    cosmos_account.split(database, name, merged["id"], at=at)
    go_on(*range(30, 40))
    for i, place in enumerate(places):
        read[i] += ids(changes(customers, continuation=place, mode=mode))
    assert len(parts) == 2
    assert set(read[0]) | set(read[1]) == set(held)
    assert (len(read[0]) + len(read[1]) > len(held)) is widened
    assert read[0]
    assert read[1]


def test_another_client_finds_the_ranges_gone_and_reads_on(cosmos_account: Local) -> None:
    """A client that knows the old ranges gets 410, reads them again, and goes on; so do its queries."""
    with (
        fresh(cosmos_account) as customers,
        CosmosClient(cosmos_account.endpoint, cosmos_account.key) as other,
    ):
        database, name = names(customers)
        theirs = other.get_database_client(database).get_container_client(name)
        add(customers, *range(20))
        assert len(changes(theirs, start_time="Beginning")) == 20
        after = position(theirs)
        add(customers, *range(20, 40))  # before the split: an answer to a write names its range
        for one in cosmos_account.split(database, name, "0"):
            cosmos_account.split(database, name, one["id"])
        cosmos_account.usage(reset=True)
        assert sorted(ids(changes(theirs, continuation=after))) == sorted(f"c{n}" for n in range(20, 40))
        assert cosmos_account.usage()["statuses"]["410"] >= 1
        count = theirs.query_items("SELECT VALUE COUNT(1) FROM c", enable_cross_partition_query=True)
        assert list(count) == [40]


def test_after_a_merge_items_come_by_lsn_and_their_time_goes_back(
    customers: ContainerProxy, cosmos_account: Local
) -> None:
    """Two partitions with clocks apart: what was later in one comes before what was earlier in the other."""
    database, name = names(customers)
    low, high = cosmos_account.split(database, name, "0")
    placed: dict[str, list[int]] = {low["id"]: [], high["id"]: []}
    for number in range(40):
        add(customers, number)
        held = {one["id"]: one["lsn"] for one in cosmos_account.ranges(database, name)}
        moved = next(one for one in held if held[one] > len(placed[one]) + 1)
        placed[moved].append(number)
    try:
        cosmos_account.clock(offset=1000)
        for number in placed[low["id"]][:5]:
            add(customers, number)
        cosmos_account.clock(offset=0)
        for _ in range(3):
            for number in placed[high["id"]][:5]:
                add(customers, number)
    finally:
        cosmos_account.clock(offset=0)
    cosmos_account.merge(database, name, [low["id"], high["id"]])
    read = changes(customers, start_time="Beginning")
    lsns, times = [one["_lsn"] for one in read], [one["_ts"] for one in read]
    assert len(read) == 40
    assert lsns == sorted(lsns)
    assert times != sorted(times)


def test_a_container_made_again_is_another_one(cosmos_account: Local) -> None:
    """A client that knows the old one is told so (400/1024), and the SDK refuses the old continuation."""
    with (
        fresh(cosmos_account) as customers,
        CosmosClient(cosmos_account.endpoint, cosmos_account.key) as other,
    ):
        database, name = names(customers)
        add(customers, 1)
        old = customers.read()["_rid"]
        changes(customers, start_time="Beginning")
        token = position(customers)
        again = other.get_database_client(database)
        again.delete_container(name)
        with pytest.raises(exceptions.CosmosResourceNotFoundError) as missing:
            changes(customers, continuation=token)
        assert missing.value.sub_status == 1003
        again.create_container(name, PartitionKey("/country"))
        cosmos_account.usage(reset=True)
        add(customers, 2)
        assert cosmos_account.usage()["statuses"].get("400") == 1  # then the client learnt of the new one
        assert customers.read()["_rid"] != old
        with pytest.raises(ValueError, match="rid"):
            changes(customers, continuation=token)


async def _read_async(account: Local, name: str) -> tuple[list[str], list[str]]:
    async with AsyncClient(account.endpoint, account.key) as client:
        database = await client.create_database(name)
        container = await database.create_container("customers", PartitionKey("/country"))
        for number in range(20):
            await container.create_item({"id": f"c{number}", "country": f"k{number}"})
        pages = container.query_items_change_feed(start_time="Beginning", max_item_count=7).by_page()
        read = [one["id"] async for one in await anext(pages)]
        account.split(name, "customers", "0")
        async for page in pages:
            read += [one["id"] async for one in page]
        every = []
        async for part in container.read_feed_ranges():
            feed = container.query_items_change_feed(feed_range=part, start_time="Beginning")
            every += [one["id"] async for one in feed]
    return read, every


def test_the_asynchronous_sdk_survives_a_split_too(cosmos_account: Local) -> None:
    read, every = asyncio.run(_read_async(cosmos_account, f"shop-{uuid.uuid4().hex[:8]}"))
    assert sorted(read) == sorted(every) == sorted(f"c{n}" for n in range(20))

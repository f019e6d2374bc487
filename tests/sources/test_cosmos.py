"""A Cosmos DB container as a source: what is read, in which order, and where a run goes on."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey

from cosmos import Local
from ingest.errors import (
    ConfigurationError,
    ContinuationExpired,
    LakepostError,
    LakeUnavailable,
    SourceReplaced,
    SourceUnavailable,
    TopologyError,
)
from ingest.model.container import FeedMode, FeedRange, RequestUnits
from ingest.model.delivery import Bounds, Window
from ingest.model.ports import TokenSource
from ingest.sources import cosmos as module
from ingest.sources.cosmos_feed import Account, Feed
from ingest.sources.cosmos_token import Phase, Token
from tests.infra.cosmos_client import fresh, names
from tests.sources.changes import Reader, ids, rows


@pytest.fixture
def customers(cosmos_account: Local) -> Iterator[ContainerProxy]:
    with fresh(cosmos_account) as container:
        yield container


@pytest.fixture
def reader(cosmos_account: Local, customers: ContainerProxy) -> Reader:
    return Reader(cosmos_account, customers)


def add(container: ContainerProxy, *numbers: int) -> None:
    for number in numbers:
        container.upsert_item({"id": f"c{number}", "country": f"k{number % 7}", "n": number})


def drop(container: ContainerProxy, *numbers: int) -> None:
    for number in numbers:
        container.delete_item(f"c{number}", f"k{number % 7}")


def split(container: ContainerProxy, account: Local) -> None:
    database, name = names(container)
    account.split(database, name, account.ranges(database, name)[0]["id"])


def event_ids(windows: list[Window]) -> list[str]:
    return [str(one.message_id) for window in windows for one in window.deliveries]


def test_it_is_a_source_with_tokens(reader: Reader) -> None:
    assert isinstance(reader.source, TokenSource)
    assert reader.account.key not in repr(Account(reader.account.endpoint, reader.account.key))


def test_the_first_run_takes_a_snapshot_and_the_next_ones_what_changed(reader: Reader) -> None:
    add(reader.container, *range(5))
    assert rows(reader.read()) == [("snapshot", f"c{n}", f"k{n}") for n in range(5)]
    add(reader.container, 5, 1)
    drop(reader.container, 2)
    assert rows(reader.read()) == [("create", "c5", "k5"), ("replace", "c1", "k1"), ("delete", "c2", "k2")]
    assert reader.read() == []


def test_what_changes_between_the_beginning_and_the_end_of_the_snapshot_is_in_the_feed(reader: Reader) -> None:
    """Also what was there and is gone before the snapshot came to it."""
    add(reader.container, *range(6))
    seen: list[Window] = []

    def change(window: Window) -> None:
        seen.append(window)
        if len(seen) == 1:
            add(reader.container, 8)
            drop(reader.container, 8, 5)
        elif len(seen) == 2:
            add(reader.container, 0)

    found = reader.windows(Bounds(rows=2), after_each=change)
    told = rows([one for window in found for one in window.deliveries])
    assert [one for one in told if one[0] != "snapshot"] == [
        ("create", "c8", "k1"),
        ("delete", "c8", "k1"),
        ("delete", "c5", "k5"),
        ("replace", "c0", "k0"),
    ]
    assert {one[1] for one in told if one[0] == "snapshot"} == {f"c{n}" for n in range(5)}


def test_an_empty_container_is_remembered_so_that_nothing_of_it_is_missed_later(reader: Reader) -> None:
    assert [len(window.deliveries) for window in reader.windows()] == [0, 0]
    assert reader.stored.phase is Phase.FEED
    add(reader.container, 1)
    drop(reader.container, 1)
    assert rows(reader.read()) == [("create", "c1", "k1"), ("delete", "c1", "k1")]


def test_a_run_that_ends_anywhere_is_gone_on_from_its_last_token(reader: Reader) -> None:
    """Each run is cut off after one window, in the snapshot and in the feed."""
    add(reader.container, *range(7))
    found: list[tuple[Any, ...]] = []
    for _ in range(12):
        found += rows(reader.read(Bounds(rows=2, max_messages=2)))
        if len(found) == 7:
            reader.read()
            add(reader.container, 20, 21, 22)
    assert [one[1] for one in found] == [*(f"c{n}" for n in range(7)), "c20", "c21", "c22"]


def test_a_window_that_was_not_kept_is_read_again_with_the_same_event_ids(reader: Reader) -> None:
    add(reader.container, *range(9))
    first = event_ids(reader.windows(Bounds(rows=3)))
    begin = reader.token
    add(reader.container, 1, 2, 3, 1, 2)
    changed = event_ids(reader.windows(Bounds(rows=2)))
    again = dataclasses.replace(reader, token=begin)
    assert event_ids(again.windows()) == changed
    assert len({*first, *changed}) == 9 + 5


def test_a_delivery_says_what_raw_is_to_have(reader: Reader) -> None:
    made = reader.container.create_item({"id": "c1", "country": "IS", "n": 1.50})
    reader.read()
    reader.container.upsert_item({"id": "c1", "country": "IS", "n": 2})
    reader.container.delete_item("c1", "IS")
    replaced, deleted = reader.read()
    _, collection = names(reader.container)
    assert replaced.source.endswith(f"/{collection}")
    assert (replaced.content_type, replaced.routing_key, replaced.type) == ("application/json", "-FF", "replace")
    assert replaced.timestamp == datetime.fromtimestamp(json.loads(replaced.body)["_ts"], UTC)
    assert replaced.key == '["c1","IS"]' == deleted.key
    assert replaced.position is not None
    assert deleted.position is not None
    assert replaced.position < deleted.position
    assert deleted.headers["previous_lsn"] == replaced.position
    assert deleted.headers["container_rid"] == reader.stored.container_rid
    assert json.loads(deleted.body) == {"id": "c1", "country": "IS"}
    assert json.loads(replaced.body)["_rid"] == made["_rid"]


def test_columns_and_values_agree(reader: Reader) -> None:
    add(reader.container, 1, 2)
    reader.read()
    add(reader.container, 1)
    drop(reader.container, 2)
    (window,) = reader.windows()
    for piece in window.deliveries.pieces:  # type: ignore[attr-defined]
        columns = piece.arrived().rows.to_pylist()
        for at, value in enumerate(piece):
            row = columns[at]
            assert json.loads(row.pop("headers")) == value.headers
            assert (row.pop("header_names"), row.pop("milliseconds")) == (None, None)
            assert row == {name: getattr(value, name) for name in row}


def test_documents_are_as_the_service_wrote_them(reader: Reader) -> None:
    """Order of members, numbers and escapes are the service's, and not what Python makes of them."""
    reader.read()
    reader.container.create_item({"z": 1, "id": "c1", "a": 10**17, "country": "é\u2028", "f": 1e300})
    (change,) = reader.read()
    (there,) = reader.container.query_items_change_feed(start_time="Beginning")
    assert list(json.loads(change.body))[:5] == ["z", "id", "a", "country", "f"]
    assert json.loads(change.body) == {name: value for name, value in there.items() if name != "_lsn"}
    assert "é".encode() in change.body


def test_an_expired_item_says_that_nobody_deleted_it(cosmos_account: Local) -> None:
    with fresh(cosmos_account, default_ttl=10) as container:
        reader = Reader(cosmos_account, container)
        reader.read()
        add(container, 1)
        cosmos_account.clock(offset=11)
        try:
            created, deleted = reader.read()
        finally:
            cosmos_account.clock(offset=0)
        assert (created.headers.get("ttl_expired"), deleted.headers["ttl_expired"]) == (None, True)


def test_the_latest_version_begins_at_the_beginning_and_tells_no_deletes(
    cosmos_account: Local, customers: ContainerProxy
) -> None:
    reader = Reader(cosmos_account, customers, FeedMode.LATEST_VERSION)
    add(customers, 1, 2, 1)
    assert rows(reader.read()) == [("upsert", "c2", "k2"), ("upsert", "c1", "k1")]
    drop(customers, 2)
    add(customers, 3)
    assert rows(reader.read()) == [("upsert", "c3", "k3")]


HOSTILE = ("a/b", "a\\b", "q?r", "s#t", 'quote"', "snow ☃ \U0001f600", " blank", "é" * 127)


def test_ids_may_be_anything(reader: Reader) -> None:
    reader.read()
    database, name = names(reader.container)
    made = [{"operationType": "Create", "resourceBody": {"id": one, "country": "☃"}} for one in HOSTILE]
    gone = [{"operationType": "Delete", "id": one} for one in HOSTILE]
    reader.account.transaction(database, name, ["☃"], [*made, *gone])
    found = reader.read()
    assert rows(found) == [
        *(("create", one, "☃") for one in HOSTILE),
        *(("delete", one, "☃") for one in HOSTILE),
    ]
    assert len({one.message_id for one in found}) == len(found)


@pytest.mark.parametrize("path", ["/id", "/address/country", "/n", "/missing"])
def test_the_key_has_the_values_of_the_partition_key(cosmos_account: Local, path: str) -> None:
    with fresh(cosmos_account, partition_key=PartitionKey(path)) as container:
        reader = Reader(cosmos_account, container)
        reader.read()
        container.create_item({"id": "c1", "address": {"country": "IS"}, "n": 3.0})
        value: Any = {"/id": "c1", "/address/country": "IS", "/n": 3, "/missing": {}}[path]
        database, name = names(container)
        within = [] if path == "/missing" else [value]
        if within:
            reader.account.transaction(database, name, within, [{"operationType": "Delete", "id": "c1"}])
        found = reader.read()
        assert [json.loads(one.key or "") for one in found] == [["c1", value]] * len(found)
        assert len(found) == 1 + len(within)


def test_a_key_of_several_levels(cosmos_account: Local) -> None:
    with fresh(cosmos_account, partition_key=PartitionKey(["/a/x", "/b"], kind="MultiHash")) as container:
        reader = Reader(cosmos_account, container)
        reader.read()
        container.create_item({"id": "c1", "a": {"x": "1"}, "b": 2.5})
        container.delete_item("c1", ["1", 2.5])
        made, gone = reader.read()
        assert made.key == gone.key == '["c1","1",2.5]'
        assert json.loads(gone.body) == {"id": "c1", "a": {"x": "1"}, "b": 2.5}


def test_a_thousand_changes_of_one_transaction_are_told_apart(reader: Reader) -> None:
    """They share an LSN and a page, and one item is made, changed and deleted in it, twice."""
    reader.read()
    database, name = names(reader.container)
    some = [{"operationType": "Create", "resourceBody": {"id": f"t{n}", "country": "IS"}} for n in range(994)]
    one: list[dict[str, Any]] = [
        {"operationType": "Create", "resourceBody": {"id": "one", "country": "IS"}},
        {"operationType": "Upsert", "resourceBody": {"id": "one", "country": "IS", "n": 1}},
        {"operationType": "Delete", "id": "one"},
    ]
    before = reader.token
    reader.account.transaction(database, name, ["IS"], [*one, *some, *one])
    found = reader.windows(Bounds(rows=10))
    assert [len(window.deliveries) for window in found] == [1000]
    assert len(set(event_ids(found))) == 1000
    assert len({one.position for one in found[0].deliveries}) == 1
    again = dataclasses.replace(reader, token=before)
    assert event_ids(again.windows()) == event_ids(found)


def test_an_item_of_two_megabytes(reader: Reader) -> None:
    reader.read()
    text = "x" * (2 * 1024 * 1024 - 500)
    for number in range(3):
        reader.container.create_item({"id": f"c{number}", "country": "IS", "text": text})
    found = reader.windows(Bounds(bytes=1024 * 1024, rows=1))
    assert [len(window.deliveries) for window in found] == [1, 1, 1]
    assert all(len(window.deliveries[0].body) > 2 * 1024 * 1024 - 500 for window in found)


def test_a_clock_that_goes_back_changes_no_order(reader: Reader) -> None:
    reader.read()
    try:
        reader.account.clock(offset=5000)
        add(reader.container, 1)
        reader.account.clock(offset=0)
        add(reader.container, 2, 1)
        found = reader.read()
    finally:
        reader.account.clock(offset=0)
    assert ids(found) == ["c1", "c2", "c1"]
    first, second = found[0].timestamp, found[1].timestamp
    assert first is not None
    assert second is not None
    assert first > second
    assert reader.read() == []


def test_a_run_is_bounded_by_messages_and_goes_on_with_the_next_one(reader: Reader) -> None:
    add(reader.container, *range(9))
    assert len(reader.read(Bounds(max_messages=4))) == 4
    assert len(reader.read()) == 5


def test_a_run_with_a_time_limit_waits_for_what_comes(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.05)
    add(reader.container, 1)

    async def run() -> list[str]:
        found: list[str] = []
        stop = asyncio.Event()
        async with asyncio.timeout(60), reader.source as source:
            source.resume(None)
            async for window in source.windows(Bounds(max_seconds=50, seconds=0.3), None, stop):
                found += ids(list(window.deliveries))
                if found == ["c1"]:
                    await asyncio.to_thread(add, reader.container, 2)
                elif found:
                    stop.set()
        return found

    assert asyncio.run(run()) == ["c1", "c2"]


def test_a_quiet_feed_is_remembered_before_the_service_forgets_it(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.read()
    assert reader.windows() == []
    monkeypatch.setattr(module, "_STALE_SECONDS", -1.0)
    (window,) = reader.windows()
    assert len(window.deliveries) == 0
    add(reader.container, 1)
    assert rows(reader.read()) == [("create", "c1", "k1")]


# Splits and merges.


def spread(account: Local, container: ContainerProxy) -> list[Reader]:
    """A reader for each physical range."""
    database, name = names(container)
    found = account.ranges(database, name)
    return [Reader(account, container, within=FeedRange(one["low"], one["high"])) for one in found]


def test_feed_ranges_are_read_side_by_side_and_have_everything_once(cosmos_account: Local) -> None:
    with fresh(cosmos_account) as container:
        database, name = names(container)
        cosmos_account.split(database, name, "0")
        readers = spread(cosmos_account, container)
        assert len({reader.source.application for reader in readers}) == 2
        add(container, *range(40))
        found = [ids(reader.read()) for reader in readers]
        assert all(found)
        assert sorted(chain.from_iterable(found)) == sorted(f"c{n}" for n in range(40))


def test_a_snapshot_of_a_range_that_was_split_can_be_ended_anywhere(reader: Reader) -> None:
    """The SDK does not take a continuation back in which one of the two new ranges has no place yet."""
    database, name = names(reader.container)
    add(reader.container, *range(30))
    reader.account.split(database, name, "0")
    found: list[str] = []
    while not found or reader.stored.phase is Phase.SNAPSHOT:
        found += ids(reader.read(Bounds(max_messages=3)))
    assert sorted(found) == sorted(f"c{n}" for n in range(30))


@pytest.mark.parametrize("phase", ["snapshot", "feed"])
def test_splits_and_merges_in_the_middle_of_a_run_lose_and_double_nothing(reader: Reader, phase: str) -> None:
    database, name = names(reader.container)
    if phase == "feed":
        reader.read()
    add(reader.container, *range(30))

    def ranges() -> list[str]:
        return [one["id"] for one in reader.account.ranges(database, name)]

    def split(_: Window) -> None:
        if len(ranges()) == 1:
            reader.account.split(database, name, ranges()[0])
        else:
            reader.account.merge(database, name, ranges())

    found = reader.windows(Bounds(rows=3), after_each=split)
    told = [one for window in found for one in window.deliveries]
    distinct = {str(one.message_id): one for one in told}
    assert sorted(ids(list(distinct.values()))) == sorted(f"c{n}" for n in range(30))
    assert len(told) == 30
    drop(reader.container, *range(30))
    assert sorted(ids(reader.read())) == sorted(f"c{n}" for n in range(30))


def test_readers_whose_ranges_overlap_after_a_merge_give_the_same_event_ids(cosmos_account: Local) -> None:
    """The boundary of a later split cuts feed ranges, and the SDK reads the whole of both sides: twice, not lost."""
    with fresh(cosmos_account) as container:
        database, name = names(container)
        cosmos_account.split(database, name, "0")
        readers = spread(cosmos_account, container)
        for reader in readers:
            reader.read()
        cosmos_account.merge(database, name, [one["id"] for one in cosmos_account.ranges(database, name)])
        (merged,) = cosmos_account.ranges(database, name)
        cosmos_account.split(database, name, merged["id"], "10" + "0" * 30)
        add(container, *range(40))
        told = [one for reader in readers for one in reader.read()]
        assert {*ids(told)} == {f"c{n}" for n in range(40)}
        assert len({one.message_id for one in told}) == 40 <= len(told)


# What goes wrong.


def test_throttling_is_waited_for(reader: Reader) -> None:
    add(reader.container, *range(3))
    reader.account.fault(kind="feed", times=3, status=429, retry_after_ms=10)
    assert len(reader.read()) == 3


def test_throttling_without_end_is_transient_and_the_run_is_gone_on_with(reader: Reader) -> None:
    add(reader.container, *range(3))
    reader.windows(Bounds(max_messages=1))
    reader.account.fault(kind="feed", times=1000, status=429, retry_after_ms=1)
    try:
        with pytest.raises(SourceUnavailable, match="429"):
            reader.read()
    finally:
        reader.account.clear_faults()
    assert len(reader.read()) == 2


@pytest.mark.parametrize("fault", [{"status": 503}, {"cut": "before"}, {"cut": "middle"}])
def test_a_failing_service_is_transient(reader: Reader, fault: dict[str, Any]) -> None:
    add(reader.container, *range(3))
    reader.account.fault(kind="feed", times=200, **fault)
    try:
        with pytest.raises(SourceUnavailable):
            reader.read()
    finally:
        reader.account.clear_faults()
    assert len(reader.read()) == 3


def test_a_service_that_was_restarted_is_read_on(tmp_path: Path) -> None:
    with Local(tmp_path) as account, fresh(account) as container:
        reader = Reader(account, container)
        add(container, *range(6))

        def restart(window: Window) -> None:
            if window.deliveries:
                account.kill()
                account.start()

        found = reader.windows(Bounds(rows=2), after_each=restart)
        assert sum(len(window.deliveries) for window in found) == 6
        account.kill()
        with pytest.raises(SourceUnavailable):
            reader.read()


def test_a_split_that_is_going_on_is_no_expired_continuation(reader: Reader) -> None:
    reader.read()
    add(reader.container, 1)
    reader.account.fault(kind="feed", times=1, status=410, substatus=1007)
    try:
        found = reader.read()
    except SourceUnavailable:
        found = reader.read()
    finally:
        reader.account.clear_faults()
    assert ids(found) == ["c1"]


def test_a_wrong_key_is_a_matter_of_configuration_and_shows_nowhere(reader: Reader) -> None:
    reader.key = "d3Jvbmcgd3Jvbmcgd3Jvbmc="
    with pytest.raises(ConfigurationError, match="LAKEPOST_COSMOS_KEY") as refused:
        reader.read()
    assert reader.key not in f"{refused.value!r}{refused.value}"


def test_no_container_of_that_name(cosmos_account: Local) -> None:
    with CosmosClient(cosmos_account.endpoint, cosmos_account.key) as client:
        container = client.get_database_client("nowhere").get_container_client("nothing")
        with pytest.raises(TopologyError, match="nowhere/nothing"):
            Reader(cosmos_account, container).read()


def test_an_account_without_continuous_backup_has_no_feed_of_all_versions(tmp_path: Path) -> None:
    with Local(tmp_path, retention=0) as account, fresh(account) as container:
        with pytest.raises(TopologyError, match="continuous backup"):
            Reader(account, container).read()
        add(container, 1)
        assert len(Reader(account, container, FeedMode.LATEST_VERSION).read()) == 1


def test_a_continuation_beyond_the_retention_is_an_error_of_its_own(cosmos_account: Local) -> None:
    with fresh(cosmos_account, change_feed_policy={"retentionDuration": 10}) as container:
        reader = Reader(cosmos_account, container)
        reader.read()
        add(container, 1)
        try:
            cosmos_account.clock(offset=601)
            add(container, 2)
            with pytest.raises(ContinuationExpired, match="retention"):
                reader.read()
        finally:
            cosmos_account.clock(offset=0)


def again(reader: Reader) -> ContainerProxy:
    """The container deleted and made again, by somebody else."""
    database, name = names(reader.container)
    inside = CosmosClient(reader.account.endpoint, reader.account.key).get_database_client(database)
    inside.delete_container(name)
    return inside.create_container(name, partition_key=PartitionKey("/country"))


@pytest.mark.parametrize("phase", ["snapshot", "feed"])
def test_a_container_made_again_is_never_read_with_the_old_token(reader: Reader, phase: str) -> None:
    add(reader.container, *range(4))
    reader.windows(Bounds(max_messages=2) if phase == "snapshot" else Bounds())
    add(again(reader), *range(9))
    with pytest.raises(SourceReplaced, match="made again"):
        reader.read()


@pytest.mark.parametrize("phase", ["snapshot", "feed"])
def test_a_container_made_again_while_it_is_read_is_seen(reader: Reader, phase: str) -> None:
    if phase == "feed":
        reader.read()
    add(reader.container, *range(6))
    made: list[ContainerProxy] = []

    def replace(window: Window) -> None:
        if window.deliveries and not made:
            made.append(again(reader))
            add(made[0], *range(20))

    with pytest.raises(SourceReplaced):
        reader.windows(Bounds(rows=2), after_each=replace)


def test_a_container_made_again_before_anything_of_it_was_read(reader: Reader) -> None:
    """The first token has no continuation that the SDK could refuse, and an empty container tells nothing."""
    add(reader.container, 1)
    reader.token = dataclasses.replace(_first(reader), then=None).encode()
    again(reader)
    with pytest.raises(SourceReplaced):
        reader.read()


def _first(reader: Reader) -> Token:
    tokens = [window.token for window in dataclasses.replace(reader).windows()]
    assert tokens[0] is not None
    return Token.decode(tokens[0])


def test_a_page_of_another_container_is_never_taken(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the SDK go on in the new one: it looks the container up anew, and asks once more, when it is told."""
    add(reader.container, 1)
    page = Feed.page
    monkeypatch.setattr(Feed, "page", lambda *given: dataclasses.replace(page(*given), rid="another"))
    with pytest.raises(SourceReplaced):
        reader.read()


def test_a_token_of_another_mode_or_of_nothing_is_refused(reader: Reader) -> None:
    reader.read()
    reader.mode = FeedMode.LATEST_VERSION
    with pytest.raises(ConfigurationError, match="mode"):
        reader.read()
    reader.token = b'{"continuation": 7}'
    with pytest.raises(LakeUnavailable, match="token"):
        reader.read()


def test_a_continuation_that_is_none_is_expired(reader: Reader) -> None:
    reader.read()
    reader.token = dataclasses.replace(reader.stored, continuation="bm90aGluZw==").encode()
    with pytest.raises(ContinuationExpired):
        reader.read()


def test_every_error_is_one_of_ours(reader: Reader) -> None:
    """Whatever the service answers, and the SDK makes of it."""
    reader.read()
    add(reader.container, 1)
    for status in (400, 401, 403, 404, 410, 449, 500):
        reader.account.fault(kind="feed", times=60, status=status, retry_after_ms=1)
        try:
            with pytest.raises(LakepostError) as raised:
                reader.read()
        finally:
            reader.account.clear_faults()
        assert raised.value.remedy, status
    assert ids(reader.read()) == ["c1"]


# Another snapshot.


@pytest.mark.parametrize("mode", list(FeedMode))
def test_a_snapshot_anew_is_of_the_next_generation_and_the_feed_goes_on_after_it(
    cosmos_account: Local, customers: ContainerProxy, mode: FeedMode
) -> None:
    reader = Reader(cosmos_account, customers, mode)
    add(customers, *range(4))
    first = event_ids(reader.windows())
    drop(customers, 0)
    add(customers, 1)
    reader.anew = True
    again = reader.windows()
    assert ids([one for window in again for one in window.deliveries]) == ["c2", "c3", "c1"]
    assert reader.stored.generation == 1
    # Of the latest version feed an item that did not change is the same event; a snapshot's is another one.
    assert len({*first, *event_ids(again)}) == (5 if mode is FeedMode.LATEST_VERSION else 7)
    reader.anew = False
    add(customers, 7)
    assert ids(reader.read()) == ["c7"]
    assert reader.stored.generation == 1


def test_a_snapshot_anew_recovers_from_an_expired_continuation(cosmos_account: Local) -> None:
    with fresh(cosmos_account, change_feed_policy={"retentionDuration": 10}) as container:
        reader = Reader(cosmos_account, container)
        add(container, 1)
        reader.read()
        add(container, 2)
        try:
            cosmos_account.clock(offset=601)
            drop(container, 1)
            with pytest.raises(ContinuationExpired):
                reader.read()
            reader.anew = True
            assert rows(reader.read()) == [("snapshot", "c2", "k2")]
            reader.anew = False
            drop(container, 2)
            assert rows(reader.read()) == [("delete", "c2", "k2")]
        finally:
            cosmos_account.clock(offset=0)


def test_a_container_made_again_is_taken_anew_on_purpose(reader: Reader) -> None:
    add(reader.container, 1)
    reader.read()
    add(again(reader), 1, 2)
    reader.anew = True
    assert ids(reader.read()) == ["c1", "c2"]
    reader.anew = False
    assert (reader.stored.generation, reader.read()) == (1, [])


# Request units.


def test_request_units_are_counted_as_the_service_charges_them(reader: Reader) -> None:
    add(reader.container, *range(20))
    reader.account.usage(reset=True)
    reader.account.fault(kind="feed", times=1, status=429, retry_after_ms=1)
    reader.read()
    told = reader.account.usage()["units"]
    assert reader.units.used >= told["feed"] > 0
    assert reader.units.used == pytest.approx(sum(told.values()), abs=3)


def test_a_run_ends_when_its_request_units_are_used_up_and_the_next_one_goes_on(reader: Reader) -> None:
    add(reader.container, *range(30))
    found: list[str] = []
    runs = 0
    while len(found) < 30:
        reader.units = RequestUnits(5)
        found += ids(reader.read(Bounds(rows=2)))
        assert reader.units.used < 5 + 5
        runs += 1
    assert found == [f"c{n}" for n in range(30)]
    assert runs > 3
    reader.units = RequestUnits(0)
    assert reader.windows() == []


def test_an_event_id_tells_nothing_of_whose_it_is(reader: Reader) -> None:
    name = f"private-{uuid.uuid4().hex}"
    reader.container.create_item({"id": name, "country": "IS"})
    (one,) = reader.read()
    assert name not in str(one.message_id)

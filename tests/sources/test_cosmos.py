"""A Cosmos DB container as a source: what is read, in which order, and where a run goes on."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.cosmos import ContainerProxy, PartitionKey

from cosmos import Local
from ingest.model.container import FeedMode
from ingest.model.delivery import Bounds, Window
from ingest.model.ports import TokenSource
from ingest.sources import cosmos as module
from ingest.sources.cosmos_feed import Account
from ingest.sources.cosmos_token import Phase
from tests.infra.cosmos_client import fresh, names
from tests.sources.changes import Reader, add, drop, event_ids, ids, rows


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
        reader = Reader(cosmos_account, container, keyed_by=(path,))
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
        reader = Reader(cosmos_account, container, keyed_by=("/a/x", "/b"))
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

"""A Cosmos DB container as a source while its partitions are split and merged."""

from __future__ import annotations

from itertools import chain
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.core.pipeline.transport import RequestsTransport
from azure.cosmos import ContainerProxy

from cosmos import Local
from ingest.model.container import FeedRange
from ingest.model.delivery import Bounds, Window
from ingest.sources.cosmos_token import Phase
from tests.infra.cosmos_client import fresh, names
from tests.sources.changes import Reader, add, drop, ids


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


def test_a_page_without_documents_ends_no_snapshot_though_the_range_after_it_has_nothing_new(
    cosmos_account: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service may give one where more follows; of several ranges the SDK asks the next one then."""
    send = RequestsTransport.send
    asked: list[str] = []

    def third_is_empty(transport: RequestsTransport, request: Any, **options: Any) -> Any:
        response = send(transport, request, **options)
        is_feed = request.headers.get("A-IM", "").lower().startswith("incremental")
        if is_feed and urlsplit(request.url).path.rstrip("/").endswith("/docs"):
            asked.append(request.headers.get("If-None-Match"))
            if len(asked) == 3:
                response.headers["etag"] = asked[-1]
                response.body = lambda: b'{"_rid":"","Documents":[],"_count":0}'
        return response

    with fresh(cosmos_account) as container:
        cosmos_account.split(*names(container), "0")
        add(container, *range(40))
        _, other = (ids(one.read()) for one in spread(cosmos_account, container))
        drop(container, *(int(one[1:]) for one in other[1:]))
        monkeypatch.setattr(RequestsTransport, "send", third_is_empty)
        whole = Reader(cosmos_account, container)
        assert len(whole.read(Bounds(rows=4))) == 41 - len(other)
        assert len(asked) > 3


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


def test_readers_whose_ranges_overlap_after_a_merge_leave_each_other_what_is_not_theirs(cosmos_account: Local) -> None:
    """The boundary of a later split cuts feed ranges, and the SDK reads the whole of both sides."""
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
        assert len({one.message_id for one in told}) == 40 == len(told)

"""A Cosmos DB container as a source that is read anew: on purpose, after a gap, or since it was made again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import pyarrow as pa
import pytest
from azure.cosmos import ContainerProxy

from cosmos import Local
from ingest.errors import ContinuationExpired, SourceUnavailable
from ingest.model.container import FeedMode
from ingest.model.delivery import Bounds, Window
from ingest.sources.cosmos_errors import cosmos_errors
from ingest.sources.cosmos_token import Phase, Token
from tests.infra.cosmos_client import fresh
from tests.sources.changes import Reader, add, again, drop, event_ids, ids, rows


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


@pytest.fixture
def forgetful(cosmos_account: Local) -> Iterator[Reader]:
    """A container that keeps changes for ten minutes at most."""
    with fresh(cosmos_account, change_feed_policy={"retentionDuration": 10}) as container:
        yield Reader(cosmos_account, container)
    cosmos_account.clock(offset=0)


def knows(*keys: str) -> pa.Table:
    return pa.table({"key": pa.array(keys, pa.string())})


def test_an_expired_continuation_is_recovered_from_in_the_same_run(forgetful: Reader) -> None:
    """The gap comes first, then the snapshot, then what it did not find, and then the feed goes on."""
    add(forgetful.container, 1, 2)
    forgetful.read()
    add(forgetful.container, 3)
    drop(forgetful.container, 1)
    before = forgetful.stored
    forgetful.account.clock(offset=601)
    add(forgetful.container, 4)
    asked: list[int] = []

    def known(generation: int) -> Iterator[pa.Table]:
        asked.append(generation)
        yield knows('["c1","k1"]')

    forgetful.known = known
    found = forgetful.windows()
    told = [one for window in found for one in window.deliveries]
    assert rows(told) == [
        ("snapshot", "c2", "k2"),
        ("snapshot", "c3", "k3"),
        ("snapshot", "c4", "k4"),
        ("delete (inferred)", "c1", "k1"),
    ]
    assert asked == [1]
    (gap,) = forgetful.gaps
    assert found[0].gap == gap
    assert len(found[0].deliveries) == 0
    assert (gap.generation, gap.feed_range) == (1, f"{told[0].source}:-FF")
    assert "retention" in gap.why
    assert gap.since <= gap.until
    assert before.begun <= forgetful.stored.begun
    add(forgetful.container, 5)
    assert rows(forgetful.read()) == [("create", "c5", "k5")]
    assert (len(forgetful.gaps), forgetful.stored.generation) == (1, 1)


def test_what_was_read_before_the_feed_expired_is_given_first(reader: Reader) -> None:
    reader.read()
    add(reader.container, *range(4))

    def forget(window: Window) -> None:
        if len(window.deliveries) == 2 and not reader.gaps:
            reader.account.fault(kind="feed", times=1, status=400)

    found = reader.windows(Bounds(rows=2), after_each=forget)
    assert [(one.operation, one.key) for one in found[0].deliveries] == [
        ("create", '["c0","k0"]'),
        ("create", '["c1","k1"]'),
    ]
    told = rows([one for window in found[1:] for one in window.deliveries])
    assert told == [("snapshot", f"c{n}", f"k{n}") for n in range(4)]


def test_a_continuation_that_is_none_is_a_gap(reader: Reader) -> None:
    add(reader.container, 1)
    reader.read()
    reader.token = dataclasses.replace(reader.stored, continuation="bm90aGluZw==").encode()
    assert rows(reader.read()) == [("snapshot", "c1", "k1")]
    assert reader.stored.generation == 1


def test_a_feed_that_expires_again_in_the_same_run_is_told(reader: Reader) -> None:
    """It would never end otherwise; each run makes one try."""
    add(reader.container, 1)
    reader.read()
    reader.account.fault(kind="feed", times=1, status=400)
    reader.account.fault(kind="feed", times=10, after=3, status=400)
    try:
        with pytest.raises(ContinuationExpired, match="does not go on") as expired:
            reader.read()
    finally:
        reader.account.clear_faults()
    assert "retention" in expired.value.remedy
    assert len(reader.gaps) == 1
    reader.read()
    assert reader.stored.phase is Phase.FEED


def test_an_inferred_delete_says_what_raw_is_to_have_and_the_same_when_it_is_given_again(reader: Reader) -> None:
    add(reader.container, 1)
    reader.read()
    gone = ['["a/b \\"q\\" ☃","IS"]', '["c2",{}]', '["c3",7]']
    reader.anew, reader.known = True, lambda _: iter([knows(*gone)])
    found = [one for one in reader.read() if one.operation == "delete (inferred)"]
    assert [one.key for one in found] == gone
    assert [json.loads(one.body) for one in found] == [
        {"id": 'a/b "q" ☃', "country": "IS"},
        {"id": "c2"},
        {"id": "c3", "country": 7},
    ]
    stored = reader.stored
    one = found[0]
    assert (one.position, one.type, one.routing_key) == (0, "delete (inferred)", "-FF")
    assert one.headers == {"container_rid": stored.container_rid, "generation": 1}
    assert one.timestamp is not None
    assert one.timestamp.timestamp() == int(stored.begun)
    prefix = f"lakepost:change:{stored.container_rid}:inferred-1:0:"
    assert all(str(each.message_id).startswith(prefix) for each in found)
    assert len({each.message_id for each in found}) == 3
    reader.anew = False
    reader.token = dataclasses.replace(stored, phase=Phase.INFERRING).encode()
    assert [each.message_id for each in reader.read()] == [each.message_id for each in found]
    assert reader.stored.phase is Phase.FEED


def test_inferred_deletes_come_in_windows_and_count_like_other_messages(reader: Reader) -> None:
    """The token before them goes with each: whoever is killed asks the lake again."""
    reader.read()
    gone = [f'["c{n}","IS"]' for n in range(10)]
    reader.anew, reader.known = True, lambda _: iter([knows(*gone[:6]), knows(*gone[6:])])
    found = reader.windows(Bounds(rows=4))
    sizes = [len(window.deliveries) for window in found if window.deliveries]
    assert sizes == [4, 4, 2]
    phases = [Token.decode(window.token or b"").phase for window in found]
    assert phases == [Phase.SNAPSHOT, *[Phase.INFERRING] * 4, Phase.FEED]
    assert len(reader.windows(Bounds(rows=100, bytes=100))) > 6
    reader.read(Bounds(max_messages=3))
    assert reader.stored.phase is Phase.INFERRING


def test_a_token_of_before_can_be_read(reader: Reader) -> None:
    """It had neither the time at which its generation began, nor when it was last read to its end."""
    add(reader.container, 1)
    reader.read()
    told = json.loads(reader.stored.encode())
    del told["begun"], told["caught_up"]
    reader.token = json.dumps(told).encode()
    add(reader.container, 2)
    assert ids(reader.read()) == ["c2"]


def test_a_gap_begins_where_the_feed_was_last_read_to_its_end(reader: Reader) -> None:
    """A run that was cut off was behind: what it had not come to is in the gap, too."""
    add(reader.container, 1)
    reader.read()
    add(reader.container, 2)
    reader.read()
    caught_up = reader.stored.caught_up
    assert caught_up > reader.stored.begun
    add(reader.container, *range(5))
    reader.read(Bounds(max_messages=2))
    assert reader.stored.caught_up == reader.stored.known_until == caught_up


def test_a_container_made_again_is_taken_anew_on_purpose(reader: Reader) -> None:
    add(reader.container, 1)
    reader.read()
    add(again(reader), 1, 2)
    reader.anew = True
    assert ids(reader.read()) == ["c1", "c2"]
    reader.anew = False
    assert (reader.stored.generation, reader.read()) == (1, [])


def test_a_client_that_does_not_find_the_ranges_is_tried_again() -> None:
    """It asks for a range that is gone, one call deeper each time; a new run begins with the ranges of now."""
    with pytest.raises(SourceUnavailable, match="ranges"), cosmos_errors("shop/customers", "reading"):
        raise RecursionError

"""Pages of a change feed as deliveries: keys, ids and texts, without a service."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from ingest.model.container import FeedMode
from ingest.model.delivery import Delivery
from ingest.sources.cosmos_changes import Changes, Origin, together
from ingest.sources.cosmos_item import as_written

ORIGIN = Origin("shop/customers", "-FF", "rid=", (("address", "country"),), FeedMode.ALL_VERSIONS)


def change(current: Any, **metadata: Any) -> dict[str, Any]:
    return {"current": current, "metadata": {"lsn": 7, "crts": 1_700_000_000, "operationType": "create", **metadata}}


def told(*documents: Any, origin: Origin = ORIGIN) -> list[Delivery]:
    found = Changes([as_written(one) for one in documents], origin)
    return [found[at] for at in range(len(found))]


def keys(*items: Any) -> list[str | None]:
    return [one.key for one in told(*map(change, items))]


@pytest.mark.parametrize(
    ("country", "key"),
    [
        ("IS", '"IS"'),
        (1, "1"),
        (1.0, "1"),
        (-0.0, "0"),
        (1.5, "1.5"),
        (None, "null"),
        (True, "true"),
        (2**60, str(2**60)),
    ],
)
def test_a_key_has_one_text_for_one_value(country: Any, key: str) -> None:
    assert keys({"id": "c1", "address": {"country": country}}) == [f'["c1",{key}]']


def test_a_value_that_is_not_there_differs_from_null() -> None:
    assert keys({"id": "c1"}, {"id": "c1", "address": 1}, {"id": "c1", "address": {}}) == ['["c1",{}]'] * 3


def test_a_delete_has_the_key_of_its_item() -> None:
    for told_as in ({"country": "IS"}, {"/address/country": "IS"}, {"address/country": "IS"}):
        (gone,) = told(change({}, operationType="delete", id="c1", partitionKey=told_as))
        assert gone.key == '["c1","IS"]'
        assert json.loads(gone.body) == {"id": "c1", "address": {"country": "IS"}}
    (nowhere,) = told({"metadata": {"lsn": 1, "crts": 1, "operationType": "delete", "id": "c1", "partitionKey": {}}})
    assert nowhere.key == '["c1",{}]'


def test_changes_of_one_item_within_an_lsn_are_numbered_and_of_two_items_are_apart() -> None:
    one, two = ({"id": name, "address": {"country": "IS"}} for name in ("c1", "c2"))
    found = [str(each.message_id) for each in told(change(one), change(two), change(one), change(one, lsn=8))]
    assert len(set(found)) == 4
    assert [name.rpartition(":")[2] for name in found] == ["0", "0", "1", "0"]
    assert found[0] == str(told(change(two), change(one))[1].message_id)


def test_a_snapshot_is_no_change_and_each_generation_is_another_one() -> None:
    item = {"id": "c1", "address": {"country": "IS"}, "_lsn": 7, "_ts": 1}
    found = {
        str(told(item, origin=Origin(*_ORIGIN, FeedMode.LATEST_VERSION, generation, is_snapshot))[0].message_id)
        for generation in (0, 1)
        for is_snapshot in (True, False)
    }
    assert len(found) == 3  # the latest version of an item is the same change in each generation
    assert str(told(change(item))[0].message_id) in found


_ORIGIN = (ORIGIN.source, ORIGIN.feed_range, ORIGIN.container_rid, ORIGIN.paths)


def test_an_id_is_the_same_forever() -> None:
    """Where it would change, what is in raw would be read again as something new."""
    item = {"id": "c1", "address": {"country": "IS"}}
    hashed = "4a4fc735c6e0a8858c370d21263fa4b9"
    assert told(change(item))[0].message_id == f"lakepost:change:rid=:7:{hashed}:0"
    snapshot = Origin(*_ORIGIN, FeedMode.ALL_VERSIONS, 2, is_snapshot=True)
    found = told({**item, "_lsn": 7, "_ts": 1}, {"id": "c1", "_lsn": 8, "_ts": 1}, origin=snapshot)
    assert found[0].message_id == f"lakepost:change:rid=:snapshot-2:7:{hashed}:0"
    assert found[0].headers == {"container_rid": "rid=", "generation": 2}


def test_pages_read_together_say_what_each_of_them_says() -> None:
    one, two = ({"id": name, "address": {"country": "IS"}} for name in ("c1", "c2"))
    pages = [[change(one), change(one)], [change(two)], [change(one), change(two)]]
    apart = [Changes([as_written(each) for each in page], ORIGIN) for page in pages]
    other = Changes([as_written({**one, "_lsn": 7, "_ts": 1})], Origin(*_ORIGIN, FeedMode.LATEST_VERSION))
    rows = pa.concat_tables([page.arrived().rows for page in [*apart, other]])
    pieces = together([*apart, other])
    assert [len(piece) for piece in pieces] == [5, 1]
    assert pa.concat_tables([piece.arrived().rows for piece in pieces]).equals(rows)
    assert [pieces[0][at].message_id for at in range(5)] == rows["message_id"].to_pylist()[:5]


def test_bytes_are_carried_as_they_are() -> None:
    text = b'{"id" : "c1",\n "n":1.50e0, "s":"\\u00e9\\/", "address":{"country":"IS"}}'
    raw = msgspec.Raw(b'{"current":' + text + b',"metadata":{"lsn":1,"crts":2,"operationType":"create","new":[1]}}')
    assert Changes([raw], ORIGIN)[0].body == text


def test_half_a_surrogate_pair_is_carried_wherever_it_stands() -> None:
    """JavaScript writes it, and most parsers refuse it."""
    half = "half \ud83d"
    found = told(
        change({"id": "c1", "name": half, "address": {"country": "IS"}}),
        change({"id": half, "address": {"country": half}}),
        change({}, operationType="delete", id=half, partitionKey={"country": half}),
    )
    assert json.loads(found[0].body)["name"] == half
    assert found[0].key == '["c1","IS"]'
    assert found[1].key == found[2].key
    assert json.loads(found[1].key or "") == [half, half]
    assert Changes([as_written(change({"id": half}))], ORIGIN).arrived().rows.num_rows == 1


def test_a_number_beyond_a_float_elsewhere_in_the_item_is_none_of_our_business() -> None:
    item = b'{"id":"c1","n":1E999,"address":{"country":"IS"}}'
    raw = b'{"current":' + item + b',"metadata":{"lsn":1,"crts":2,"operationType":"create"}}'
    assert Changes([msgspec.Raw(raw)], ORIGIN)[0].key == '["c1","IS"]'


def test_a_time_that_is_none_is_null() -> None:
    item = {"id": "c1"}
    assert [one.timestamp for one in told(change(item, crts=-1), change(item, crts=10**15))] == [None, None]

"""Into which slices a container is read."""

from __future__ import annotations

from itertools import chain, pairwise
from pathlib import Path

import pytest

from cosmos import Local
from ingest.errors import TopologyError
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.container import ContainerBinding, FeedRange
from ingest.sources.cosmos_feed import Account
from ingest.sources.cosmos_ranges import chosen, feed_ranges
from tests.infra.cosmos_client import fresh, names
from tests.sources.changes import Reader, ids

WHOLE = [FeedRange()]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 64])
@pytest.mark.parametrize("physical", [1, 2, 5])
def test_slices_are_as_many_as_asked_for_and_cover_everything_once(count: int, physical: int) -> None:
    found = chosen(chosen(WHOLE, physical), count)
    assert len(found) == len(set(found)) == count
    assert (found[0].low, found[-1].high) == ("", "FF")
    assert all(one.high == other.low and one.low < one.high for one, other in pairwise(found))


def test_slices_keep_the_boundaries_of_physical_ranges_where_they_can() -> None:
    two = [FeedRange("", "10" + "0" * 30), FeedRange("10" + "0" * 30, "FF")]
    assert chosen(two, 2) == two
    assert {one.low for one in two} <= {one.low for one in chosen(two, 4)}


def test_boundaries_of_a_key_of_several_levels() -> None:
    """Two that differ in the second level only count as one."""
    low, high = "10" + "0" * 30, "10" + "0" * 30 + "20" + "0" * 30
    assert chosen([FeedRange("", low), FeedRange(low, high), FeedRange(high, "FF")], 2) == [
        FeedRange("", low),
        FeedRange(low, "FF"),
    ]


def test_everything_is_in_one_slice(cosmos_account: Local) -> None:
    with fresh(cosmos_account) as container:
        database, name = names(container)
        cosmos_account.split(database, name, "0")
        account = Account(cosmos_account.endpoint, cosmos_account.key)
        assert len(feed_ranges(account, ContainerBinding(database, name))) == 2
        slices = feed_ranges(account, ContainerBinding(database, name, feed_ranges=5))
        for number in range(50):
            container.create_item({"id": f"c{number}", "country": f"k{number}"})
        found = [ids(Reader(cosmos_account, container, within=one).read()) for one in slices]
        assert sorted(chain.from_iterable(found)) == sorted(f"c{number}" for number in range(50))


def test_no_container_has_no_ranges(cosmos_account: Local) -> None:
    account = Account(cosmos_account.endpoint, cosmos_account.key)
    with pytest.raises(TopologyError, match="nowhere/nothing"):
        feed_ranges(account, ContainerBinding("nowhere", "nothing"))


def test_the_lake_keeps_the_first_choice(tmp_path: Path) -> None:
    lake = DeltaLake(LocalStorage(tmp_path))
    first = chosen(WHOLE, 3)
    assert lake.feed_ranges("customers", "shop/customers", lambda: first) == first
    assert DeltaLake(LocalStorage(tmp_path)).feed_ranges("customers", "shop/customers", lambda: WHOLE) == first
    assert lake.feed_ranges("customers", "shop/others", lambda: WHOLE) == WHOLE


def test_of_two_that_choose_at_once_both_take_one_choice(tmp_path: Path) -> None:
    lake, first = DeltaLake(LocalStorage(tmp_path)), chosen(WHOLE, 2)

    def late() -> list[FeedRange]:
        assert lake.feed_ranges("customers", "shop/customers", lambda: first) == first
        return WHOLE

    assert lake.feed_ranges("customers", "shop/customers", late) == first

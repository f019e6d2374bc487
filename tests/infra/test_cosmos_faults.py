"""The local Cosmos, faults: what it can be told to do wrong, and how the SDK takes it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from azure.core.exceptions import AzureError
from azure.cosmos import ContainerProxy
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceExistsError

from cosmos import AdminRefused, Local
from tests.infra.cosmos_client import changes, fresh, ids, names, paged, position


@pytest.fixture
def customers(cosmos_account: Local) -> Iterator[ContainerProxy]:
    with fresh(cosmos_account) as container:
        yield container
        cosmos_account.clear_faults()


def add(container: ContainerProxy, *numbers: int) -> None:
    for number in numbers:
        container.upsert_item({"id": f"c{number}", "country": f"k{number}", "n": number})


def test_a_storm_of_429_is_waited_out(customers: ContainerProxy, cosmos_account: Local) -> None:
    """The SDK waits as long as it is told and tries again; beyond its attempts it gives the 429 up."""
    add(customers, 1)
    cosmos_account.fault(kind="feed", container="customers", times=5, status=429, substatus=3200, retry_after_ms=20)
    began = time.monotonic()
    assert ids(changes(customers, start_time="Beginning")) == ["c1"]
    assert time.monotonic() - began >= 0.1
    assert not cosmos_account.faults()

    cosmos_account.fault(kind="write", times=100, status=429, retry_after_ms=1)
    with pytest.raises(CosmosHttpResponseError) as refused:
        add(customers, 2)
    assert refused.value.status_code == 429
    cosmos_account.clear_faults()
    assert [one["id"] for one in customers.read_all_items()] == ["c1"]


def test_a_budget_of_request_units_slows_a_reader_down(customers: ContainerProxy, cosmos_account: Local) -> None:
    """What went over it is owed: until then everything of that range is 429, and the SDK waits."""
    database, name = names(customers)
    cosmos_account.budget(database, name, 200)
    customers.execute_item_batch([("create", ({"id": f"c{number}", "country": "IS"},)) for number in range(100)], "IS")
    cosmos_account.usage(reset=True)
    assert len(changes(customers, start_time="Beginning")) == 100
    usage = cosmos_account.usage()
    assert customers.get_throughput().offer_throughput == 200
    cosmos_account.budget(database, name, None)
    assert usage["statuses"]["429"] >= 1
    assert usage["units"]["feed"] >= 20  # the refusals cost nothing
    with pytest.raises(AdminRefused, match="positive"):
        cosmos_account.budget(database, name, 0)


def test_the_charge_of_each_answer_is_in_its_header(customers: ContainerProxy, cosmos_account: Local) -> None:
    cosmos_account.usage(reset=True)
    charged = 0.0

    def count(headers: object, _: object = None) -> None:
        nonlocal charged
        charged += float(headers["x-ms-request-charge"])  # type: ignore[index]

    for number in range(5):
        customers.create_item({"id": f"c{number}", "country": "IS"}, response_hook=count)
    assert charged == pytest.approx(cosmos_account.usage()["units"]["write"], abs=0.1)
    assert charged == pytest.approx(5 * 5.3, abs=0.1)


@pytest.mark.parametrize("status", [408, 449, 500, 503])
def test_a_refusal_on_demand_is_one_and_nothing_was_done(
    customers: ContainerProxy, cosmos_account: Local, status: int
) -> None:
    cosmos_account.fault(kind="write", times=100, status=status)
    with pytest.raises(CosmosHttpResponseError) as refused:
        customers.create_item({"id": "c1", "country": "IS"})
    assert refused.value.status_code == status
    cosmos_account.clear_faults()
    assert not list(customers.read_all_items())


@pytest.mark.parametrize("cut", ["before", "middle", "after"])
def test_a_cut_connection_is_read_through(customers: ContainerProxy, cosmos_account: Local, cut: str) -> None:
    add(customers, *range(10))
    cosmos_account.fault(kind="feed", times=1, after=1, cut=cut)
    pages = paged(customers, start_time="Beginning", max_item_count=4)
    assert [number for page in pages for number in ids(list(page))] == [f"c{n}" for n in range(10)]
    assert not cosmos_account.faults()


def test_a_write_whose_answer_is_lost_was_done(customers: ContainerProxy, cosmos_account: Local) -> None:
    """The SDK does not repeat it, as it cannot know; who does it again is told that it is there."""
    cosmos_account.fault(kind="write", cut="after")
    with pytest.raises(AzureError):
        customers.create_item({"id": "c1", "country": "IS"})
    with pytest.raises(CosmosResourceExistsError):
        customers.create_item({"id": "c1", "country": "IS"})


def test_a_slow_answer_does_not_hold_up_others(customers: ContainerProxy, cosmos_account: Local) -> None:
    add(customers, 1, 2)
    cosmos_account.fault(kind="read", delay=60)
    at = urlsplit(cosmos_account.endpoint)
    began, slow = time.monotonic(), HTTPConnection(at.hostname or "", at.port or 0)
    signed = {"authorization": quote(f"type=aad&ver=1.0&sig={cosmos_account.token()}", safe="")}
    slow.request(
        "GET", f"/{customers.container_link}/docs/c1", headers=signed | {"x-ms-documentdb-partitionkey": '["k1"]'}
    )
    while cosmos_account.faults():
        assert time.monotonic() < began + 50
    assert customers.read_item("c2", "k2")["n"] == 2
    assert time.monotonic() < began + 60
    slow.close()


def test_a_split_that_is_just_going_on_is_waited_for(customers: ContainerProxy, cosmos_account: Local) -> None:
    """410/1007 until the children serve."""
    database, name = names(customers)
    add(customers, *range(10))
    pages = paged(customers, start_time="Beginning", max_item_count=4)
    read = ids(list(next(pages)))
    cosmos_account.fault(kind="feed", times=2, status=410, substatus=1007)
    cosmos_account.split(database, name, "0")
    for page in pages:
        read += ids(list(page))
    assert sorted(read) == sorted(f"c{n}" for n in range(10))
    assert not cosmos_account.faults()
    assert position(customers)


def test_what_is_no_fault_is_refused(cosmos_account: Local) -> None:
    wrong: list[dict[str, Any]] = [
        {"kind": "everything"}, {"status": 299}, {"cut": "off"}, {"colour": "red"}, {"times": "5"}, {"delay": "long"},
    ]  # fmt: skip
    for fault in wrong:
        with pytest.raises(AdminRefused):
            cosmos_account.fault(**fault)
    assert not cosmos_account.faults()

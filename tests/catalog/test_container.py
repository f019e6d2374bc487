"""The property `container`: what a contract says of a container, and what it may not say."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ingest import catalog
from ingest.catalog import compatible
from ingest.errors import ContractError
from ingest.model.change import Effect
from ingest.model.container import ContainerBinding, FeedMode
from ingest.model.contract import CHANGE_COLUMNS
from ingest.model.tables import CHANGE, curated_schema
from tests.catalog.orders import SUITE, assert_says, mended, parsed, refused

CUSTOMERS: dict[str, Any] = {"database": "shop", "container": "customers", "partitionKey": ["/id"]}


def with_container(*, erasure_key: str | None = None, **keys: Any) -> str:
    """The shipped contract from a container instead of its queue; null takes a key away."""
    value = {key: given for key, given in (CUSTOMERS | keys).items() if given is not None}

    def change(contract: dict[str, Any]) -> None:
        contract["servers"][0]["customProperties"] = [{"property": "container", "value": value}]
        others = [one for one in contract["customProperties"] if one["property"] != "erasureKey"]
        erased = [{"property": "erasureKey", "value": erasure_key}] if erasure_key else []
        contract["customProperties"] = [*others, *erased]

    return mended(change)


def test_a_container_is_read_whole_unless_the_contract_says_otherwise() -> None:
    contract = parsed(with_container())
    assert (contract.queues, contract.container) == ((), ContainerBinding("shop", "customers"))
    assert contract.keeps_history
    assert contract.origin == "shop/customers"
    keys: dict[str, Any] = {"mode": "LatestVersion", "feedRanges": 4, "partitionKey": ["/address/city", '/"a b"']}
    binding = parsed(with_container(**keys)).container
    assert binding == ContainerBinding(
        "shop", "customers", FeedMode.LATEST_VERSION, 4, partition_key=("/address/city", '/"a b"')
    )
    assert binding.key_fields == {"id", "address", "a b"}


def test_its_table_tells_of_each_row_which_change_it_is() -> None:
    changes, events = parsed(with_container()), parsed()
    assert tuple(CHANGE.names) == CHANGE_COLUMNS
    assert set(curated_schema(changes).names) - set(curated_schema(events).names) == set(CHANGE_COLUMNS)


@pytest.mark.parametrize(
    ("keys", "says", "remedy"),
    [
        ({"database": None}, "missing", "database"),
        ({"container": 7}, "7 is not text", "container"),
        ({"partitionKey": None}, "missing", "[/id]"),
        ({"partitionKey": "/id"}, "not a list", "[/id]"),
        ({"partitionKey": ["id"]}, '"id" is not a path', "/address/city"),
        ({"partitionKey": ["/a", "/b", "/c", "/d"]}, "1 to 3 paths", "[/id]"),
        ({"mode": "Incremental"}, "not supported", "LatestVersion"),
        ({"feedRanges": 0}, "0 is not a whole number from 1 to 64", "whole number"),
        ({"consistency": "strong"}, 'unknown key "consistency"', "container"),
    ],
)
def test_what_a_container_cannot_be(keys: dict[str, Any], says: str, remedy: str) -> None:
    assert_says(refused(with_container(**keys)), says, remedy=remedy)


def test_a_contract_has_queues_or_a_container() -> None:
    def both(contract: dict[str, Any]) -> None:
        contract["servers"][0]["customProperties"].append({"property": "container", "value": CUSTOMERS})

    assert_says(refused(mended(both)), "both `binding` and `container`", remedy="write one")


def test_columns_that_changes_have_are_no_columns_of_the_contract() -> None:
    document = with_container().replace("name: note", "name: Key")
    assert_says(refused(document, SUITE.replace('"note"', '"Key"')), "Key is a column", remedy="physicalName")


def test_the_erasure_key_is_something_that_deletes_tell() -> None:
    says = refused(with_container(erasure_key="customer_id", partitionKey=["/order_id"]))
    assert_says(says, "a delete has no customer_id", remedy="order_id")
    assert parsed(with_container(erasure_key="customer_id", partitionKey=["/customer_id"])).hides_keys
    assert not parsed(with_container(partitionKey=["/customer_id"])).hides_keys


def test_nothing_wakes_up_for_a_container() -> None:
    document = with_container() + "- property: wakeOnMessages\n  value: true\n"
    assert_says(refused(document), "tells nobody", remedy="leave wakeOnMessages out")


def test_a_dataset_is_not_called_like_the_history_of_another(tmp_path: Path) -> None:
    for name in ("orders", "orders_changes"):
        (tmp_path / name).mkdir()
    (tmp_path / "orders" / catalog.CONTRACT_FILE).write_text(with_container(), "utf-8")
    (tmp_path / "orders" / catalog.SUITE_FILE).write_text(SUITE, "utf-8")
    with pytest.raises(ContractError, match="orders_changes") as caught:
        catalog.load(tmp_path, "orders")
    assert "rename" in caught.value.remedy


@pytest.mark.parametrize(
    ("keys", "effect"),
    [
        ({"feedRanges": 4}, Effect.IN_PLACE),
        ({"mode": "LatestVersion"}, Effect.BREAKING),
        ({"container": "clients"}, Effect.BREAKING),
        ({"partitionKey": ["/city"]}, Effect.BREAKING),
    ],
)
def test_what_another_container_breaks(keys: dict[str, Any], effect: Effect) -> None:
    old = parsed(with_container())
    new = dataclasses.replace(parsed(with_container(**keys)), version="1.1.1")
    (change,) = compatible.compare(old, new)
    assert (change.effect, change.what) == (effect, "container")


def test_a_queue_does_not_become_a_container() -> None:
    new = dataclasses.replace(parsed(with_container()), version="1.1.1")
    changes = compatible.compare(parsed(), new)
    assert Effect.BREAKING in {change.effect for change in changes if change.what == "container"}
    fields = {field.name for field in dataclasses.fields(ContainerBinding)}
    assert fields == compatible._OF_CONTAINER.keys()

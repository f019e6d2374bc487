"""A Cosmos DB container as a source when something goes wrong; a snapshot anew; what a run costs."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path
from typing import Any

import pytest
from azure.cosmos import ContainerProxy, CosmosClient

from cosmos import Local
from ingest.errors import (
    ConfigurationError,
    LakepostError,
    LakeUnavailable,
    SourceReplaced,
    SourceUnavailable,
    TopologyError,
)
from ingest.model.container import FeedMode, RequestUnits
from ingest.model.delivery import Bounds, Window
from ingest.sources.cosmos_feed import Feed
from ingest.sources.cosmos_token import Token
from tests.infra.cosmos_client import fresh
from tests.sources.changes import Reader, add, again, ids


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


def test_a_container_that_is_keyed_otherwise_than_the_contract_says_is_not_read(reader: Reader) -> None:
    """Whether keys are hidden is decided by what the contract says: values that nobody may see would stand there."""
    add(reader.container, 1)
    reader.keyed_by = ("/id",)
    with pytest.raises(ConfigurationError, match="keyed by /country, and the contract says /id") as refused:
        reader.read()
    assert "partitionKey" in refused.value.remedy


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


def test_a_run_whose_request_units_opening_uses_up_reads_a_page_all_the_same(reader: Reader) -> None:
    """Each run would end where the one before did, and what changes never be in the lake."""
    add(reader.container, *range(6))
    for found in (["c0", "c1"], ["c2", "c3"], ["c4", "c5"]):
        reader.units = RequestUnits(0.5)
        assert ids(reader.read(Bounds(rows=2))) == found
        assert reader.units.have_ended_a_run


def test_an_event_id_tells_nothing_of_whose_it_is(reader: Reader) -> None:
    name = f"private-{uuid.uuid4().hex}"
    reader.container.create_item({"id": name, "country": "IS"})
    (one,) = reader.read()
    assert name not in str(one.message_id)

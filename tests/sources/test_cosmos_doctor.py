"""What doctor says of a container."""

from __future__ import annotations

from pathlib import Path

from cosmos import Local
from ingest.model.container import ContainerBinding, FeedMode
from ingest.sources.cosmos_doctor import examine_container
from ingest.sources.cosmos_feed import Account
from tests.infra.cosmos_client import fresh, names

BY_COUNTRY = ("/country",)


def test_a_container_that_can_be_read(cosmos_account: Local) -> None:
    with fresh(cosmos_account) as container:
        found = examine_container(
            Account(cosmos_account.endpoint, cosmos_account.key),
            ContainerBinding(*names(container), partition_key=BY_COUNTRY),
        )
        assert (found.ok, found.remedy) == (True, "")
        assert found.says == "AllVersionsAndDeletes can be read; keyed by /country; physical ranges: 1"


def test_a_container_with_another_partition_key_than_the_contract_says(cosmos_account: Local) -> None:
    """What is told of a deleted item would not be what the contract expects."""
    with fresh(cosmos_account) as container:
        found = examine_container(
            Account(cosmos_account.endpoint, cosmos_account.key), ContainerBinding(*names(container))
        )
    assert not found.ok
    assert found.says.endswith("/customers is keyed by /country, and the contract says /id")
    assert "partitionKey" in found.remedy


def test_a_container_that_is_not_there_or_does_not_let_us_in(cosmos_account: Local) -> None:
    nowhere = ContainerBinding("nowhere", "nothing")
    for key, says in ((cosmos_account.key, "no container"), ("d3Jvbmc=", "refuses us")):
        found = examine_container(Account(cosmos_account.endpoint, key), nowhere)
        assert not found.ok
        assert says in found.says
        assert found.remedy
        assert key not in str(found)


def test_an_account_without_continuous_backup(tmp_path: Path) -> None:
    with Local(tmp_path, retention=0) as local, fresh(local) as container:
        account, place = Account(local.endpoint, local.key), names(container)
        found = examine_container(account, ContainerBinding(*place, partition_key=BY_COUNTRY))
        assert not found.ok
        assert "continuous backup" in found.says + found.remedy
        assert examine_container(
            account, ContainerBinding(*place, FeedMode.LATEST_VERSION, partition_key=BY_COUNTRY)
        ).ok

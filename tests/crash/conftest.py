"""A container of the module's own, and the lake that it is landed into."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.cosmos import ContainerProxy

from cosmos import Local
from ingest.lake import DeltaLake, LocalStorage
from tests.crash.customers import Customers
from tests.infra.cosmos_client import names


@pytest.fixture
def customers(tmp_path: Path, cosmos_account: Local, container: ContainerProxy) -> Customers:
    lake = DeltaLake(LocalStorage(tmp_path / "lake"))
    return Customers(lake, cosmos_account.endpoint, cosmos_account.key, *names(container))

"""A container of the local Cosmos DB, and what reads it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.cosmos import ContainerProxy

from cosmos import Local
from tests.infra.cosmos_client import fresh
from tests.sources.changes import Reader


@pytest.fixture
def customers(cosmos_account: Local) -> Iterator[ContainerProxy]:
    with fresh(cosmos_account) as container:
        yield container


@pytest.fixture
def reader(cosmos_account: Local, customers: ContainerProxy) -> Reader:
    return Reader(cosmos_account, customers)

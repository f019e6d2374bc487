"""What the tests of the local Cosmos share: containers of one's own, and feeds read to their end."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey

from cosmos import Local

__all__ = ["changes", "fresh", "ids", "names", "paged", "position"]


@contextmanager
def fresh(account: Local, **options: Any) -> Iterator[ContainerProxy]:
    """A container `customers`, keyed by `/country`, in a database of its own, through the SDK."""
    with CosmosClient(account.endpoint, account.key) as client:
        database = client.create_database(f"shop-{uuid.uuid4().hex[:8]}")
        options.setdefault("partition_key", PartitionKey("/country"))
        yield database.create_container("customers", **options)


def names(container: ContainerProxy) -> tuple[str, str]:
    """The names of its database and its own, as the admin endpoint wants them."""
    _, database, _, name = container.container_link.split("/")
    return database, name


def changes(container: ContainerProxy, **asked: Any) -> list[dict[str, Any]]:
    """The change feed from where `asked` says until there is nothing new."""
    return list(container.query_items_change_feed(**asked))


def paged(container: ContainerProxy, **asked: Any) -> Any:
    """The change feed page by page, up to the first that is empty; `continuation_token` is the place after the last."""
    return container.query_items_change_feed(**asked).by_page()


def position(container: ContainerProxy) -> str:
    """The continuation after the last read of the feed."""
    return str(container.client_connection.last_response_headers["etag"])


def ids(documents: list[dict[str, Any]]) -> list[str]:
    """Of items of the latest version feed, or of changes."""
    return [one.get("id") or one["metadata"].get("id") or one["current"]["id"] for one in documents]

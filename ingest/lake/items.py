"""The part of the lake that has the items of a container as they are now."""

from __future__ import annotations

from ingest.lake.commit import open_table
from ingest.lake.current import Pinned
from ingest.lake.places import Places, storage_errors
from ingest.model.status import Items

__all__ = ["ItemTables"]


class ItemTables(Places):
    """Implements what `ports.Lake` says of items."""

    def pin_items(self, dataset: str, *, anew: bool = False) -> Pinned:
        """Pin the items of a container, the deleted ones and their history."""
        with storage_errors():
            return Pinned(self.uris(dataset), anew=anew)

    def items(self, dataset: str) -> Items | None:
        """How many items the container has now and how many were deleted; null for what is no container's."""
        if not self.keeps_history(dataset):
            return None
        with storage_errors():
            return Items(*(open_table(self.uri(stage, dataset)).count() for stage in ("current", "deleted")))

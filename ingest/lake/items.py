"""The part of the lake that has the items of a container as they are now."""

from __future__ import annotations

from ingest.lake.commit import open_table
from ingest.lake.current import Pinned, some_key
from ingest.lake.places import Places, storage_errors
from ingest.model.status import Items

__all__ = ["ItemTables"]


class ItemTables(Places):
    """Implements what `ports.Lake` says of items."""

    def pin_items(self, dataset: str, *, anew: bool = False) -> Pinned:
        """Pin the items of a container, the deleted ones and their history."""
        with storage_errors():
            return Pinned(self.uris(dataset), anew=anew)

    def item_key(self, dataset: str) -> str | None:
        """The `key` of some item of the container; null while it has none, and had none that was deleted."""
        with storage_errors():
            found = (some_key(open_table(self.uri(stage, dataset))) for stage in ("current", "deleted"))
            return next((key for key in found if key is not None), None)

    def items(self, dataset: str) -> Items | None:
        """How many items the container has now and how many were deleted; null for what is no container's."""
        if not self.keeps_history(dataset):
            return None
        with storage_errors():
            return Items(*(open_table(self.uri(stage, dataset)).count() for stage in ("current", "deleted")))

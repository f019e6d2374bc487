"""The lake: Delta tables under one commit function, and the small files that stand beside them."""

from ingest.lake.delta import DeltaLake
from ingest.lake.storage import LocalStorage, Storage, open_storage

__all__ = ["DeltaLake", "LocalStorage", "Storage", "open_storage"]

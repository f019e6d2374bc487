"""A local Azure Cosmos DB account that the unmodified SDKs talk to. README.md says what it answers and refuses."""

from __future__ import annotations

from cosmos.local import Admin, AdminRefused, Local, NotStarted

__all__ = ["Admin", "AdminRefused", "Local", "NotStarted"]

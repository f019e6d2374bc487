"""Whether a container can be read as the contract says, in words."""

from __future__ import annotations

from ingest.errors import LakepostError
from ingest.model.container import ContainerBinding, FeedRange, RequestUnits
from ingest.model.finding import Finding
from ingest.sources.cosmos_feed import Account, Feed, physical_ranges

__all__ = ["examine_container"]


def examine_container(account: Account, binding: ContainerBinding) -> Finding:
    """Whether it is there, lets us in and has the feed that is wanted. Blocking; costs a few request units."""
    name = f"container {binding.name}"
    feed = Feed(account, binding, FeedRange(), RequestUnits())
    try:
        container = feed.open()
        feed.now()
        ranges = len(physical_ranges(account, binding))
    except LakepostError as error:
        return Finding(name, ok=False, says=error.message, remedy=error.remedy)
    finally:
        feed.close()
    key = ", ".join("/" + "/".join(path) for path in container.paths)
    says = f"{binding.mode} can be read; keyed by {key}; physical ranges: {ranges}"
    return Finding(name, ok=True, says=says, remedy="")

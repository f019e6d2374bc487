"""A table's log read forward, commit by commit, under the numbers that its files have.

delta-rs's own history reads from the newest commit back: whoever wants the oldest unread ones would read them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

from ingest.errors import LakeUnavailable

__all__ = ["appends", "commits", "files_in"]

_LOG = "_delta_log"


def files_in(uri: str) -> fs.FileSystem:
    """The table's folder, by the storage that delta-rs reads it with."""
    return fs.PyFileSystem(DeltaStorageHandler(uri))


def commits(uri: str, after: int, until: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """(version, commit info) of each version in (`after`, `until`], oldest first, read one by one.

    Raises:
        LakeUnavailable: one of them is not in the log any more.
    """
    folder = files_in(uri)
    for version in range(after + 1, until + 1):
        try:
            with folder.open_input_stream(f"{_LOG}/{version:020d}.json") as file:
                yield version, _commit_info(file.read())
        except FileNotFoundError as error:
            raise LakeUnavailable(
                f"the log of {uri} lacks version {version}, which is not read yet",
                remedy="restore the file in _delta_log; only `lakepost vacuum` may clean a log",
            ) from error


def appends(commit_info: dict[str, Any]) -> bool:
    """Whether the commit added rows and took no file away."""
    mode = str(commit_info.get("operationParameters", {}).get("mode", "Append"))
    return commit_info.get("operation") == "WRITE" and mode == "Append"


def _commit_info(content: bytes) -> dict[str, Any]:
    actions = (json.loads(line) for line in content.splitlines() if b'"commitInfo"' in line)
    return next((dict(action["commitInfo"]) for action in actions if "commitInfo" in action), {})

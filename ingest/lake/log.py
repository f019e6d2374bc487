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

__all__ = ["added", "appended", "appends", "commits", "files_in"]

_LOG = "_delta_log"


def files_in(uri: str) -> fs.FileSystem:
    """The table's folder, by the storage that delta-rs reads it with."""
    return fs.PyFileSystem(DeltaStorageHandler(uri))


def commits(uri: str, after: int, until: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """(version, commit info) of each version in (`after`, `until`], oldest first, read one by one.

    Raises:
        LakeUnavailable: one of them is not in the log any more.
    """
    for version, content in _read(uri, after, until):
        yield version, _commit_info(content)


def appended(uri: str, after: int, until: int) -> Iterator[tuple[int, dict[str, Any], set[str]]]:
    """As `commits`, with the event dates (ISO) of the files that each version added."""
    for version, content in _read(uri, after, until):
        dates = {str(action["partitionValues"]["event_date"]) for action in _actions(content, "add")}
        yield version, _commit_info(content), dates


def added(uri: str, after: int, until: int) -> Iterator[dict[str, Any]]:
    """The `add` action of every file that an append in (`after`, `until`] added, its statistics as an object.

    Raises:
        LakeUnavailable: a version is not in the log any more.
    """
    for _, content in _read(uri, after, until):
        if appends(_commit_info(content)):
            for action in _actions(content, "add"):
                yield {**action, "stats": json.loads(action.get("stats") or "{}")}


def _read(uri: str, after: int, until: int) -> Iterator[tuple[int, bytes]]:
    folder = files_in(uri)
    for version in range(after + 1, until + 1):
        try:
            with folder.open_input_stream(f"{_LOG}/{version:020d}.json") as file:
                yield version, file.read()
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
    return next(_actions(content, "commitInfo"), {})


def _actions(content: bytes, kind: str) -> Iterator[dict[str, Any]]:
    actions = (json.loads(line) for line in content.splitlines() if f'"{kind}"'.encode() in line)
    return (dict(action[kind]) for action in actions if kind in action)

"""What happens inside the command's process when its storage fails at the worst moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from ingest.lake import commit

__all__ = ["AWAY", "vanish_after"]

AWAY = "away"
"""Where raw's folder is, in its own, while the storage is gone."""


def vanish_after() -> None:
    """Right after the second commit of a window has become durable the storage is gone, its answer too."""
    write, commits = vars(commit)["write_deltalake"], iter(range(1_000))

    def writes(table: DeltaTable, *arguments: Any, **named: Any) -> None:
        write(table, *arguments, **named)
        if next(commits) == 1:
            folder = Path(table.table_uri.removeprefix("file://"))
            folder.rename(folder.with_name(AWAY))
            raise OSError("the connection to the storage was reset")

    vars(commit)["write_deltalake"] = writes

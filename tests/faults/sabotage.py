"""What happens inside the command's process when its storage fails at the worst moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from ingest.lake import commit

__all__ = ["AWAY", "die_after", "vanish_after"]

AWAY = "away"
"""Where raw's folder is, in its own, while the storage is gone."""


def vanish_after() -> None:
    """Right after the second commit of a window has become durable the storage is gone, its answer too."""

    def vanish(table: DeltaTable) -> None:
        folder = Path(table.table_uri.removeprefix("file://"))
        folder.rename(folder.with_name(AWAY))
        raise OSError("the connection to the storage was reset")

    _after_the_second_commit(vanish)


def die_after() -> None:
    """Right after the second commit of a window has become durable the process is killed."""
    _after_the_second_commit(lambda _: os.kill(os.getpid(), signal.SIGKILL))


def _after_the_second_commit(act: Callable[[DeltaTable], None]) -> None:
    write, commits = vars(commit)["write_deltalake"], iter(range(1_000))

    def writes(table: DeltaTable, *arguments: Any, **named: Any) -> None:
        write(table, *arguments, **named)
        if next(commits) == 1:
            act(table)

    vars(commit)["write_deltalake"] = writes

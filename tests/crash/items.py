"""Derives the items of a container: `python -m tests.crash.items LAKE POINT NTH` dies at the point, by SIGKILL.

With a file in place of the point it goes on deriving, and compacting now and then, until that file is there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ingest.errors import TransientError
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.points import Reached, passing
from ingest.steps import Limits, derive
from ingest.steps.maintain import compact
from tests.crash.dying import dying
from tests.steps.histories import ITEMS

__all__: list[str] = []


def _derive(lake: DeltaLake, reached: Reached = passing, *, anew: bool = False) -> None:
    derive(ITEMS, lake, limits=Limits(rows=20), anew=anew, reached=reached)


def _on_and_on(lake: DeltaLake, stop: Path) -> None:
    turn = 0
    while not stop.exists():
        turn += 1
        try:
            _derive(lake, anew=turn % 7 == 0)
            if turn % 5 == 0:
                compact(ITEMS.dataset, lake)
        except TransientError as error:
            sys.stderr.write(f"{error}\n")


def _main(lake: str, point: str, nth: str) -> None:
    found = DeltaLake(LocalStorage(Path(lake)))
    if point.startswith("/"):
        _on_and_on(found, Path(point))
    else:
        _derive(found, dying(point, int(nth)))


if __name__ == "__main__":
    _main(*sys.argv[1:])

"""`lakepost …` in a process of its own, forked from one that has imported everything: seconds less for each."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ingest import cli

__all__ = ["Lakepost"]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["great_expectations", "tests.crash.hammer", "tests.faults.child"])

_PATIENCE = 240.0


class Lakepost:
    """The command with `arguments`, started.

    `environment` is added to this process's; `sabotage` is called in the new process before the command.
    """

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        sabotage: Callable[[], None] | None,
    ) -> None:
        self.arguments = tuple(arguments)
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.iterdir())) // 2
        self._out, self._err = folder / f"{number}.out", folder / f"{number}.err"
        self._out.touch()
        self._err.touch()
        given = (self.arguments, dict(environment), str(self._out), str(self._err), sabotage)
        self._process = _context.Process(target=_main, args=given, daemon=True)
        self._process.start()

    @property
    def log(self) -> str:
        """What it has said on stderr."""
        return self._err.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process.pid is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self._process.kill()
        self._process.join()

    def terminate(self) -> None:
        """SIGTERM."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def ended(self, within: float) -> bool:
        """Whether it ends within so many seconds."""
        self._process.join(within)
        return not self._process.is_alive()

    def code(self, within: float = _PATIENCE) -> int:
        """Its exit code, once it has ended; an error if that takes more than `within` seconds."""
        assert self.ended(within), f"{self.arguments} still runs after {within} s:\n{self.log}"
        return int(self._process.exitcode or 0)

    def told(self) -> dict[str, Any]:
        """The one object on its stdout, of a command with `--json` that has ended."""
        out = self._out.read_text()
        assert out.count("\n") == 1, out + self.log
        return dict(json.loads(out))


def _main(
    arguments: Sequence[str], environment: Mapping[str, str], out: str, err: str, sabotage: Callable[[], None] | None
) -> None:
    for name, descriptor in ((out, 1), (err, 2)):
        with open(name, "ab", buffering=0) as file:  # noqa: PTH123 - its number is what is wanted
            os.dup2(file.fileno(), descriptor)
    os.environ.update(environment)
    sys.argv = ["lakepost", *arguments]
    if sabotage is not None:
        sabotage()
    cli.main()

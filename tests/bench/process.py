"""A process measured from outside: its wall and processor time, peak memory, and the bytes that it read.

The peak of a child begins at what its parent holds when it starts it, so whoever measures must stay small.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Measured", "measured"]

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Measured:
    """Standard output; seconds by the clock and of the processor (user and system); peak memory in MB; bytes read.

    Processor time and memory include the process's own children. `read` counts what read calls gave, from
    the page cache too, of every file: the interpreter's modules as well.
    """

    out: str
    seconds: float
    cpu: float
    megabytes: float
    read: int


def measured(command: Sequence[str | Path], environment: Mapping[str, str]) -> Measured:
    """Run a command, which must succeed, with `environment` beside this process's own; shows its logs if it fails."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as logs:
        begun = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=logs, env={**os.environ, **environment}, cwd=_ROOT)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and its counters still there
        seconds = time.perf_counter() - begun
        counted = re.search(r"rchar: (\d+)", Path(f"/proc/{child.pid}/io").read_text())
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            logs.seek(0)
            raise SystemExit(f"{' '.join(map(str, command))} failed with {child.returncode}:\n{logs.read()[-4000:]}")
        out.seek(0)
        return Measured(
            out.read(),
            seconds,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss / 1024,
            int(counted[1]) if counted else 0,
        )

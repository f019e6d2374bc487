"""Processes of one session: started together, and ended together whatever group each has moved to.

Airflow puts every task in a process group of its own, so ending a group leaves tasks behind; the
session they cannot leave unnoticed.

Run as a script it is the tether of a tied session: it starts a command in its own session and ends that
session when the command ends or when the other end of its standard input closes, which the kernel does
for a parent however it dies.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

__all__ = ["end_session", "session_members", "tethered"]

_BORN_TOLERANCE = 1.0
_POLL_SECONDS = 0.05


def session_members(session: int, born: float) -> list[psutil.Process]:
    """The living processes of session `session`, whose leader started at `born` (seconds since the epoch).

    None when that leader's id now belongs to a process that started at another time.
    """
    try:
        if abs(psutil.Process(session).create_time() - born) > _BORN_TOLERANCE:
            return []
    except psutil.NoSuchProcess:
        pass  # a leader that died first: its id stays taken while members live
    return [process for process in psutil.process_iter() if _session(process.pid) == session and _alive(process)]


def end_session(session: int, born: float, *, patience: float = 10.0) -> None:
    """Ask every process of the session to end, then make those that remain after `patience` seconds."""
    for ask in (signal.SIGTERM, signal.SIGKILL):
        for process in _others(session, born):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(ask)
        until = time.monotonic() + patience
        # Not `psutil.wait_procs`: it waits for zombies too, which an idle init may never collect.
        while _others(session, born) and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)


def tethered(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` under a tether; give it a pipe as standard input and keep its end."""
    return [sys.executable, str(Path(__file__).resolve()), *command]


def _others(session: int, born: float) -> list[psutil.Process]:
    return [process for process in session_members(session, born) if process.pid != os.getpid()]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _main(command: list[str]) -> int:
    """Run `command` until it ends or standard input closes; leave nothing of the session behind."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # asked together with the rest, but the last to go
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    ended = os.pidfd_open(child.pid)
    select.select([sys.stdin, ended], [], [])
    session = os.getsid(0)
    end_session(session, psutil.Process(session).create_time())
    return child.wait()


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))

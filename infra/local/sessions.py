"""Processes of one session: started together, and ended together whatever group each has moved to.

Airflow puts every task in a process group of its own, so ending a group leaves tasks behind; the
session they cannot leave unnoticed. Erlang's helpers leave even that, so what the session's processes
started ends with them. A number and a start name one process: a number alone may be another's by now.

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
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Process", "end_session", "kill_session", "session_members", "started", "tethered"]

_POLL_SECONDS = 0.02


class Process(NamedTuple):
    """One process and no other: its number, and its start in clock ticks since boot."""

    pid: int
    started: str


class _Stat(NamedTuple):
    """Of /proc/PID/stat: the parent's number, the session's, and the start."""

    parent: int
    session: int
    started: str


def started(pid: int) -> str | None:
    """When the living process `pid` started, in clock ticks since boot as the kernel writes them; null for none."""
    stat = _stat(pid)
    return stat.started if stat else None


def session_members(session: int, born: str | None) -> list[Process]:
    """The living processes of session `session`, whose leader started at `born`.

    None when that leader's id now belongs to a process that started at another time. A leader that died
    first changes nothing: its id stays taken while members live.
    """
    return _members(_living(), session, born)


def end_session(session: int, born: str | None, *, patience: float = 10.0) -> None:
    """Ask every process of the session to end, then make those that remain after `patience` seconds.

    Processes that the session's started but that left it are not asked, as they may serve one that is
    about to end in order; they are waited for like the rest, and made to end like the rest.
    """
    known = _family(session, born)
    _send(session_members(session, born), signal.SIGTERM)
    until = time.monotonic() + patience
    while (known := _remaining(known) | _family(session, born)) and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
    _kill(known, session, born)


def kill_session(session: int, born: str | None) -> None:
    """End every process of the session, and what they started, at once: as a power cut would."""
    _kill(_family(session, born), session, born)


def tethered(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` under a tether; give it a pipe as standard input and keep its end."""
    return [sys.executable, str(Path(__file__).resolve()), *command]


def _kill(known: set[Process], session: int, born: str | None) -> None:
    while known:
        _send(known, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
        known = _remaining(known) | _family(session, born)


def _send(processes: Iterable[Process], number: signal.Signals) -> None:
    for process in _remaining(processes):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _remaining(processes: Iterable[Process]) -> set[Process]:
    """Those that live, but for this process itself: the tether is of the session that it ends."""
    return {one for one in processes if one.pid != os.getpid() and started(one.pid) == one.started}


def _family(session: int, born: str | None) -> set[Process]:
    """The session's living members and their descendants, in whatever session those are; without this process."""
    living = _living()
    family = {member.pid for member in _members(living, session, born)}
    while more := {pid for pid, stat in living.items() if stat.parent in family} - family:
        family |= more
    return {Process(pid, living[pid].started) for pid in family if pid != os.getpid()}


def _members(living: dict[int, _Stat], session: int, born: str | None) -> list[Process]:
    if session in living and living[session].started != born:
        return []
    return [Process(pid, stat.started) for pid, stat in living.items() if stat.session == session]


def _living() -> dict[int, _Stat]:
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return {number: stat for number in numbers if (stat := _stat(number))}


def _stat(pid: int) -> _Stat | None:
    """Null for a process that is gone, or a zombie, which an idle init may never collect."""
    try:
        # The name, in parentheses, may hold anything; the fields after it are counted from the third.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else _Stat(int(fields[1]), int(fields[3]), fields[19])


def _main(command: list[str]) -> int:
    """Run `command` until it ends or standard input closes; leave nothing of the session behind."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # asked together with the rest, but the last to go
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    ended = os.pidfd_open(child.pid)
    select.select([sys.stdin, ended], [], [])
    session = os.getsid(0)
    end_session(session, started(session))
    return child.wait()


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))

"""The local stack: its connections, its ports, its processes; and the whole of it up, down and up again."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from account import CosmosAccount, CosmosFailed, made
from airflow_local import Airflow, PortTaken
from broker import free_port
from cosmos import Admin
from ingest.model.container import ContainerBinding
from sessions import end_session, kill_session, session_members, started, tethered
from stack import AIRFLOW_PORT, BROKER_PORT, COSMOS_PORT, Stack, StackError

LOCAL = Path(__file__).resolve().parents[2] / "infra" / "local"


def _until(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until `true()` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _stack(folder: Path, **environment: str) -> tuple[Stack, io.StringIO]:
    told = io.StringIO()
    return Stack(folder, environment, Console(file=told, width=200, soft_wrap=True)), told


# A child in a process group of its own, as Airflow's tasks are, that does not end when asked.
_STUBBORN = (
    "import os, signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "if os.fork() == 0: os.setpgid(0, 0)\n"
    "os.write(1, b'ready\\n')\n"  # in one piece, whoever writes first
    "time.sleep(600)"
)


def test_ending_a_session_leaves_no_process_whatever_its_group_and_however_stubborn() -> None:
    with subprocess.Popen([sys.executable, "-c", _STUBBORN], stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout is not None
        assert [leader.stdout.readline() for _ in range(2)] == [b"ready\n"] * 2
        born = started(leader.pid)
        assert len({os.getpgid(process.pid) for process in session_members(leader.pid, born)}) == 2
        end_session(leader.pid, born, patience=0.5)
        assert session_members(leader.pid, born) == []


@pytest.mark.parametrize("end", [kill_session, functools.partial(end_session, patience=0.1)])
def test_a_process_that_left_the_session_of_its_parent_ends_with_it(end: Callable[[int, str | None], None]) -> None:
    apart = "import os, time\nif os.fork() == 0: os.setsid(); print(os.getpid(), flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", apart], stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout is not None
        left = int(leader.stdout.readline())
        assert os.getsid(left) == left
        end(leader.pid, started(leader.pid))
        assert started(left) is None


def test_a_session_whose_leaders_number_went_to_another_process_is_left_alone() -> None:
    idle = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(idle, stdin=subprocess.PIPE, start_new_session=True) as leader:
        born = started(leader.pid)
        assert [member.pid for member in session_members(leader.pid, born)] == [leader.pid]
        assert session_members(leader.pid, "1") == []
        leader.kill()


def test_a_tethered_session_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    command = tethered([sys.executable, "-c", "import os, time; print(os.getsid(0), flush=True); time.sleep(600)"])
    parent = (
        "import subprocess, sys, time\n"
        "from subprocess import PIPE\n"
        "child = subprocess.Popen(sys.argv[1:], stdin=PIPE, stdout=PIPE, start_new_session=True)\n"
        "print(child.stdout.readline().decode(), end='', flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", parent, *command], stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        session = int(killed.stdout.readline())
        born = started(session)
        assert len(session_members(session, born)) == 2
        killed.send_signal(signal.SIGKILL)
        _until(lambda: not session_members(session, born))


def test_a_taken_port_of_airflow_is_named(tmp_path: Path, taken: int) -> None:
    with pytest.raises(PortTaken, match=str(taken)):
        Airflow(tmp_path, dags=tmp_path, port=taken).start()


def test_a_taken_port_of_the_broker_is_named_with_the_variable_to_set(tmp_path: Path, taken: int) -> None:
    stack, _ = _stack(tmp_path, **{BROKER_PORT: str(taken)})
    with pytest.raises(StackError, match=rf"{taken}[\s\S]*{BROKER_PORT}"):
        stack.up()


def test_an_account_goes_on_without_who_started_it_and_keeps_port_key_and_items(tmp_path: Path) -> None:
    with CosmosAccount(tmp_path, tied=True) as account:
        made(account.endpoint, account.key, [ContainerBinding("shop", "customers")])
        told = (account.endpoint, account.key)
        assert account.key not in (tmp_path / "cosmos.log").read_text()
    assert CosmosAccount.attach(tmp_path) is None
    began = CosmosAccount(tmp_path)
    began.start()
    try:
        again = CosmosAccount.attach(tmp_path)
        assert again is not None
        assert (again.endpoint, again.key) == told
        made(*told, [ContainerBinding("shop", "customers")])  # it is there
        assert len(Admin(again.endpoint).ranges("shop", "customers")) == 1
    finally:
        (again or began).stop()
        began.stop()
    assert CosmosAccount.attach(tmp_path) is None


def test_a_taken_port_of_the_account_is_named(tmp_path: Path, taken: int) -> None:
    with pytest.raises(CosmosFailed, match=str(taken)):
        CosmosAccount(tmp_path, port=taken).start()


def test_a_port_that_is_none_is_refused(tmp_path: Path) -> None:
    stack, _ = _stack(tmp_path, **{BROKER_PORT: "many"})
    with pytest.raises(StackError, match=f"{BROKER_PORT} is 'many', not a port"):
        stack.up()


def test_down_where_nothing_runs_says_so(tmp_path: Path) -> None:
    stack, told = _stack(tmp_path)
    stack.down()
    assert told.getvalue() == "Nothing runs.\n"
    assert not stack.status()


def _command(folder: Path, action: str, ports: dict[str, str]) -> tuple[int, str]:
    """`stack.py` as `make up` calls it: what it starts goes on when it ends. Returns exit code and output."""
    inherited = dict(os.environ) | ports
    done = subprocess.run(
        [sys.executable, LOCAL / "stack.py", action, "--folder", folder],
        env=inherited,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout


def test_up_down_and_up_again_keep_the_data(tmp_path: Path, taken: int) -> None:
    ports = {BROKER_PORT: str(free_port()), COSMOS_PORT: str(free_port()), AIRFLOW_PORT: str(taken)}
    try:
        code, told = _command(tmp_path, "up", ports)
        assert code == 1
        assert str(taken) in told
        assert AIRFLOW_PORT in told
        ports[AIRFLOW_PORT] = str(free_port())
        code, told = _command(tmp_path, "up", ports)
        assert code == 0, told
        assert f"http://127.0.0.1:{ports[AIRFLOW_PORT]}" in told
        assert stat.S_IMODE((tmp_path / "env").stat().st_mode) == 0o600
        environment = (tmp_path / "env").read_text()
        assert f"@127.0.0.1:{ports[BROKER_PORT]}/" in environment
        assert f"LAKEPOST_COSMOS_ENDPOINT=http://127.0.0.1:{ports[COSMOS_PORT]}/" in environment
        assert _doctor(environment)["container shop/customers"] == (True, "")
        _everything_listens_here_only(tmp_path)
        assert _unpause(tmp_path)
        assert _command(tmp_path, "status", ports)[0] == 0
        code, told = _command(tmp_path, "up", ports)
        assert (code, told.splitlines()[0]) == (0, "It already runs.")

        assert _command(tmp_path, "down", ports)[0] == 0
        assert _running(tmp_path) == []
        assert _command(tmp_path, "status", ports)[0] == 1
        assert _command(tmp_path, "down", ports) == (0, "Nothing runs.\n")

        (tmp_path / "lake" / "kept").touch()
        assert _command(tmp_path, "up", ports)[0] == 0
        assert (tmp_path / "lake" / "kept").exists()
        assert (tmp_path / "env").read_text() == environment
        assert not _unpause(tmp_path)
    finally:
        _command(tmp_path, "down", ports)


def _doctor(environment: str) -> dict[str, tuple[bool, str]]:
    """What `lakepost doctor` finds with the settings of the file `env`."""
    told = dict(line.removeprefix("export ").split("=", 1) for line in environment.splitlines())
    command = [str(Path(sys.executable).with_name("lakepost")), "doctor", "--json"]
    settings = {name: shlex.split(value)[0] for name, value in told.items()}
    done = subprocess.run(
        command, env=dict(os.environ) | settings, capture_output=True, text=True, timeout=60, check=False
    )
    return {one["name"]: (one["ok"], one["remedy"]) for one in json.loads(done.stdout)["findings"]}


def _unpause(folder: Path) -> bool:
    """Unpause `ingest__orders`; true when it was paused."""
    airflow = Airflow.attach(folder / "airflow")
    assert airflow is not None
    with contextlib.closing(airflow._http):
        _until(lambda: airflow._http.get("/dags/ingest__orders").is_success, 60)
        was_paused = bool(airflow._http.get("/dags/ingest__orders").json()["is_paused"])
        airflow.unpause("ingest__orders")
    return was_paused


def _running(folder: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if str(folder) in _environment(process)]


def _everything_listens_here_only(folder: Path) -> None:
    listening = {
        connection.laddr.ip
        for process in _running(folder)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert "127.0.0.1" in listening
    assert listening <= {"127.0.0.1", "::1"}


def _environment(process: psutil.Process) -> str:
    try:
        return " ".join(process.environ().values())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""  # gone, or a zombie


def _debian(tmp_path: Path, **stubs: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run debian.sh with `stubs` before the real commands; also returns the calls of its `apt-get`."""
    calls = tmp_path / "calls"
    commands = {"apt-get": f'echo "$@" >> {calls}'} | stubs
    for name, script in commands.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [LOCAL / "debian.sh"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done, calls.read_text().splitlines() if calls.exists() else []


def test_debian_is_left_alone_and_quiet_when_nothing_is_missing(tmp_path: Path) -> None:
    done, calls = _debian(tmp_path)
    assert (done.returncode, done.stdout, done.stderr, calls) == (0, "", "", [])


def test_debian_says_what_to_install_when_it_may_not(tmp_path: Path) -> None:
    done, calls = _debian(tmp_path, python3="exit 1", id="echo 1000", sudo="exit 1")
    assert (done.returncode, calls) == (1, [])
    assert "install it yourself: python3-venv" in done.stderr


def test_debian_installs_only_what_is_missing(tmp_path: Path) -> None:
    done, calls = _debian(tmp_path, python3="exit 1", id="echo 0")
    assert done.returncode == 0, done.stderr
    assert calls == ["install -y -qq --no-install-recommends python3-venv"]

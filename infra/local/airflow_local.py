"""The real Airflow on this machine: `airflow standalone`, its own home, ports and session."""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from cryptography.fernet import Fernet

from airflow_api import AirflowApi
from broker import free_port, is_free
from sessions import end_session, session_members, started, tethered

__all__ = ["Airflow", "AirflowFailed", "PortTaken"]

_POLL_SECONDS = 0.2
_LOG_LINES = 30
_PATIENCE = 5.0  # the API server may take long to go, and has nothing to lose

_SHIM = """\
#!/bin/sh
# `airflow standalone` finds its components here first. Only datasets that wake on messages need a triggerer; and the
# log servers would listen on every interface, while the API server reads the same logs from disk.
case "$1" in
  triggerer) shift; {triggerer} ;;
  scheduler) shift; exec "{airflow}" scheduler --skip-serve-logs "$@" ;;
  *) exec "{airflow}" "$@" ;;
esac
"""


class AirflowFailed(RuntimeError):
    """Airflow died or did not become ready; the message ends with its last log lines."""


class PortTaken(RuntimeError):
    """Another process listens on the port that was asked for."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} on 127.0.0.1 is taken by another process")
        self.port = port


class Airflow(AirflowApi):
    """One private Airflow under `folder`: database, logs, secrets, all there. See `AirflowApi` for driving it.

    `dags` is the DAG folder, with `plugins` inside. `env` is added to the environment of every component
    and task. Without a `port` a free one is taken. `tied` ends Airflow with this process, even a killed one.
    `triggerer` starts one, for datasets that wake on messages.
    """

    def __init__(
        self, folder: Path, *, dags: Path, port: int | None = None, env: Mapping[str, str] | None = None,
        tied: bool = False, triggerer: bool = False,
    ) -> None:  # fmt: skip
        self._triggerer = triggerer
        self.folder, self.dags, self.port = folder.absolute(), dags.absolute(), port or free_port()
        self._chosen, self._env, self._tied = port is not None, dict(env or {}), tied
        self._process: subprocess.Popen[bytes] | None = None
        super().__init__(f"http://127.0.0.1:{self.port}")

    @classmethod
    def attach(cls, folder: Path) -> Airflow | None:
        """The Airflow that runs out of `folder`, to drive or stop it; null when none does."""
        state = _read(folder / "running.json")
        if not state or not session_members(state["session"], state["born"]):
            return None
        return cls(folder, dags=Path(state["dags"]), port=state["port"])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        super().__exit__(*error)

    @property
    def running(self) -> bool:
        """Whether a process of it lives."""
        state = _read(self.folder / "running.json")
        return bool(state and session_members(state["session"], state["born"]))

    def start(self, deadline: float = 180.0) -> None:
        """Start it and wait until scheduler and DAG processor are healthy; does nothing when it runs.

        Raises:
            PortTaken: the chosen port is another process's.
            AirflowFailed: it died, or was not healthy within `deadline` seconds (it is then stopped).
        """
        if self.running:
            return
        if self._chosen and not is_free(self.port):
            raise PortTaken(self.port)
        begun = dt.datetime.now(dt.UTC)
        process = self._launch()
        until = time.monotonic() + deadline
        while not _healthy(self.health(), begun):
            if process.poll() is not None or time.monotonic() > until:
                reason = "not ready in time" if process.poll() is None else f"ended with code {process.returncode}"
                self.stop()
                raise AirflowFailed(f"airflow standalone: {reason}; the end of {self.log_file}:\n{self.log_tail()}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End every process of it, tasks included; returns when none is left. Twice is fine."""
        state = _read(self.folder / "running.json")
        if state:
            end_session(state["session"], state["born"], patience=_PATIENCE)
        if self._process is not None:
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None
        (self.folder / "running.json").unlink(missing_ok=True)

    @property
    def log_file(self) -> Path:
        """The output of all components."""
        return self.folder / "standalone.log"

    def log_tail(self, lines: int = _LOG_LINES) -> str:
        """The last lines of the components' output."""
        if not self.log_file.exists():
            return ""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def _launch(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        executable = Path(sys.executable).with_name("airflow")
        shim = self.folder / "bin" / "airflow"
        shim.parent.mkdir(exist_ok=True)
        triggerer = (
            f'exec "{executable}" triggerer --skip-serve-logs "$@"' if self._triggerer else "exec sleep infinity"
        )
        shim.write_text(_SHIM.format(airflow=executable, triggerer=triggerer))
        shim.chmod(0o755)
        command = [str(executable), "standalone"]
        with self.log_file.open("wb") as log:
            process = subprocess.Popen(
                tethered(command) if self._tied else command,
                cwd=self.folder,
                env=self._environment(shim.parent),
                stdin=subprocess.PIPE if self._tied else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._process = process
        state = {"session": process.pid, "born": started(process.pid), "port": self.port, "dags": str(self.dags)}
        (self.folder / "running.json").write_text(json.dumps(state))
        return process

    def _environment(self, shim: Path) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()  # noqa: TID251 - a child process inherits its environment
            if not name.startswith(("AIRFLOW_", "LAKEPOST_"))
        }
        no_proxy = ",".join(filter(None, (inherited.get("NO_PROXY"), "127.0.0.1", "localhost")))
        path = {"PATH": f"{shim}:{Path(sys.executable).parent}:{inherited.get('PATH', '')}"}
        proxies = {"NO_PROXY": no_proxy, "no_proxy": no_proxy, "NO_COLOR": "1"}
        return inherited | path | proxies | self._configuration() | self._env

    def _configuration(self) -> dict[str, str]:
        kept = _secrets(self.folder / "secrets.json")
        options: dict[str, object] = {
            "CORE__DAGS_FOLDER": self.dags,
            "CORE__PLUGINS_FOLDER": self.dags / "plugins",
            "CORE__LOAD_EXAMPLES": False,
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": 4,
            "CORE__FERNET_KEY": kept["fernet"],
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder / 'airflow.db'}",
            "API__HOST": "127.0.0.1",
            "API__PORT": self.port,
            "API__BASE_URL": self.url,
            "API__WORKERS": 1,
            "API__SECRET_KEY": kept["api"],
            "API_AUTH__JWT_SECRET": kept["jwt"],
            "DAG_PROCESSOR__REFRESH_INTERVAL": 5,
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 5,
            "DAG_PROCESSOR__PARSING_PROCESSES": 1,
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.3,
            "SCHEDULER__ENABLE_HEALTH_CHECK": False,
            "USAGE_DATA_COLLECTION__ENABLED": False,
        }
        named = {f"AIRFLOW__{name}": str(value) for name, value in options.items()}
        return {"AIRFLOW_HOME": str(self.folder)} | named


def _healthy(health: Mapping[str, Any], since: dt.datetime) -> bool:
    """Whether both components have beaten `since`: Airflow calls one healthy for 30 s after it died."""
    for name in ("scheduler", "dag_processor"):
        component = health.get(name) or {}
        beat = component.get(f"latest_{name}_heartbeat")
        if component.get("status") != "healthy" or not beat or dt.datetime.fromisoformat(beat) < since:
            return False
    return True


def _secrets(file: Path) -> dict[str, str]:
    """Generated once and kept: what the database holds encrypted must be readable after a restart."""
    if not file.exists():
        file.touch(mode=0o600)
        names = {"fernet": Fernet.generate_key().decode(), "api": secrets.token_hex(32), "jwt": secrets.token_hex(64)}
        file.write_text(json.dumps(names))
    return dict(json.loads(file.read_text()))


def _read(file: Path) -> dict[str, Any] | None:
    return dict(json.loads(file.read_text())) if file.exists() else None

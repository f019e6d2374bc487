"""The stack on one machine: `python infra/local/stack.py up|down|status`.

A private broker and Airflow that go on in the background, a lake in a folder; all of it under `.local/up`.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from rich.console import Console

from airflow_local import Airflow, AirflowFailed, PortTaken
from broker import Broker, BrokerError

__all__ = ["Stack", "StackError", "airflow_connections", "main"]

ROOT = Path(__file__).resolve().parents[2]
BROKER_PORT = "LAKEPOST_LOCAL_BROKER_PORT"
AIRFLOW_PORT = "LAKEPOST_LOCAL_AIRFLOW_PORT"
_LAST_PORT = 65_535
_DEFAULTS = {BROKER_PORT: 5673, AIRFLOW_PORT: 8080}


class Account(Protocol):
    """A Cosmos DB account that runs here: where it answers, and its key."""

    endpoint: str
    key: str


class StackError(Exception):
    """The stack cannot go up; the message says why and what to do."""


def airflow_connections(broker_url: str, lake: Path, account: Account | None = None) -> dict[str, str]:
    """The environment variables that define Airflow's Connections: broker, lake's folder, Cosmos DB account."""
    url = urlsplit(broker_url)
    rabbitmq = {
        "conn_type": "amqp",
        "host": url.hostname,
        "port": url.port,
        "login": unquote(url.username or ""),
        "password": unquote(url.password or ""),
        "schema": unquote(url.path[1:]) or "/",
    }
    told = {
        "AIRFLOW_CONN_LAKEPOST_RABBITMQ": json.dumps(rabbitmq),
        "AIRFLOW_CONN_LAKEPOST_LAKE": json.dumps({"conn_type": "file", "extra": {"url": lake.as_uri()}}),
    }
    if account is not None:
        cosmos = {"conn_type": "generic", "host": account.endpoint, "password": account.key}
        told["AIRFLOW_CONN_LAKEPOST_COSMOS"] = json.dumps(cosmos)
    return told


class Stack:
    """Broker, Airflow and lake under `folder`. `environment` may name other ports than the defaults."""

    def __init__(self, folder: Path, environment: Mapping[str, str], console: Console) -> None:
        self.folder, self._environment, self._console = folder.absolute(), environment, console
        self.lake = self.folder / "lake"

    def up(self) -> None:
        """Start what does not run yet, on the data that is there, and say what to do next.

        Raises:
            StackError: a port is taken or a part does not start. What runs already goes on running.
        """
        self.lake.mkdir(parents=True, exist_ok=True)
        with self._alone():
            broker, fresh = self._broker()
            airflow, started = self._airflow(broker, restart=fresh)
            self._write_env(broker)
        if not fresh and not started:
            self._console.print("It already runs.")
        self._console.print(f"Airflow      {airflow.url}   (no password; DAGs start paused)")
        self._console.print(f"RabbitMQ     127.0.0.1:{broker.port}")
        self._console.print(f"Lake         {self.lake}")
        self._console.print(
            f"\nNext: [bold]source {self._shown('env')}[/] and [bold]lakepost doctor[/]; unpause ingest__orders in"
            " Airflow, or run [bold]lakepost ingest orders[/]. [bold]make down[/] ends it and keeps the data."
        )

    def down(self) -> None:
        """End what runs; the data stays. Twice is fine."""
        with self._alone():
            parts = (Airflow.attach(self.folder / "airflow"), Broker.attach(self.folder / "broker"))
            for part in parts:
                if part is not None:
                    part.stop()
        ran = any(part is not None for part in parts)
        self._console.print(f"Stopped; the data stays in {self._shown()}." if ran else "Nothing runs.")

    def status(self) -> bool:
        """Say what runs; true when all of it does."""
        airflow, broker = Airflow.attach(self.folder / "airflow"), Broker.attach(self.folder / "broker")
        self._console.print(f"Airflow      {airflow.url if airflow else 'not running'}")
        self._console.print(f"RabbitMQ     {f'127.0.0.1:{broker.port}' if broker else 'not running'}")
        self._console.print(f"Lake         {self.lake if self.lake.exists() else 'none yet'}")
        return airflow is not None and broker is not None

    def _broker(self) -> tuple[Broker, bool]:
        """The broker, and whether it was started just now."""
        if running := Broker.attach(self.folder / "broker"):
            return running, False
        port = self._port(BROKER_PORT)
        broker = Broker(self.folder / "broker", port=port)
        with self._console.status("starting RabbitMQ"):
            try:
                broker.start()
            except BrokerError as error:
                raise StackError(f"RabbitMQ: {error}\n{BROKER_PORT} chooses another port (now {port})") from error
        return broker, True

    def _airflow(self, broker: Broker, *, restart: bool) -> tuple[Airflow, bool]:
        """Airflow, and whether it was started just now; anew where the broker is, whose address it was told."""
        running = Airflow.attach(self.folder / "airflow")
        if running and not restart:
            return running, False
        if running:
            running.stop()
        port = self._port(AIRFLOW_PORT)
        schemas = self._environment.get("LAKEPOST_SCHEMAS_DIR", str(ROOT / "schemas"))
        told = airflow_connections(broker.url, self.lake) | {"LAKEPOST_SCHEMAS_DIR": schemas}
        airflow = Airflow(self.folder / "airflow", dags=ROOT / "dags", port=port, env=told, triggerer=True)
        with self._console.status("starting Airflow (about half a minute)"):
            try:
                airflow.start()
            except PortTaken as error:
                raise StackError(f"Airflow: {error}; {AIRFLOW_PORT} chooses another") from error
            except AirflowFailed as error:
                raise StackError(str(error)) from error
        return airflow, True

    def _port(self, name: str) -> int:
        text = self._environment.get(name, "") or str(_DEFAULTS[name])
        if not text.isdecimal() or not 0 < int(text) <= _LAST_PORT:
            raise StackError(f"{name} is {text!r}, not a port: give a number from 1 to {_LAST_PORT}")
        return int(text)

    def _write_env(self, broker: Broker) -> None:
        schemas = self._environment.get("LAKEPOST_SCHEMAS_DIR", str(ROOT / "schemas"))
        lines = {
            "LAKEPOST_RABBITMQ_URL": broker.url,
            "LAKEPOST_LAKE_URL": self.lake.as_uri(),
            "LAKEPOST_SCHEMAS_DIR": schemas,
        }
        file = self.folder / "env"
        file.touch(mode=0o600)
        file.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in lines.items()))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One `up` or `down` at a time: the second waits for the first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # Not inherited by what is started here, so it is free again when this process ends, however it ends.
        lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _shown(self, name: str = "") -> str:
        path = self.folder / name
        return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="The local stack: RabbitMQ, Airflow, a lake in a folder.")
    parser.add_argument("action", choices=["up", "down", "status"])
    parser.add_argument("--folder", type=Path, default=ROOT / ".local" / "up", help="default: .local/up")
    given = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False)
    environment = os.environ  # noqa: TID251 - ports of the local stack are no settings of the package
    stack = Stack(given.folder, environment, console)
    try:
        if given.action == "status":
            return 0 if stack.status() else 1
        stack.up() if given.action == "up" else stack.down()
    except StackError as error:
        console.print(f"stack: {error}", markup=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

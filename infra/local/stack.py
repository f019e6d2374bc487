"""The stack on one machine: `python infra/local/stack.py up|down|status`.

A private broker, a Cosmos DB account and Airflow that go on in the background, a lake in a folder; all of it under
`.local/up`.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import fcntl
import json
import os
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from rich.console import Console

from account import CosmosAccount, CosmosFailed, made
from airflow_local import Airflow, AirflowFailed, PortTaken
from broker import Broker, BrokerError
from ingest import catalog
from ingest.errors import ContractError
from ingest.model.container import ContainerBinding

__all__ = ["Stack", "StackError", "airflow_connections", "containers", "main", "pii_keys"]

ROOT = Path(__file__).resolve().parents[2]
BROKER_PORT = "LAKEPOST_LOCAL_BROKER_PORT"
COSMOS_PORT = "LAKEPOST_LOCAL_COSMOS_PORT"
AIRFLOW_PORT = "LAKEPOST_LOCAL_AIRFLOW_PORT"
_LAST_PORT = 65_535
_DEFAULTS = {BROKER_PORT: 5673, COSMOS_PORT: 8081, AIRFLOW_PORT: 8080}
_RANGES = 2  # physical ones of a container: what Airflow maps its tasks over
_KEY_BYTES = 32


class Account(Protocol):
    """A Cosmos DB account that runs here: where it answers, and its key."""

    @property
    def endpoint(self) -> str: ...
    @property
    def key(self) -> str: ...


class StackError(Exception):
    """The stack cannot go up; the message says why and what to do."""


def airflow_connections(
    broker_url: str, lake: Path, account: Account | None = None, *, keys: str | None = None
) -> dict[str, str]:
    """The environment variables that define Airflow's Connections: broker, Cosmos DB account, lake's folder.

    `keys` are those of protected columns.
    """
    url = urlsplit(broker_url)
    rabbitmq = {
        "conn_type": "amqp",
        "host": url.hostname,
        "port": url.port,
        "login": unquote(url.username or ""),
        "password": unquote(url.password or ""),
        "schema": unquote(url.path[1:]) or "/",
    }
    extra = {"url": lake.as_uri()} | ({} if keys is None else {"pii_keys": keys})
    told = {
        "AIRFLOW_CONN_LAKEPOST_RABBITMQ": json.dumps(rabbitmq),
        "AIRFLOW_CONN_LAKEPOST_LAKE": json.dumps({"conn_type": "file", "extra": extra}),
    }
    if account is not None:
        cosmos = {"conn_type": "generic", "host": account.endpoint, "password": account.key}
        told["AIRFLOW_CONN_LAKEPOST_COSMOS"] = json.dumps(cosmos)
    return told


def containers(schemas: Path) -> list[ContainerBinding]:
    """The containers of the datasets under `schemas`; of one with a broken contract none."""
    found: list[ContainerBinding] = []
    for dataset in catalog.names(schemas):
        with contextlib.suppress(ContractError):
            container = catalog.load(schemas, dataset).container
            found += [] if container is None else [container]
    return found


def pii_keys(file: Path) -> str:
    """The key of protected columns and erasures that `file` keeps; made when missing, readable for its owner only."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(f"local:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}")
    return file.read_text()


class Stack:
    """All of it under `folder`. `environment` may name other ports than the defaults."""

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
            account, new = self._account()
            settings = self._settings(broker, account)
            told = airflow_connections(broker.url, self.lake, account, keys=settings["LAKEPOST_PII_KEYS"])
            told["LAKEPOST_SCHEMAS_DIR"] = settings["LAKEPOST_SCHEMAS_DIR"]
            airflow, started = self._airflow(told, restart=fresh or new)
            self._write_env(settings)
        if not (fresh or new or started):
            self._console.print("It already runs.")
        self._console.print(f"Airflow      {airflow.url}   (no password; DAGs start paused)")
        self._console.print(f"RabbitMQ     127.0.0.1:{broker.port}")
        self._console.print(f"Cosmos DB    {account.endpoint}")
        self._console.print(f"Lake         {self.lake}")
        self._console.print(
            f"\nNext: [bold]source {self._shown('env')}[/] and [bold]lakepost doctor[/]; unpause ingest__orders in"
            " Airflow, or run [bold]lakepost ingest orders[/]. [bold]make down[/] ends it and keeps the data."
        )

    def down(self) -> None:
        """End what runs; the data stays. Twice is fine."""
        with self._alone():
            parts = (
                Airflow.attach(self.folder / "airflow"),
                Broker.attach(self.folder / "broker"),
                CosmosAccount.attach(self.folder / "cosmos"),
            )
            for part in parts:
                if part is not None:
                    part.stop()
        ran = any(part is not None for part in parts)
        self._console.print(f"Stopped; the data stays in {self._shown()}." if ran else "Nothing runs.")

    def status(self) -> bool:
        """Say what runs; true when all of it does."""
        airflow, broker = Airflow.attach(self.folder / "airflow"), Broker.attach(self.folder / "broker")
        account = CosmosAccount.attach(self.folder / "cosmos")
        self._console.print(f"Airflow      {airflow.url if airflow else 'not running'}")
        self._console.print(f"RabbitMQ     {f'127.0.0.1:{broker.port}' if broker else 'not running'}")
        self._console.print(f"Cosmos DB    {account.endpoint if account else 'not running'}")
        self._console.print(f"Lake         {self.lake if self.lake.exists() else 'none yet'}")
        return None not in {airflow, broker, account}

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

    def _account(self) -> tuple[CosmosAccount, bool]:
        """The account, with the containers of the contracts, and whether it was started just now."""
        account, fresh = CosmosAccount.attach(self.folder / "cosmos"), False
        if account is None:
            port, fresh = self._port(COSMOS_PORT), True
            account = CosmosAccount(self.folder / "cosmos", port=port, ranges=_RANGES)
            try:
                account.start()
            except CosmosFailed as error:
                raise StackError(f"Cosmos DB: {error}\n{COSMOS_PORT} chooses another port (now {port})") from error
        made(account.endpoint, account.key, containers(self._schemas))
        return account, fresh

    def _airflow(self, told: dict[str, str], *, restart: bool) -> tuple[Airflow, bool]:
        """Airflow, and whether it was started just now; anew where that is whose address it was told."""
        running = Airflow.attach(self.folder / "airflow")
        if running and not restart:
            return running, False
        if running:
            running.stop()
        port = self._port(AIRFLOW_PORT)
        airflow = Airflow(self.folder / "airflow", dags=ROOT / "dags", port=port, env=told, triggerer=True)
        with self._console.status("starting Airflow (about half a minute)"):
            try:
                airflow.start()
            except PortTaken as error:
                raise StackError(f"Airflow: {error}; {AIRFLOW_PORT} chooses another") from error
            except AirflowFailed as error:
                raise StackError(str(error)) from error
        return airflow, True

    @property
    def _schemas(self) -> Path:
        return Path(self._environment.get("LAKEPOST_SCHEMAS_DIR", str(ROOT / "schemas")))

    def _settings(self, broker: Broker, account: CosmosAccount) -> dict[str, str]:
        """What the command needs."""
        return {
            "LAKEPOST_RABBITMQ_URL": broker.url,
            "LAKEPOST_COSMOS_ENDPOINT": account.endpoint,
            "LAKEPOST_COSMOS_KEY": account.key,
            "LAKEPOST_LAKE_URL": self.lake.as_uri(),
            "LAKEPOST_PII_KEYS": pii_keys(self.folder / "pii_keys"),
            "LAKEPOST_SCHEMAS_DIR": str(self._schemas),
        }

    def _port(self, name: str) -> int:
        text = self._environment.get(name, "") or str(_DEFAULTS[name])
        if not text.isdecimal() or not 0 < int(text) <= _LAST_PORT:
            raise StackError(f"{name} is {text!r}, not a port: give a number from 1 to {_LAST_PORT}")
        return int(text)

    def _write_env(self, settings: Mapping[str, str]) -> None:
        file = self.folder / "env"
        file.touch(mode=0o600)
        file.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()))

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
    parser = argparse.ArgumentParser(description="The local stack: RabbitMQ, Cosmos DB, Airflow, a lake in a folder.")
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

"""The local Cosmos DB account as a part of the stack: a process that goes on, found again by its folder.

`cosmos.Local` is the same for a test: that one dies with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from azure.cosmos import CosmosClient, PartitionKey  # noqa: TID251 - an application of the account, as the shop is

from broker import free_port, is_free
from ingest.model.container import ContainerBinding
from sessions import end_session, session_members, started

__all__ = ["CosmosAccount", "CosmosFailed", "made"]

_PATIENCE = 10.0
_LOG_LINES = 10


class CosmosFailed(Exception):
    """The account does not start; the message says why."""


class CosmosAccount:
    """A local account whose data, key, log and state live in `folder`. It listens on 127.0.0.1 only.

    It can be started again on the same folder, with the same key and, if that is still free, the same port; `port` asks
    for one. A `tied` one dies with the process that made it; any other goes on until `stop()`, in this process or, by
    way of `attach`, in another. `ranges`: physical ones of a new container.
    """

    def __init__(self, folder: Path, *, port: int | None = None, ranges: int = 1, tied: bool = False) -> None:
        self.folder, self._asked, self._ranges, self._tied = folder.absolute(), port, ranges, tied
        self._process: subprocess.Popen[str] | None = None
        self._state: dict[str, Any] = {}
        with contextlib.suppress(FileNotFoundError):
            self._state = json.loads(self._file.read_text())

    @classmethod
    def attach(cls, folder: Path) -> CosmosAccount | None:
        """The account that runs on `folder`, whoever started it; null if none does."""
        account = cls(folder)
        return account if account.running else None

    @property
    def _file(self) -> Path:
        return self.folder / "running.json"

    @property
    def endpoint(self) -> str:
        """`http://127.0.0.1:PORT/`."""
        return str(self._state["endpoint"])

    @property
    def key(self) -> str:
        """The master key."""
        return str(self._state["key"])

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        session = self._state.get("session")
        return session is not None and bool(session_members(session, self._state["born"]))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Return once it answers.

        Raises:
            CosmosFailed: the port is taken, another process holds the folder, or it died.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._asked and not is_free(self._asked):
            raise CosmosFailed(f"port {self._asked} of 127.0.0.1 is taken: choose another, or end what listens there")
        last = self._state.get("port")
        port = self._asked or (last if last and is_free(last) else free_port())
        with (self.folder / "cosmos.log").open("wb") as log:
            self._process = self._launch(port, log)
        line = ""
        if self._process.stdout:
            with self._process.stdout as said:
                line = said.readline()
        if not line:
            self.stop()
            lines = (self.folder / "cosmos.log").read_text(errors="replace").splitlines()[-_LOG_LINES:]
            raise CosmosFailed("\n".join(["the local account did not start", *lines]))
        pid = self._process.pid
        self._keep(json.loads(line) | {"port": port, "session": pid, "born": started(pid)})

    def stop(self) -> None:
        """End it in order; the data stays. Twice is fine."""
        if self.running:
            end_session(self._state["session"], self._state["born"], patience=_PATIENCE)
        if self._process is not None:
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None
        if self._state.get("session") is not None:
            self._keep({"session": None})

    def _launch(self, port: int, log: IO[bytes]) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "cosmos", "--data", str(self.folder / "data"), "--port", str(port), "--json"]
        return subprocess.Popen(
            [*command, "--ranges", str(self._ranges), *(["--tied"] if self._tied else [])],
            cwd=Path(__file__).parent,
            stdin=subprocess.PIPE if self._tied else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )

    def _keep(self, more: dict[str, Any]) -> None:
        self._state |= more
        with os.fdopen(os.open(self._file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self._state, file)


def made(endpoint: str, key: str, containers: Iterable[ContainerBinding]) -> None:
    """Make the containers that are not there yet; items of theirs may expire, and do where one says when."""
    with CosmosClient(endpoint, key) as client:
        for one in containers:
            paths = list(one.partition_key)
            key_of = PartitionKey(path=paths[0]) if len(paths) == 1 else PartitionKey(path=paths)
            database = client.create_database_if_not_exists(one.database)
            database.create_container_if_not_exists(one.container, key_of, default_ttl=-1)

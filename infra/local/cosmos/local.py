"""The emulator from Python: start it as a process of its own, and operate what only its operator can.

with Local(folder, ranges=2) as account:
    client = CosmosClient(account.endpoint, account.key)
    account.split("shop", "customers", "0")
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["Admin", "AdminRefused", "Local", "NotStarted"]


class NotStarted(Exception):
    """The emulator did not get ready; it said why on standard error."""


class AdminRefused(Exception):
    """The admin endpoint does not do that; the message says why."""


class Admin:
    """The admin endpoint of the emulator at `endpoint`; over TLS, `trusted` is the PEM file of the authority.

    Every method raises `AdminRefused`, in the emulator's words, for what cannot be done.
    """

    def __init__(self, endpoint: str, trusted: Path | None = None) -> None:
        self.endpoint, self.trusted = endpoint, trusted

    def ranges(self, database: str, container: str) -> list[dict[str, Any]]:
        """The partition key ranges that serve: `id`, `low`, `high`, `parents`, `lsn`."""
        return self._ask("GET", f"ranges/{database}/{container}")  # type: ignore[no-any-return]

    def split(self, database: str, container: str, name: str, at: str | None = None) -> list[dict[str, Any]]:
        """End range `name` for two, divided at the effective partition key `at`, by default in the middle."""
        body = {"database": database, "container": container, "range": name, "at": at}
        return self._ask("POST", "split", body)  # type: ignore[no-any-return]

    def merge(self, database: str, container: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """End the neighbouring ranges `names` for one."""
        body = {"database": database, "container": container, "ranges": list(names)}
        return self._ask("POST", "merge", body)  # type: ignore[no-any-return]

    def fault(self, **fault: Any) -> None:
        """Let something befall later requests; the fields are those of `cosmos.faults.Fault`."""
        self._ask("POST", "fault", fault)

    def faults(self) -> list[dict[str, Any]]:
        """The faults that wait."""
        return self._ask("GET", "faults")  # type: ignore[no-any-return]

    def clear_faults(self) -> None:
        """Let none wait."""
        self._ask("DELETE", "faults")

    def clock(self, *, offset: float | None = None, advance: float = 0.0) -> int:
        """Set how far the account's clock is ahead (seconds), or move it; the account's time."""
        body = {"advance": advance} if offset is None else {"offset": offset}
        return int(self._ask("POST", "clock", body)["now"])

    def budget(self, database: str, container: str, units: int | None) -> None:
        """Request units per second that the container serves before it answers 429; null for no limit."""
        self._ask("POST", "budget", {"database": database, "container": container, "units": units})

    def transaction(
        self, database: str, container: str, partition_key: Sequence[Any], operations: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Any number of operations on one partition key under one LSN, as a stored procedure may."""
        body = {
            "database": database,
            "container": container,
            "partitionKey": list(partition_key),
            "operations": list(operations),
        }
        return self._ask("POST", "transaction", body)  # type: ignore[no-any-return]

    def token(self, seconds: float = 3600) -> str:
        """An access token of an identity, good for `seconds`; negative for one that has expired."""
        return str(self._ask("POST", "token", {"seconds": seconds})["token"])

    def usage(self, *, reset: bool = False) -> dict[str, Any]:
        """`requests` and `units` by kind, `statuses` by number, since the start or the last reset."""
        return self._ask("DELETE" if reset else "GET", "usage")  # type: ignore[no-any-return]

    def _ask(self, verb: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}_emulator/{path}", data, method=verb)
        tls = ssl.create_default_context(cafile=self.trusted) if self.trusted else None
        try:
            with urllib.request.urlopen(request, timeout=60, context=tls) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise AdminRefused(json.load(error)["message"]) from None


class Local(Admin):
    """An emulator on `folder`. It can be started again with the same data, key and port; it dies with this process."""

    def __init__(
        self, folder: Path, *, ranges: int = 1, retention: int | None = None, arguments: Sequence[str] = ()
    ) -> None:
        super().__init__("")
        self.key = ""
        self._folder, self._port = folder.resolve(), 0
        self._process: subprocess.Popen[str] | None = None
        self._arguments = ["--ranges", str(ranges), *arguments]
        if retention is not None:
            self._arguments += ["--retention", str(retention)]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Return once it answers."""
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "cosmos",
                "--data",
                self._folder,
                "--port",
                str(self._port),
                "--json",
                "--tied",
                *self._arguments,
            ],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self.kill()
            raise NotStarted(f"the emulator on {self._folder} did not start")
        said = json.loads(line)
        self.endpoint, self.key = said["endpoint"], said["key"]
        self._port = int(self.endpoint.rstrip("/").rpartition(":")[2])

    @property
    def pid(self) -> int | None:
        """Of its process; null while it does not run."""
        return None if self._process is None else self._process.pid

    def stop(self) -> None:
        """In order."""
        if self._process is not None:
            self._process.terminate()
            self._end()

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

"""The demo's customers: their local Cosmos DB account, and an application that changes them while they are ingested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure.cosmos import ContainerProxy, CosmosClient  # noqa: TID251 - reads back what the application wrote

from account import CosmosAccount, made
from ingest.model.container import ContainerBinding

__all__ = ["Customers", "CustomersFailed"]

DATASET = "customers"
RANGES = 2  # physical ones, each of which is landed by a task
_FOUNDERS = 500  # customers that a snapshot finds
_DEADLINE = 300.0
_POLL_SECONDS = 0.2
_ON_TRIAL = "SELECT VALUE COUNT(1) FROM c WHERE IS_DEFINED(c.ttl)"


class CustomersFailed(Exception):
    """The application, or the command, did not end well; the message ends with what it said."""


class Customers:
    """A container with `changes` to come, in an account under `folder`; `tied` as for `CosmosAccount`."""

    def __init__(self, folder: Path, container: ContainerBinding, *, changes: int, seed: int, tied: bool) -> None:
        self.account = CosmosAccount(folder / "cosmos", ranges=RANGES, tied=tied)
        self.ledger, self._container, self._changes, self._seed = folder / "customers.jsonl", container, changes, seed
        self._writer: subprocess.Popen[str] | None = None
        self._is_last = False  # the application has been told to do all that is left

    @property
    def settings(self) -> dict[str, str]:
        """Those of the command."""
        return {"LAKEPOST_COSMOS_ENDPOINT": self.account.endpoint, "LAKEPOST_COSMOS_KEY": self.account.key}

    def start(self) -> None:
        """Start the account; the application begins with the founders.

        Raises:
            CosmosFailed: the account does not start.
        """
        self.account.start()
        made(self.account.endpoint, self.account.key, [self._container])
        writer = str(Path(__file__).with_name("customers_writer.py"))
        told = {"founders": _FOUNDERS, "changes": self._changes, "seed": self._seed, "ledger": self.ledger}
        told |= {"database": self._container.database, "container": self._container.container}
        options = [text for name, value in told.items() for text in (f"--{name}", str(value))]
        self._writer = subprocess.Popen(
            [sys.executable, writer, "--stepwise", *options],
            env={**os.environ, **self.settings},  # noqa: TID251 - handed on
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def stop(self) -> None:
        """End both. Twice is fine."""
        if self._writer is not None:
            self._writer.kill()
            self._writer.communicate()
            self._writer = None
        self.account.stop()

    def first_landing(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """`lakepost land` of the founders, from when on every change is in the feed; then the application goes on.

        Raises:
            CustomersFailed: the application or the command failed.
        """
        assert self._writer is not None
        assert self._writer.stdout is not None
        if not self._writer.stdout.readline():
            self._ended()
        done = subprocess.run(
            [str(Path(sys.executable).with_name("lakepost")), "land", DATASET, "--json"],
            env={**os.environ, **environment},  # noqa: TID251 - handed on
            capture_output=True,
            text=True,
            timeout=_DEADLINE,
            check=False,
        )
        if done.returncode:
            raise CustomersFailed(f"lakepost land {DATASET}: {done.stderr[-2000:]}")
        self._go_on()
        return dict(json.loads(done.stdout))

    def last_part(self) -> None:
        """Let the application do all that is left, as soon as it has done the part before. Twice is fine."""
        if not self._is_last:
            self._is_last = True
            self._go_on()

    def finish(self) -> None:
        """Wait until the application has done all, and customers on trial have expired: the ledger is complete.

        Raises:
            CustomersFailed: it failed, or they do not expire.
        """
        self.last_part()
        self._ended()
        with CosmosClient(self.account.endpoint, self.account.key) as client:
            until = time.monotonic() + _DEADLINE
            container = self._of(client)
            while any(list(container.query_items(_ON_TRIAL, enable_cross_partition_query=True))):
                if time.monotonic() > until:
                    raise CustomersFailed("customers on trial do not expire")
                time.sleep(_POLL_SECONDS)

    def items(self) -> list[dict[str, Any]]:
        """What is in the container."""
        with CosmosClient(self.account.endpoint, self.account.key) as client:
            return list(self._of(client).read_all_items(max_item_count=1_000))

    def _go_on(self) -> None:
        assert self._writer is not None
        assert self._writer.stdin is not None
        self._writer.stdin.write("\n")
        self._writer.stdin.flush()

    def _of(self, client: CosmosClient) -> ContainerProxy:
        database = client.get_database_client(self._container.database)
        return database.get_container_client(self._container.container)

    def _ended(self) -> None:
        assert self._writer is not None
        _, said = self._writer.communicate(timeout=_DEADLINE)
        if self._writer.returncode:
            raise CustomersFailed(f"writing customers: {said[-2000:]}")
        self._writer = None

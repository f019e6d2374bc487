"""Who reads the backlog: land, and what it is compared with, each as a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from broker import Broker
from curate import HERE, LAKEPOST, ROOT, VENV
from process import Measured, measured

__all__ = ["QUEUE", "Drain", "Stand", "built_anchor", "schemas_of"]

QUEUE = "lakepost.orders"
_QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}


@dataclass(frozen=True)
class Drain:
    """One reader's run: messages a second as it tells them itself, and its process's processor seconds and peak MB."""

    rate: float
    cpu: float
    megabytes: float


@dataclass(frozen=True)
class Stand:
    """A broker, and contracts with `orders` on a queue of one kind."""

    broker: Broker
    schemas: Path
    prefetch: int

    def land(self, count: int) -> Drain:
        """`lakepost land` into empty tables: connected, committed, acknowledged. Its rate includes all of that."""
        with tempfile.TemporaryDirectory(prefix="lakepost-bench-") as lake:
            self._lakepost(Path(lake), "lake", "init")
            found = self._lakepost(Path(lake), "land", "orders")
        account = json.loads(found.out)
        if account["landed"] != count:
            raise SystemExit(f"land took {account['landed']} messages, not {count}")
        return Drain(count / account["seconds"], found.cpu, found.megabytes)

    def declare(self) -> None:
        """Make the queue as the contract says."""
        with tempfile.TemporaryDirectory(prefix="lakepost-bench-") as lake:
            self._lakepost(Path(lake), "land", "orders")

    def c_reader(self, binary: Path, count: int) -> Drain:
        """The C reader, which keeps nothing."""
        user, password = self.broker.url.removeprefix("amqp://").split("@")[0].split(":")
        where = ["127.0.0.1", str(self.broker.port), "/", user, password, QUEUE, str(count), str(self.prefetch)]
        return _told(measured([binary, *where], {}))

    def aio_pika(self, count: int) -> Drain:
        """A consumer of aio-pika, which keeps nothing."""
        return _told(measured([sys.executable, HERE / "with_aio_pika.py", *self._queue(count)], {}))

    def dlt(self, resource: str, count: int) -> Drain:
        """A pika resource of dlt, `plain` or `paged`, to Parquet."""
        with tempfile.TemporaryDirectory(prefix="lakepost-bench-") as out:
            command: list[str | Path] = [
                VENV / "bin" / "python",
                HERE / "with_dlt_pika.py",
                resource,
                *self._queue(count),
                Path(out),
            ]
            return _told(measured(command, _QUIET))

    def _queue(self, count: int) -> list[str]:
        return [self.broker.url, QUEUE, str(count), str(self.prefetch)]

    def _lakepost(self, lake: Path, *command: str) -> Measured:
        environment = {
            "LAKEPOST_LAKE_URL": lake.as_uri(),
            "LAKEPOST_RABBITMQ_URL": self.broker.url,
            "LAKEPOST_SCHEMAS_DIR": str(self.schemas),
        }
        return measured([LAKEPOST, *command, "--json"], environment)


def _told(found: Measured) -> Drain:
    return Drain(float(found.out.split()[0]), found.cpu, found.megabytes)


def schemas_of(kind: str, folder: Path) -> Path:
    """The shipped contracts, with `orders` on a queue of `kind`."""
    copied = folder / "schemas"
    shutil.copytree(ROOT / "schemas", copied)
    contract = copied / "orders" / "contract.odcs.yaml"
    contract.write_text(contract.read_text().replace("queueType: quorum", f"queueType: {kind}"))
    return copied


def built_anchor(source: Path, folder: Path, say: Callable[[str], None]) -> Path | None:
    """The C reader, compiled; null, and a sentence that says why, where it cannot be had."""
    if not source.exists():
        say(f"no C reader to compare with: {source.name} is not there (see --anchor)")
        return None
    if shutil.which("gcc") is None or not Path("/usr/include/amqp.h").exists():
        say("no C reader to compare with: apt-get install gcc librabbitmq-dev")
        return None
    binary = folder / "anchor"
    subprocess.run(["gcc", "-O2", str(source), "-lrabbitmq", "-o", str(binary)], check=True)
    return binary

"""The main job on real parts: 100,000 messages through RabbitMQ, Airflow and Delta, and the proof that none is lost.

`python infra/local/demo.py` starts from nothing under `.local/demo`, and leaves the lake and the ledger
there. Its last line begins with `demo: OK` or `demo: FAILED`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import shutil
import signal
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Self

import httpx
from rich.console import Console

import demo_envelopes
import demo_report
from airflow_api import AirflowRefused
from airflow_local import Airflow, AirflowFailed
from broker import Broker, BrokerError
from demo_display import Display
from ingest import catalog
from ingest.errors import LakepostError
from ingest.sources.rabbitmq import RabbitQueue
from ledger import LedgerWriter, Verdict, check
from shop import Sent, messages
from shop_envelopes import Parcel
from shop_publish import PublishFailed, publish
from stack import airflow_connections

__all__ = ["Demo", "main"]

ROOT = Path(__file__).resolve().parents[2]
DATASET = "orders"
DAG_ID = f"ingest__{DATASET}"
_SCHEDULE_DEADLINE = 15.0  # seconds
_RUN_DEADLINE = 600.0
_ENVELOPED = 5_000  # messages of each of the other datasets


class DemoFailed(Exception):
    """The run did not end well; the message says where and what to look at."""


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What Airflow did: its task instances, and the accounts that the tasks returned, by task id."""

    tasks: list[dict[str, Any]]
    accounts: dict[str, dict[str, Any]]


class Demo:
    """One demo under `folder`. Everything it starts is stopped when the `with` block ends, unless `keep`."""

    def __init__(self, folder: Path, display: Display, *, count: int, seed: int, keep: bool) -> None:
        self.folder, self.lake, self.ledger = folder, folder / "lake", folder / "ledger.jsonl"
        self._display, self._count, self._seed, self._keep = display, count, seed, keep
        self._stack = contextlib.ExitStack()
        self._others: dict[str, list[Parcel]] = {}
        self.accounts: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self) -> tuple[Run, Verdict]:
        """Start, publish, ingest, check.

        Raises:
            DemoFailed: a part did not start, or the run failed.
        """
        self._wipe()
        with self._display.stage("RabbitMQ"):
            broker = self._broker()
        airflow = self._airflow(broker)
        with ThreadPoolExecutor(1, "airflow") as pool:
            started = pool.submit(self._start, airflow)
            try:
                self._publish(broker)
                self._await(started)
            except BaseException:
                airflow.stop()  # so that the thread does not wait for it
                raise
        run = self._ingest(airflow)
        if not self._keep:
            airflow.stop()  # before its schedule starts the next run
        with self._display.stage("stock, deliveries"):
            self.accounts = demo_envelopes.ingested(self._others, self._environment(broker))
        with self._display.stage("check"):
            verdict = check(self.ledger, self.lake, DATASET)
            for dataset, sent in self._others.items():
                found = demo_envelopes.differences(dataset, sent, self.accounts[dataset], self.lake)
                verdict = dataclasses.replace(verdict, differences=(*verdict.differences, *found))
        if self._keep:
            self._stack.pop_all()
            self._display.say(f"still running: Airflow {airflow.url}, RabbitMQ 127.0.0.1:{broker.port}")
        return run, verdict

    def _wipe(self) -> None:
        """Start from nothing: end what an earlier demo left running, remove what it wrote."""
        for part in (Airflow.attach(self.folder / "airflow"), Broker.attach(self.folder / "broker")):
            if part is not None:
                part.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lake.mkdir(parents=True)

    def _broker(self) -> Broker:
        broker = Broker(self.folder / "broker", tied=not self._keep)
        self._stack.callback(broker.stop)
        try:
            broker.start()
        except BrokerError as error:
            raise DemoFailed(f"RabbitMQ: {error}") from error
        return broker

    def _airflow(self, broker: Broker) -> Airflow:
        told = airflow_connections(broker.url, self.lake) | {"LAKEPOST_SCHEMAS_DIR": str(ROOT / "schemas")}
        airflow = Airflow(self.folder / "airflow", dags=ROOT / "dags", env=told, tied=not self._keep)
        self._stack.callback(airflow.stop)
        return airflow

    def _environment(self, broker: Broker) -> dict[str, str]:
        """The settings of the command."""
        return {
            "LAKEPOST_LAKE_URL": self.lake.as_uri(),
            "LAKEPOST_RABBITMQ_URL": broker.url,
            "LAKEPOST_SCHEMAS_DIR": str(ROOT / "schemas"),
            "LAKEPOST_LOG_LEVEL": "WARNING",
        }

    def _start(self, airflow: Airflow) -> None:
        with self._display.stage("Airflow"):
            airflow.start()

    def _await(self, started: Future[None]) -> None:
        try:
            started.result()
        except AirflowFailed as error:
            raise DemoFailed(str(error)) from error

    def _publish(self, broker: Broker) -> None:
        """Through the exchange into the contract's queue; what is confirmed goes into the ledger."""
        try:
            binding = catalog.load(ROOT / "schemas", DATASET).queues[0]
            asyncio.run(_declare(RabbitQueue(broker.url, binding)))
            with (
                self._display.stage("publish", total=self._count) as advance,
                LedgerWriter(self.ledger, messages=self._count, seed=self._seed) as ledger,
            ):

                def confirmed(group: tuple[Sent, ...]) -> None:
                    ledger.record(group)
                    advance(len(group))

                stream = messages(self._count, self._seed)
                publish(broker.url, stream, exchange=binding.exchange, progress=confirmed)
            each = min(_ENVELOPED, self._count)
            self._others = demo_envelopes.published(broker.url, ROOT / "schemas", messages=each, seed=self._seed)
        except (PublishFailed, LakepostError) as error:
            raise DemoFailed(f"publishing: {error}") from error

    def _ingest(self, airflow: Airflow) -> Run:
        """Have the scheduler run the DAG once over all that is queued."""
        try:
            with self._display.stage(DAG_ID):
                run_id = _first_run(airflow)
                state = airflow.wait(DAG_ID, run_id, _RUN_DEADLINE, on_change=self._display.tasks)
            tasks = airflow.task_instances(DAG_ID, run_id)
            if state != "success":
                failed = [task["task_id"] for task in tasks if task["state"] == "failed"]
                logs = "\n".join(airflow.task_log(DAG_ID, run_id, task)[-3000:] for task in failed)
                raise DemoFailed(f"{DAG_ID} is {state}; tasks that failed: {', '.join(failed)}\n{logs}")
            accounts = {task["task_id"]: airflow.xcom(DAG_ID, run_id, task["task_id"]) for task in tasks}
        except (AirflowRefused, TimeoutError) as error:
            raise DemoFailed(f"{error}\n{airflow.log_tail()}") from error
        return Run(sorted(tasks, key=lambda task: str(task["start_date"])), accounts)


def _first_run(airflow: Airflow) -> str:
    """The run that the scheduler starts by the DAG's schedule; where it starts none, one that is triggered."""
    airflow.unpause(DAG_ID)
    until = time.monotonic() + _SCHEDULE_DEADLINE
    while time.monotonic() < until:
        answer = httpx.get(f"{airflow.url}/api/v2/dags/{DAG_ID}/dagRuns", timeout=30, trust_env=False)
        if answer.is_success and (runs := answer.json()["dag_runs"]):
            return str(runs[0]["dag_run_id"])
        time.sleep(0.3)
    return airflow.trigger(DAG_ID)


async def _declare(source: RabbitQueue) -> None:
    async with source:
        pass


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    """End in order, once: a second signal must not break off the stopping."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="The main job, end to end, on real parts.")
    parser.add_argument("--messages", type=int, default=100_000, help="how many to publish (default: 100000)")
    parser.add_argument("--seed", type=int, default=1, help="of the generator (default: 1)")
    parser.add_argument("--keep", action="store_true", help="leave RabbitMQ and Airflow running")
    given = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupted)
    console, folder = Console(highlight=False, soft_wrap=True), ROOT / ".local" / "demo"
    begun, display = time.monotonic(), Display(console)
    where = f"the logs are under {folder}: airflow/standalone.log, airflow/logs, broker/log"
    try:
        with Demo(folder, display, count=given.messages, seed=given.seed, keep=given.keep) as demo:
            run, verdict = demo.run()
    except DemoFailed as error:
        console.print(f"{error}\n{where}\ndemo: FAILED", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("demo: FAILED, interrupted")
        return 130
    demo_report.stages(console, display.seconds, run.tasks, time.monotonic() - begun)
    demo_report.account(console, run.accounts, verdict, demo.accounts)
    demo_report.sample(console, folder / "lake", DATASET)
    if not verdict.ok:
        console.print("\n".join(("", *verdict.differences, where)), markup=False)
    console.print(demo_report.last_line(verdict))
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    sys.exit(main())

"""The main job on real parts, and the proof that nothing is lost.

100,000 messages through RabbitMQ and 20,000 changes of a Cosmos DB container, through Airflow, into Delta tables.

`python infra/local/demo.py` starts from nothing under `.local/demo`, and leaves the lake and the ledger
there. Its last line begins with `demo: OK` or `demo: FAILED`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import functools
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Self

from rich.console import Console

import demo_envelopes
import demo_report
from account import CosmosAccount, CosmosFailed
from airflow_api import AirflowRefused, named
from airflow_local import Airflow, AirflowFailed
from broker import Broker, BrokerError
from demo_customers import Customers, CustomersFailed
from demo_display import Display
from ingest import catalog
from ingest.errors import LakepostError
from ingest.sources.rabbitmq import RabbitQueue
from ledger import LedgerWriter, Verdict, check
from ledger_customers import CustomersVerdict, check_customers
from shop import Sent, messages
from shop_envelopes import Parcel
from shop_publish import PublishFailed, publish
from stack import airflow_connections, pii_keys

__all__ = ["Demo", "main"]

ROOT = Path(__file__).resolve().parents[2]
DATASET = "orders"
DAG_ID = f"ingest__{DATASET}"
CUSTOMERS = "customers"
_SCHEDULE_DEADLINE = 15.0  # seconds
_RUN_DEADLINE = 600.0
_BEGUN = frozenset({"running", "success", "failed"})
_ENVELOPED = 5_000  # messages of each of the other datasets


class DemoFailed(Exception):
    """The run did not end well; the message says where and what to look at."""


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What Airflow did: its task instances, and the accounts that the tasks returned, by task id."""

    tasks: list[dict[str, Any]]
    accounts: dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """The scheduler's runs by dataset, and what the lake has of both sources."""

    runs: dict[str, Run]
    verdict: Verdict
    customers: CustomersVerdict

    @property
    def differences(self) -> tuple[str, ...]:
        """What is wrong, in sentences."""
        return self.verdict.differences + self.customers.differences


class Demo:
    """One demo under `folder`. Everything it starts is stopped when the `with` block ends, unless `keep`."""

    def __init__(
        self, folder: Path, display: Display, *, count: int, changes: int, seed: int, keep: bool
    ) -> None:  # fmt: skip
        self.folder, self.lake, self.ledger = folder, folder / "lake", folder / "ledger.jsonl"
        self._display, self._count, self._seed, self._keep = display, count, seed, keep
        self._stack = contextlib.ExitStack()
        container = catalog.load(ROOT / "schemas", CUSTOMERS).container
        assert container is not None
        self._customers = Customers(folder, container, changes=changes, seed=seed, tied=not keep)
        self._others: dict[str, list[Parcel]] = {}
        self.accounts: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self) -> Result:
        """Start, publish, ingest, check.

        Raises:
            DemoFailed: a part did not start, or a run failed.
        """
        self._wipe()
        with self._display.stage("RabbitMQ, Cosmos DB"):
            self._begin_customers()
            broker = self._broker()
        settings = self._settings(broker)
        airflow = self._airflow(broker, settings)
        with ThreadPoolExecutor(2, "demo") as pool:
            started = pool.submit(self._start, airflow)
            landed = pool.submit(self._land_customers, settings)
            try:
                self._publish(broker)
                _settle(started)
                _settle(landed)
                runs = self._ingest(airflow, pool)
            except BaseException:
                airflow.stop()  # so that the threads do not wait for it
                self._customers.stop()
                raise
        if not self._keep:
            airflow.stop()  # before its schedule starts the next run
        with self._display.stage("stock, deliveries, the rest of customers"):
            self._finish_customers()
            self.accounts |= demo_envelopes.ingested([*self._others, CUSTOMERS], settings)
        with self._display.stage("check"):
            result = self._check(runs, settings["LAKEPOST_PII_KEYS"])
        if self._keep:
            self._stack.pop_all()
            url = self._customers.account.endpoint
            self._display.say(
                f"still running: Airflow {airflow.url}, RabbitMQ 127.0.0.1:{broker.port}, Cosmos DB {url}"
            )
        return result

    def _check(self, runs: dict[str, Run], keys: str) -> Result:
        verdict = check(self.ledger, self.lake, DATASET)
        found = [
            difference
            for dataset, sent in self._others.items()
            for difference in demo_envelopes.differences(dataset, sent, self.accounts[dataset], self.lake)
        ]
        if "error" in self.accounts[CUSTOMERS]:
            found.append(f"{CUSTOMERS}: ingest failed: {self.accounts[CUSTOMERS]['error']}")
        verdict = dataclasses.replace(verdict, differences=(*verdict.differences, *found))
        customers = check_customers(self._customers.ledger, self.lake, self._customers.items(), keys=keys)
        return Result(runs, verdict, customers)

    def _wipe(self) -> None:
        """Start from nothing: end what an earlier demo left running, remove what it wrote."""
        parts = (
            Airflow.attach(self.folder / "airflow"),
            Broker.attach(self.folder / "broker"),
            CosmosAccount.attach(self.folder / "cosmos"),
        )
        for part in parts:
            if part is not None:
                part.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lake.mkdir(parents=True)

    def _begin_customers(self) -> None:
        self._stack.callback(self._customers.stop)
        try:
            self._customers.start()
        except CosmosFailed as error:
            raise DemoFailed(f"Cosmos DB: {error}") from error

    def _land_customers(self, settings: dict[str, str]) -> None:
        with self._display.stage("first landing of customers"):
            self.accounts[f"{CUSTOMERS}, first landing"] = self._customers.first_landing(settings)

    def _finish_customers(self) -> None:
        try:
            self._customers.finish()
        except CustomersFailed as error:
            raise DemoFailed(str(error)) from error

    def _broker(self) -> Broker:
        broker = Broker(self.folder / "broker", tied=not self._keep)
        self._stack.callback(broker.stop)
        try:
            broker.start()
        except BrokerError as error:
            raise DemoFailed(f"RabbitMQ: {error}") from error
        return broker

    def _airflow(self, broker: Broker, settings: dict[str, str]) -> Airflow:
        keys = settings["LAKEPOST_PII_KEYS"]
        told = airflow_connections(broker.url, self.lake, self._customers.account, keys=keys)
        told["LAKEPOST_SCHEMAS_DIR"] = settings["LAKEPOST_SCHEMAS_DIR"]
        airflow = Airflow(self.folder / "airflow", dags=ROOT / "dags", env=told, tied=not self._keep)
        self._stack.callback(airflow.stop)
        return airflow

    def _settings(self, broker: Broker) -> dict[str, str]:
        """Those of the command."""
        return self._customers.settings | {
            "LAKEPOST_LAKE_URL": self.lake.as_uri(),
            "LAKEPOST_RABBITMQ_URL": broker.url,
            "LAKEPOST_PII_KEYS": pii_keys(self.folder / "pii_keys"),
            "LAKEPOST_SCHEMAS_DIR": str(ROOT / "schemas"),
            "LAKEPOST_LOG_LEVEL": "WARNING",
        }

    def _start(self, airflow: Airflow) -> None:
        with self._display.stage("Airflow"):
            airflow.start()

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

    def _ingest(self, airflow: Airflow, pool: ThreadPoolExecutor) -> dict[str, Run]:
        """Have the scheduler run both DAGs once, over what is there, while the customers go on changing."""
        runs = {dataset: pool.submit(self._run, airflow, dataset) for dataset in (DATASET, CUSTOMERS)}
        return {dataset: run.result() for dataset, run in runs.items()}

    def _run(self, airflow: Airflow, dataset: str) -> Run:
        dag = f"ingest__{dataset}"
        try:
            with self._display.stage(dag):
                run_id = _first_run(airflow, dag)
                state = airflow.wait(dag, run_id, _RUN_DEADLINE, on_change=functools.partial(self._tell, dag))
            tasks = airflow.task_instances(dag, run_id)
            if state != "success":
                failed = {
                    named(task): (task["task_id"], task["map_index"]) for task in tasks if task["state"] == "failed"
                }
                logs = "\n".join(
                    airflow.task_log(dag, run_id, task, map_index=at)[-3000:] for task, at in failed.values()
                )
                raise DemoFailed(f"{dag} is {state}; tasks that failed: {', '.join(failed)}\n{logs}")
            accounts = {
                named(task): airflow.xcom(dag, run_id, task["task_id"], map_index=task["map_index"])
                for task in tasks
                if task["task_id"] != "feed_ranges"
            }
        except (AirflowRefused, TimeoutError) as error:
            raise DemoFailed(f"{error}\n{airflow.log_tail()}") from error
        return Run(sorted(tasks, key=lambda task: str(task["start_date"])), accounts)

    def _tell(self, dag: str, states: Mapping[str, str]) -> None:
        """What the tasks do; when a feed range of the customers is being landed, these go on changing."""
        self._display.tasks(dag, states)
        begun = [state for task, state in states.items() if task.startswith("land[") and state in _BEGUN]
        if begun:
            self._customers.last_part()


def _settle(part: Future[None]) -> None:
    try:
        part.result()
    except (AirflowFailed, CustomersFailed) as error:
        raise DemoFailed(str(error)) from error


def _first_run(airflow: Airflow, dag: str) -> str:
    """The run that the scheduler starts by the DAG's schedule; where it starts none, one that is triggered."""
    airflow.unpause(dag)
    until = time.monotonic() + _SCHEDULE_DEADLINE
    while time.monotonic() < until:
        if runs := airflow.runs(dag):
            return str(runs[0]["dag_run_id"])
        time.sleep(0.3)
    return airflow.trigger(dag)


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
    parser.add_argument("--changes", type=int, default=20_000, help="of customers (default: 20000)")
    parser.add_argument("--seed", type=int, default=1, help="of the generator (default: 1)")
    parser.add_argument("--keep", action="store_true", help="leave RabbitMQ, Cosmos DB and Airflow running")
    given = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupted)
    console, folder = Console(highlight=False, soft_wrap=True), ROOT / ".local" / "demo"
    begun, display = time.monotonic(), Display(console)
    where = f"the logs are under {folder}: airflow/standalone.log, airflow/logs, broker/log"
    try:
        with Demo(
            folder, display, count=given.messages, changes=given.changes, seed=given.seed, keep=given.keep
        ) as demo:
            result = demo.run()
    except DemoFailed as error:
        console.print(f"{error}\n{where}\ndemo: FAILED", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("demo: FAILED, interrupted")
        return 130
    tasks = {dataset: run.tasks for dataset, run in result.runs.items()}
    demo_report.stages(console, display.seconds, tasks, time.monotonic() - begun)
    accounts = {f"{dataset} {task}": one for dataset, run in result.runs.items() for task, one in run.accounts.items()}
    demo_report.account(console, accounts | demo.accounts, result.verdict, result.customers)
    demo_report.sample(console, folder / "lake", DATASET)
    if result.differences:
        console.print("\n".join(("", *result.differences, where)), markup=False)
    is_ok = result.verdict.ok and result.customers.ok
    console.print(demo_report.customers_line(result.customers))
    console.print(demo_report.last_line(result.verdict, ok=is_ok))
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main())

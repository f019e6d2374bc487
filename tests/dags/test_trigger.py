"""The trigger in this process, on a real broker: it fires when messages wait, and survives whatever the broker does."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.serialization.encoders import encode_trigger
from airflow.triggers.base import TriggerEvent

from broker import Broker
from ingest import catalog
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Delivery
from ingest.sources.rabbitmq import RabbitQueue
from lakepost_airflow.ingest_dag import ingest_dag
from lakepost_timetable import RuntimePartitionedAssetOrCron
from lakepost_trigger import MessagesWaiting
from tests.conftest import Publish, publishing

PATIENCE = 60.0


@pytest.fixture(autouse=True)
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def absent(name: str) -> Connection:
        raise AirflowNotFoundException(name)

    monkeypatch.setattr(Connection, "async_get", absent)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Broker]:
    """A node of the test's own, to be killed."""
    with Broker(tmp_path / "mortal", tied=True) as node:
        yield node


class Log:
    """What the trigger logs, in the place of Airflow's logger."""

    def __init__(self) -> None:
        self.text = ""
        self._lines: asyncio.Queue[str] = asyncio.Queue()

    def warning(self, text: str, *arguments: object) -> None:
        self.text += text % arguments
        self._lines.put_nowait(text % arguments)

    async def said(self, words: str) -> None:
        """Wait until a line has the words."""
        async with asyncio.timeout(PATIENCE):
            while words not in await self._lines.get():
                pass


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    monkeypatch.setattr(MessagesWaiting, "log", log)
    return log


def _trigger(binding: QueueBinding) -> MessagesWaiting:
    return MessagesWaiting("orders", [binding.queue], seconds=0.05)


def _orders(count: int) -> list[Delivery]:
    return [Delivery(b"x", "", "order.placed", message_id=str(number)) for number in range(count)]


@contextlib.asynccontextmanager
async def _running(trigger: MessagesWaiting) -> AsyncIterator[Any]:
    """`await next()`: its next event, within `PATIENCE`."""
    events = trigger.run()

    async def following() -> TriggerEvent:
        return await asyncio.wait_for(anext(events), PATIENCE)

    yield following
    await events.aclose()  # type: ignore[attr-defined]  # a generator


def test_what_the_database_keeps_of_a_trigger_makes_it_anew_and_has_no_secret(
    monkeypatch: pytest.MonkeyPatch, queue_binding: QueueBinding
) -> None:
    monkeypatch.setenv("LAKEPOST_RABBITMQ_URL", "amqp://me:do-not-tell@broker/")
    trigger = _trigger(queue_binding)
    kept = encode_trigger(trigger)
    assert kept["classpath"] == "lakepost_trigger.MessagesWaiting"
    assert MessagesWaiting(**trigger.serialize()[1]).serialize() == trigger.serialize()
    assert "do-not-tell" not in f"{kept} {trigger!r}"


def test_it_goes_on_looking_without_a_queue_and_through_a_broker_that_dies(
    mortal: Broker, queue_binding: QueueBinding, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    publish: Publish = publishing(mortal.url)
    binding = dataclasses.replace(queue_binding, queue_type="classic")  # which is there as soon as its broker is
    monkeypatch.setenv("LAKEPOST_RABBITMQ_URL", mortal.url)

    async def fired() -> Any:
        async with _running(_trigger(binding)) as following:
            event = asyncio.ensure_future(following())
            await log.said("there is no queue")
            await asyncio.to_thread(publish, binding, [])
            await asyncio.to_thread(mortal.kill)
            await log.said("check that the broker runs")
            await asyncio.to_thread(mortal.start)
            assert not event.done()
            await asyncio.to_thread(publish, binding, _orders(3))
            return (await event).payload

    assert asyncio.run(fired())["dataset"] == "orders"
    assert mortal.password not in log.text


def test_it_takes_nothing_and_fires_once(
    broker: Broker, queue_binding: QueueBinding, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(queue_binding, _orders(3))

    async def connection(_name: str) -> Connection:
        return Connection.from_uri(broker.url, conn_id="lakepost_rabbitmq")

    monkeypatch.setattr(Connection, "async_get", connection)

    async def fired() -> tuple[Any, bool, int]:
        async with _running(_trigger(queue_binding)) as following, RabbitQueue(broker.url, queue_binding) as queue:
            payload = (await following()).payload
            again = asyncio.ensure_future(following())
            done, _ = await asyncio.wait({again}, timeout=0.5)  # ten looks
            left = await queue.ready()
            again.cancel()
            await asyncio.wait({again})
            return payload, bool(done), left

    assert asyncio.run(fired()) == ({"dataset": "orders", "waiting": 3}, False, 3)


def test_a_wrong_password_is_told_and_not_shown(
    broker: Broker, queue_binding: QueueBinding, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    monkeypatch.setenv("LAKEPOST_RABBITMQ_URL", f"amqp://lakepost:do-not-tell@127.0.0.1:{broker.port}/")

    async def told() -> None:
        async with _running(_trigger(queue_binding)) as following:
            event = asyncio.ensure_future(following())
            await log.said("wrong password")
            event.cancel()
            await asyncio.wait({event})

    asyncio.run(told())
    assert "do-not-tell" not in log.text
    assert str(broker.port) in log.text


def test_a_contract_that_wakes_gives_its_dag_an_asset_beside_the_schedule(schemas: Path) -> None:
    contract = dataclasses.replace(catalog.load(schemas, "orders"), wake_on_messages=True)
    dag = ingest_dag(contract, schemas)
    timetable = dag.timetable
    assert isinstance(timetable, RuntimePartitionedAssetOrCron)
    assert timetable.partitioned_at_runtime
    assert timetable.timetable.serialize()["expression"] == contract.schedule
    ((key, asset),) = timetable.asset_condition.iter_assets()
    assert key.name == "waiting/orders"  # not the curated one: its readers are told of rows only
    (watcher,) = asset.watchers
    assert watcher.trigger["classpath"] == "lakepost_trigger.MessagesWaiting"
    assert "as soon as messages wait" in str(dag.doc_md)
    assert dag.max_active_runs == 1

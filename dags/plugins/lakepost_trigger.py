"""The trigger that wakes a DAG when messages wait in RabbitMQ: it counts them and takes none.

It stands in the plugins folder because the triggerer has that on its import path, and not the DAG folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from lakepost_url import RABBITMQ, url_of

__all__ = ["MessagesWaiting"]

_LOOK_SECONDS = 10.0
_AFTER_FAILURE = 3  # times as long


class MessagesWaiting(BaseEventTrigger):
    """Fires when messages wait in one of `queues` with nobody to take them; see `ingest.sources.waiting.Bell`.

    Looks every `seconds`, give or take a fifth. The broker is that of the Connection `lakepost_rabbitmq`, or of the
    triggerer's environment. While it cannot be asked, nothing fires and the schedule goes on alone.
    """

    def __init__(self, dataset: str, queues: Sequence[str], seconds: float = _LOOK_SECONDS) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's
        self.dataset, self.queues, self.seconds = dataset, list(queues), seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments; no URL, no secret."""
        return "lakepost_trigger.MessagesWaiting", {
            "dataset": self.dataset,
            "queues": self.queues,
            "seconds": self.seconds,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event, with how many messages wait, each time that somebody should take them. Never ends."""
        from ingest.sources.waiting import Bell, waiting  # noqa: PLC0415 - the broker's client stays out of DAG parsing

        bell, loop = Bell(), asyncio.get_running_loop()
        while True:
            try:
                looks = waiting(await _url(), f"lakepost wake {self.dataset}", self.queues)
                async with contextlib.aclosing(looks):  # type: ignore[type-var]  # a generator
                    async for messages in looks:
                        if bell.rings(messages, loop.time()):
                            told = {"dataset": self.dataset, "waiting": messages}
                            yield TriggerEvent(told)  # type: ignore[no-untyped-call]  # Airflow's
                        await self._pause(self.seconds)
            except Exception as error:  # noqa: BLE001 - a watcher that dies is begun again at once, without a pause
                self.log.warning("cannot look at the queues of %s: %s", self.dataset, error)
                await self._pause(_AFTER_FAILURE * self.seconds)

    @staticmethod
    async def _pause(seconds: float) -> None:
        await asyncio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311 - so that many do not look at once


async def _url() -> str:
    """The broker's URL from the Connection, else from the environment; with the environment's settings of TLS."""
    from ingest.settings import load_settings  # noqa: PLC0415 - pydantic stays out of DAG parsing
    from ingest.sources.address import rabbitmq_url  # noqa: PLC0415 - as above

    try:
        connection = await Connection.async_get(RABBITMQ)
    except AirflowNotFoundException:
        connection = None
    return rabbitmq_url(load_settings(rabbitmq_url=None if connection is None else url_of(connection)))

"""The shipped `orders` for a scheduler's test."""

from __future__ import annotations

import uuid
from pathlib import Path

from ingest import catalog
from ingest.model.contract import QueueBinding

__all__ = ["orders_of_its_own"]


def orders_of_its_own(schemas: Path, *, wakes: bool = False) -> QueueBinding:
    """The contract in `schemas` on an exchange and a queue of its own; its schedule is far away.

    A quarter of an hour that passes meanwhile must not start a run, which would take the messages.
    """
    contract = schemas / "orders" / "contract.odcs.yaml"
    mine = uuid.uuid4().hex[:12]
    text = contract.read_text().replace("exchange: shop.events", f"exchange: shop.events.{mine}")
    text = text.replace("queue: lakepost.orders", f"queue: lakepost.orders.{mine}")
    if wakes:
        text = text.replace(
            "  - property: schedule\n", "  - property: wakeOnMessages\n    value: true\n  - property: schedule\n"
        )
    contract.write_text(text.replace("*/15 * * * *", "0 0 1 1 *"))
    return catalog.load(schemas, "orders").queues[0]

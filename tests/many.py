"""Many rows of raw without the cost of landing each: the shipped body, its number changed."""

from __future__ import annotations

import datetime as dt
import json

import pyarrow as pa
import uuid6

from ingest.lake import DeltaLake
from ingest.model.tables import RAW
from tests.steps.shop import body

__all__ = ["append_many", "many"]

_BODY = json.dumps(body()).encode()


def many(first: int, count: int, dates: list[dt.date]) -> pa.Table:
    """A window of `count` valid orders, numbered from `first`, on `dates` in turn."""
    now = pa.scalar(dt.datetime.now(dt.UTC), RAW.field("landed_at").type)
    numbers = range(first, first + count)
    columns = {field.name: pa.nulls(count, field.type) for field in RAW} | {
        "window": pa.repeat(str(uuid6.uuid7()), count),
        "row": pa.array(range(count), pa.int32()),
        "body": pa.array([_BODY.replace(b"00000001", b"%08d" % number) for number in numbers]),
        "content_type": pa.repeat("application/json", count),
        "event_id": pa.array([f"event-{number:012d}" for number in numbers]),
        "event_type": pa.repeat("order.placed", count),
        "event_time": pa.repeat(now, count),
        "source": pa.repeat("shop.events/lakepost.orders", count),
        "redelivered": pa.repeat(pa.scalar(value=False), count),
        "landed_at": pa.repeat(now, count),
        "event_date": pa.array([dates[number % len(dates)] for number in numbers], pa.date32()),
    }
    return pa.table(columns, schema=RAW)


def append_many(lake: DeltaLake, rows: pa.Table) -> int:
    """Commit a window to raw of `orders`; returns raw's version."""
    window = rows["window"][0].as_py()
    return lake.append_raw("orders", rows, window=window, application="land:many", position=None)

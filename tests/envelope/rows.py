"""Deliveries as rows of raw."""

from __future__ import annotations

import datetime as dt

import msgspec
import pyarrow as pa

from ingest.envelope import identify, split
from ingest.model.delivery import Delivery
from ingest.model.tables import RAW

__all__ = ["raw_of"]

_DAY = dt.date(2026, 11, 20)
_NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def raw_of(*deliveries: Delivery) -> pa.Table:
    """The rows of raw that land makes of them, all of one window and one day."""
    events = [event for delivery in deliveries for event in split(delivery)]
    rows = [
        {
            "window": "w",
            "row": row,
            "body": event.body,
            "content_type": event.content_type,
            "content_encoding": event.content_encoding,
            "event_id": identify(event).id,
            "source": event.source,
            "headers": msgspec.json.encode(event.headers, enc_hook=str).decode() if event.headers else None,
            "operation": event.operation,
            "key": event.key,
            "position": event.position,
            "redelivered": False,
            "landed_at": _NOON,
            "event_date": _DAY,
        }
        for row, event in enumerate(events)
    ]
    return pa.Table.from_pylist(rows, schema=RAW)

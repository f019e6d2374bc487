"""Envelopes: what a delivery is and what it holds, whichever framework wrote it. Pure.

    kinds       which producer wrote it, told by its properties
    identity    its id, type and time, as that producer writes them
    payload     the bytes that the contract speaks of
    batch       one delivery, several events
    opening     payloads of many rows of raw
    event_date  the partition, from the contract's rule
    columns     id, type, time and date of many events, by columns as far as they say it
    events      all of that for many deliveries

Beside them one module for each producer.
"""

from ingest.envelope.batch import split
from ingest.envelope.event_date import event_date
from ingest.envelope.events import events
from ingest.envelope.identity import identify
from ingest.envelope.kinds import Kind, recognise
from ingest.envelope.opening import Opening, opened
from ingest.envelope.payload import Payload, payload_of
from ingest.model.delivery import CONTENT_PREFIX

__all__ = [
    "CONTENT_PREFIX",
    "Kind",
    "Opening",
    "Payload",
    "event_date",
    "events",
    "identify",
    "opened",
    "payload_of",
    "recognise",
    "split",
]

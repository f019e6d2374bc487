"""Envelopes: a delivery's id, type and time from its properties, and the event date from a contract's rule. Pure."""

from ingest.envelope.event_date import event_date
from ingest.envelope.raw import identify
from ingest.model.delivery import CONTENT_PREFIX

__all__ = ["CONTENT_PREFIX", "event_date", "identify"]

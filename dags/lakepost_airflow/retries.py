"""How a failed task goes on: decided by the class of the error, never by its text."""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from ingest.errors import TerminalError, TransientError

__all__ = ["POLICY", "RETRIES"]

POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(TerminalError, RetryAction.FAIL, reason="trying again changes nothing until somebody acts"),
        RetryRule(TransientError, RetryAction.RETRY, reason="the same call may succeed later"),
    ]
)
"""Terminal errors fail at once, transient ones are retried; anything else (a defect) uses up `RETRIES` too."""

RETRIES: dict[str, Any] = {
    # The policy is never asked when a worker is killed: then the count alone brings the task back.
    "retries": 3,
    "retry_delay": dt.timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": dt.timedelta(minutes=10),
    "retry_policy": POLICY,
}
"""A task's retry arguments: after about 30 s, 1 min and 2 min (Airflow spreads each up to twice that)."""

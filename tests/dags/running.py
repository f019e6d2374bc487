"""A task's run without Airflow: what it sees, what it asks of the API, what it publishes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ingest import api
from lakepost_airflow import tasks

__all__ = ["begun"]


def begun(
    monkeypatch: pytest.MonkeyPatch, verb: str, answer: Callable[[str], object], dates: list[str], **context: Any
) -> SimpleNamespace:
    """A run with this `context`, of which `api.<verb>` gives `answer(dataset)` and touches `dates`.

    `asked` tells what the API was asked for, `partitions` and `event` what was published, `pushed` the XComs.
    """
    asset = tasks.curated_asset("orders")
    run = SimpleNamespace(partitions=[], pushed={}, asked=[])
    run.event = SimpleNamespace(add_partitions=run.partitions.extend, extra=None)
    context |= {
        "ti": SimpleNamespace(xcom_push=lambda key, value: run.pushed.update({key: value})),
        "inlet_events": {asset: []},
        "outlet_events": {asset: run.event},
    }

    def asked(_settings: object, dataset: str, **options: Any) -> object:
        run.asked.append((dataset, options))
        return answer(dataset)

    monkeypatch.setattr(tasks, "get_current_context", lambda: context)
    monkeypatch.setattr(tasks, "task_settings", lambda schemas_dir: schemas_dir)
    monkeypatch.setattr(api, verb, asked)
    monkeypatch.setattr(api, "partitions_since", lambda *_arguments: (dates, 7))
    return run

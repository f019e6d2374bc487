"""What the demo prints at its end: stage times, the account, a query over the lake, the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ledger import Verdict, connect

__all__ = ["account", "last_line", "sample", "stages"]

_COUNTS = ("landed", "curated", "quarantined", "duplicates", "pending")
_QUERY = """\
SELECT event_date, count(*) AS events, count(DISTINCT order_id) AS orders,
       sum(total) FILTER (status = 'placed') AS placed_eur, sum(total) FILTER (status = 'delivered') AS delivered_eur,
       sum(total) FILTER (status = 'cancelled') AS cancelled_eur
FROM curated.{dataset} WHERE currency = 'EUR' GROUP BY ALL ORDER BY ALL"""


def stages(console: Console, seconds: Mapping[str, float], tasks: Sequence[Mapping[str, Any]], total: float) -> None:
    """How long each stage took; tasks as Airflow timed them, process start and imports included."""
    table = _table("stage", "seconds")
    for name, took in seconds.items():
        table.add_row(name, f"{took:.1f}")
        if name.startswith("ingest__"):
            for task in tasks:
                table.add_row(f"  {task['task_id']}", f"{task['duration'] or 0:.1f}")
    table.add_row("all, with start and stop", f"{total:.1f}", style="bold")
    console.print(table)


def account(
    console: Console,
    accounts: Mapping[str, Mapping[str, Any]],
    verdict: Verdict,
    others: Mapping[str, Mapping[str, Any]],
) -> None:
    """The account of the run, task by task, above what the lake holds; then those of the other datasets."""
    table = _table("account", *_COUNTS, "seconds")
    for task, counts in accounts.items():
        _add(table, task, counts)
    lake = (verdict.landed, verdict.curated, verdict.quarantined, verdict.duplicates)
    table.add_row("lake", *(f"{value:,}" for value in lake), "", "", style="bold")
    for dataset, counts in others.items():
        _add(table, dataset, counts)
    console.print(table)


def _add(table: Table, name: str, counts: Mapping[str, Any]) -> None:
    values = (f"{counts[count]:,}" if counts.get(count) is not None else "" for count in _COUNTS)
    table.add_row(name, *values, f"{counts['seconds']:.1f}" if "seconds" in counts else "failed")


def sample(console: Console, lake: Path, dataset: str) -> None:
    """A query over the result, as a user of the lake would ask it."""
    sql = _QUERY.format(dataset=dataset)
    with connect() as connection:
        connection.execute("CREATE SCHEMA curated")
        location = str(lake / "curated" / dataset).replace("'", "''")
        connection.execute(f"CREATE VIEW curated.{dataset} AS FROM delta_scan('{location}')")
        cursor = connection.execute(sql)
        table = _table(*(column[0] for column in cursor.description or ()))
        for row in cursor.fetchall():
            table.add_row(*("" if value is None else str(value) for value in row))
    console.print(f'\nlakepost sql "{sql}"', markup=False)
    console.print(table)


def last_line(verdict: Verdict) -> str:
    """`demo: OK landed=… curated=… quarantined=… duplicates=… lost=0`, or the same with FAILED."""
    counts = {
        "landed": verdict.landed,
        "curated": verdict.curated,
        "quarantined": verdict.quarantined,
        "duplicates": verdict.duplicates,
        "lost": verdict.lost,
    }
    return f"demo: {'OK' if verdict.ok else 'FAILED'} " + " ".join(f"{name}={count}" for name, count in counts.items())


def _table(first: str, *others: str) -> Table:
    table = Table(first)
    for other in others:
        table.add_column(other, justify="right")
    return table

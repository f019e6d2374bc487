"""What the demo prints at its end: stage times, the account, a query over the lake, the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from airflow_api import named
from ledger import Verdict, connect
from ledger_customers import CustomersVerdict

__all__ = ["account", "customers_line", "last_line", "sample", "stages"]

_COUNTS = ("landed", "curated", "quarantined", "duplicates", "pending")
_QUERY = """\
SELECT event_date, count(*) AS events, count(DISTINCT order_id) AS orders,
       sum(total) FILTER (status = 'placed') AS placed_eur, sum(total) FILTER (status = 'delivered') AS delivered_eur,
       sum(total) FILTER (status = 'cancelled') AS cancelled_eur
FROM curated.{dataset} WHERE currency = 'EUR' GROUP BY ALL ORDER BY ALL"""


def stages(
    console: Console, seconds: Mapping[str, float], tasks: Mapping[str, Sequence[Mapping[str, Any]]], total: float
) -> None:
    """How long each stage took; tasks, by dataset, as Airflow timed them, process start and imports included."""
    table = _table("stage", "seconds")
    for name, took in seconds.items():
        table.add_row(name, f"{took:.1f}")
        for task in tasks.get(name.removeprefix("ingest__"), ()):
            table.add_row(f"  {named(task)}", f"{task['duration'] or 0:.1f}")
    table.add_row("all, with start and stop", f"{total:.1f}", style="bold")
    console.print(table)


def account(
    console: Console, accounts: Mapping[str, Mapping[str, Any]], orders: Verdict, customers: CustomersVerdict
) -> None:
    """The accounts of runs and commands, above what the lake holds of orders and customers."""
    table = _table("account", *_COUNTS, "seconds")
    for name, counts in accounts.items():
        values = (f"{counts[count]:,}" if counts.get(count) is not None else "" for count in _COUNTS)
        table.add_row(name, *values, f"{counts['seconds']:.1f}" if "seconds" in counts else "failed")
    for dataset, found in (("orders", orders), ("customers", customers)):
        lake = (found.landed, found.curated, found.quarantined, found.duplicates)
        table.add_row(f"{dataset}, lake", *(f"{value:,}" for value in lake), "", "", style="bold")
    console.print(table)


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


def customers_line(verdict: CustomersVerdict) -> str:
    """`customers: OK landed=… curated=… quarantined=… duplicates=… current=… deleted=… lost=0`, or with FAILED."""
    names = ("landed", "curated", "quarantined", "duplicates", "current", "deleted", "lost")
    return _line("customers", {name: getattr(verdict, name) for name in names}, ok=verdict.ok)


def last_line(verdict: Verdict, *, ok: bool) -> str:
    """`demo: OK landed=… curated=… quarantined=… duplicates=… lost=0` of the orders, or the same with FAILED."""
    names = ("landed", "curated", "quarantined", "duplicates", "lost")
    return _line("demo", {name: getattr(verdict, name) for name in names}, ok=ok)


def _line(name: str, counts: Mapping[str, int], *, ok: bool) -> str:
    return f"{name}: {'OK' if ok else 'FAILED'} " + " ".join(f"{key}={count}" for key, count in counts.items())


def _table(first: str, *others: str) -> Table:
    table = Table(first)
    for other in others:
        table.add_column(other, justify="right")
    return table

"""How the command speaks: options that its verbs share, tables and bars on a terminal, JSON and lines in a pipe."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ingest import telemetry
from ingest.model.account import Account
from ingest.settings import Settings, load_settings

__all__ = [
    "Dataset",
    "DryRun",
    "Json",
    "Several",
    "err",
    "escaped",
    "new_table",
    "out",
    "print_account",
    "print_json",
    "print_rows",
    "progress",
    "settings",
]

Dataset = Annotated[str, typer.Argument(help="The dataset: a folder under schemas/.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Several = Annotated[str | None, typer.Argument(help="One dataset; all of them without.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]

out = Console()
err = Console(stderr=True)


def settings() -> Settings:
    """The settings, with logging as they say."""
    loaded = load_settings()
    telemetry.configure(loaded.log_level)
    return loaded


@contextmanager
def progress(verb: str, *, as_json: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, nothing in a pipe."""
    if as_json or not err.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(verb, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_account(account: Account, *, as_json: bool) -> None:
    """The account as a list, or as one JSON object."""
    told = account.to_dict()
    if as_json:
        print_json(told)
        return
    table = Table(show_header=False, box=None)
    for name, value in told.items():
        table.add_row(name, ", ".join(value) if isinstance(value, list) else str(value))
    out.print(table)
    if account.request_units_used_up:
        used = f"landing ended because its request units are used up: {account.request_units:.1f} were used"
        err.print(
            f"{used}; run again to go on from there, or raise LAKEPOST_COSMOS_REQUEST_UNITS",
            highlight=False,
            soft_wrap=True,
        )


def print_rows(names: list[str], rows: list[tuple[Any, ...]]) -> None:
    """A table where it fits the terminal, if need be without lines, else a record a block; in a pipe tab-separated."""
    texts = [["NULL" if value is None else str(_plain_text(value)) for value in row] for row in rows]
    if not out.is_terminal:
        for line in (names, *texts):
            print("\t".join(text.translate(_ONE_LINE) for text in line))  # noqa: T201 - stdout is the interface
        return
    width = sum(max(map(len, column)) for column in zip(names, *texts, strict=True))
    lines = width + 3 * len(names) < out.width
    if lines or width + len(names) <= out.width:
        table = new_table(*names, lines=lines)
        for place, column in enumerate(table.columns):
            numbers = all(isinstance(row[place], int | float | decimal.Decimal | None) for row in rows)
            column.justify = "right" if numbers else "left"
        for row in texts:
            table.add_row(*map(escaped, row))
        out.print(table)
        return
    wide = max(map(len, names), default=0)
    for number, row in enumerate(texts, 1):
        out.rule(f"row {number}", align="left")
        for name, text in zip(names, row, strict=True):
            out.print(f"{name:>{wide}}  {escaped(text)}", highlight=False, soft_wrap=True)


_ONE_LINE = {ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}


def _plain_text(value: Any) -> Any:
    return _plain(value) if isinstance(value, bytes) else value


def new_table(*columns: str, lines: bool = True) -> Table:
    """An empty table that cuts nothing off."""
    table = Table() if lines else Table(box=None, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def escaped(text: str) -> str:
    """`text` as it is, nothing of it taken for markup."""
    return text.replace("[", "\\[")


def print_json(value: dict[str, Any]) -> None:
    """One object, one line, on stdout."""
    print(json.dumps(value, default=_plain, ensure_ascii=False), flush=True)  # noqa: T201 - stdout is the interface


def _plain(value: Any) -> Any:
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)

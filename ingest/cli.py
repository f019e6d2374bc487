"""The command `lakepost`.

Every command takes `--json`: one object on stdout, logs on stderr. Exit codes: 0 done, 1 failed, 2 usage,
3 data rejected by a gate, 75 try again.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ingest import api, cli_quarantine, telemetry
from ingest.errors import ConfigurationError, GateClosed, LakepostError
from ingest.model.account import Account
from ingest.model.contract import Contract
from ingest.model.upkeep import SPARED_HOURS
from ingest.settings import Settings, load_settings

__all__ = ["app", "main"]

app = typer.Typer(
    name="lakepost",
    help="Events of RabbitMQ and Cosmos DB into a data lake that analysts can trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
lake_app = typer.Typer(help="The lake itself.", no_args_is_help=True)
app.add_typer(lake_app, name="lake")
app.add_typer(cli_quarantine.app, name="quarantine")

Dataset = Annotated[str, typer.Argument(help="The dataset: a folder under schemas/.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Accept = Annotated[bool, typer.Option("--accept", help="Quarantine the rejects of a closed gate and go on.")]

Upkept = Annotated[str | None, typer.Argument(help="One dataset; all of them without.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]

_out = Console()
_err = Console(stderr=True)


def main() -> None:
    """Run the command; errors of the tree become one message and their exit code, never a traceback."""
    as_json = "--json" in sys.argv[1:]
    try:
        app()
    except LakepostError as error:
        if as_json:
            _print_json(_error(error))
        _err.print(f"[bold red]error:[/] {_escaped(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _err.print("interrupted: what was not acknowledged comes again", highlight=False)
        sys.exit(130)


def _error(error: LakepostError) -> dict[str, Any]:
    """The `--json` object of a failure."""
    told: dict[str, Any] = {"error": type(error).__name__, "message": error.message, "remedy": error.remedy}
    if isinstance(error, GateClosed):
        told |= {"pending": error.pending, "expectations": error.expectations}
    return told


@app.command("datasets")
def list_datasets(*, as_json: Json = False) -> None:
    """List the datasets of the catalogue: source, version, what is wrong with a contract."""
    found = api.datasets(_settings())
    if as_json:
        _print_json({"datasets": [_dataset(name, contract) for name, contract in found]})
    else:
        table = _table("dataset", "version", "source", "columns", "schedule", "state")
        for name, contract in found:
            table.add_row(*(str(value if value is not None else "") for value in _dataset(name, contract).values()))
        _out.print(table)
    if any(not isinstance(contract, Contract) for _, contract in found):
        raise typer.Exit(1)


def _dataset(name: str, contract: Contract | LakepostError) -> dict[str, Any]:
    if isinstance(contract, LakepostError):
        keys = ("dataset", "version", "source", "columns", "schedule", "state")
        return dict(zip(keys, (name, None, None, None, None, str(contract)), strict=True))
    return {
        "dataset": name,
        "version": contract.version,
        "source": f"{contract.source.exchange} → {contract.source.queue}",
        "columns": len(contract.columns),
        "schedule": contract.schedule,
        "state": "ok",
    }


@app.command()
def land(
    dataset: Dataset,
    *,
    max_messages: Annotated[int | None, typer.Option(min=1, help="Stop after this many messages.")] = None,
    max_seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Go on taking what arrives, and stop after this long.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Source → raw: what is ready at the start, acknowledged only after it is committed."""
    with _progress("land", as_json=as_json) as progress:
        account = api.land(
            _settings(),
            dataset,
            max_messages=max_messages,
            max_seconds=max_seconds,
            stop_on_signals=True,
            progress=progress,
        )
    _print_account(account, as_json=as_json)


@app.command()
def curate(dataset: Dataset, *, accept: Accept = False, as_json: Json = False) -> None:
    """Raw → curated and quarantine: what is new, with an account for every row."""
    with _progress("curate", as_json=as_json) as progress:
        account = api.curate(_settings(), dataset, accept=accept, progress=progress)
    _print_account(account, as_json=as_json)


@app.command()
def ingest(dataset: Dataset, *, accept: Accept = False, as_json: Json = False) -> None:
    """Land, then curate."""
    with _progress("ingest", as_json=as_json) as progress:
        account = api.ingest(_settings(), dataset, accept=accept, stop_on_signals=True, progress=progress)
    _print_account(account, as_json=as_json)


@app.command()
def rebuild(
    dataset: Dataset,
    *,
    first: Annotated[str | None, typer.Option("--from", help="The first event date, YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last one; without it, only --from.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every event date that raw holds.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; tell what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Event dates of curated and quarantine anew from raw, under today's contract."""
    dates = _dates(first, last, every=every)
    with _progress("rebuild", as_json=as_json) as progress:
        rebuilt = api.rebuild(_settings(), dataset, dates=dates, dry_run=dry_run, progress=progress)
    found = [difference.to_dict() for difference in rebuilt.differences]
    if as_json:
        _print_json({**rebuilt.account.to_dict(), "dry_run": dry_run, "dates": found})
        return
    if found:
        table = _table(*found[0])
        for row in found:
            table.add_row(*map(str, row.values()))
        _out.print(table)
    _print_account(rebuilt.account, as_json=False)


def _dates(first: str | None, last: str | None, *, every: bool) -> tuple[dt.date, dt.date] | None:
    """The range of event dates, both ends included; null for all."""
    if every == (first is not None) or (last is not None and first is None):
        raise ConfigurationError("which event dates?", remedy="give --from DATE [--to DATE], or --all")
    if first is None:
        return None
    try:
        begin, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
    except ValueError as error:
        raise ConfigurationError(f"no date: {error}", remedy="write dates as YYYY-MM-DD") from error
    if end < begin:
        raise ConfigurationError(f"--to {end} is before --from {begin}", remedy="exchange them")
    return begin, end


@app.command()
def status(
    dataset: Annotated[str | None, typer.Argument(help="One dataset; all of them without.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Rows per table, whether the account holds, and the newest batch. Exits 1 when an account does not hold."""
    settings = _settings()
    names = [dataset] if dataset else [name for name, _ in api.datasets(settings)]
    found = [_status(settings, name) for name in names]
    if as_json:
        _print_json({"datasets": found})
    else:
        table = _table("dataset", "raw", "curated", "quarantined", "duplicates", "pending", "unknown_date", "holds")
        for row in found:
            table.add_row(*(str(row[str(column.header)]) for column in table.columns))
        _out.print(table)
    if not all(row["holds"] for row in found):
        _err.print("error: raw is not the sum of the other columns; rows are missing or doubled", highlight=False)
        raise typer.Exit(1)


def _status(settings: Settings, dataset: str) -> dict[str, Any]:
    totals, last = api.status(settings, dataset)
    return {
        "dataset": dataset,
        **dataclasses.asdict(totals),
        "holds": totals.holds,
        "last_batch": None if last is None else last.to_dict(),
    }


@app.command()
def compact(dataset: Upkept = None, *, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Many small files become few. Land and curate may run meanwhile."""
    settings, rows = _settings(), []
    for name in _names(settings, dataset):
        with _progress(f"compact {name}", as_json=as_json) as progress:
            done = api.compact(settings, name, dry_run=dry_run, progress=progress)
        rows += [{"dataset": name, **dataclasses.asdict(one)} for one in done]
    _print_upkeep(rows, dry_run=dry_run, as_json=as_json)


@app.command()
def vacuum(
    dataset: Upkept = None,
    *,
    older_than: Annotated[
        int, typer.Option(min=0, help="Spare what is younger than so many hours: a running task may need it.")
    ] = SPARED_HOURS,
    nobody_is_active: Annotated[
        bool, typer.Option("--nobody-is-active", help="Every task is stopped: fewer hours are safe.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove replaced and orphaned files, and the expired part of each table's log."""
    settings, rows = _settings(), []
    for name in _names(settings, dataset):
        with _progress(f"vacuum {name}", as_json=as_json) as progress:
            done = api.vacuum(
                settings,
                name,
                older_than=older_than,
                nobody_is_active=nobody_is_active,
                dry_run=dry_run,
                progress=progress,
            )
        rows += [{"dataset": name, **dataclasses.asdict(one)} for one in done]
    _print_upkeep(rows, dry_run=dry_run, as_json=as_json)


def _names(settings: Settings, dataset: str | None) -> list[str]:
    return [dataset] if dataset else [name for name, _ in api.datasets(settings)]


def _print_upkeep(rows: list[dict[str, Any]], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        _print_json({"dry_run": dry_run, "tables": rows})
        return
    names = [name for row in rows[:1] for name in row if name != "names"]
    table = _table(*names)
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in names))
    _out.print(table)
    if dry_run:
        for row in rows:
            for name in row.get("names", ()):
                _out.print(f"{row['table']}/{row['dataset']}/{_escaped(name)}", highlight=False, soft_wrap=True)
        _err.print("nothing was changed", highlight=False)


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="SQL over the views curated.NAME, raw.NAME, quarantine.NAME, …")],
    *,
    max_rows: Annotated[int, typer.Option(min=1, help="Rows to show on a terminal.")] = 100,
    as_json: Json = False,
) -> None:
    """Query the lake with DuckDB: each table is a view, read by its log."""
    names, rows, more = api.sql(_settings(), statement, max_rows=None if as_json else max_rows)
    if as_json:
        _print_json({"columns": names, "rows": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    _print_rows(names, rows)
    if more:
        _err.print(f"only the first {max_rows} rows: see --max-rows", highlight=False)


@app.command()
def doctor(*, as_json: Json = False) -> None:
    """Look at contracts, lake, broker and queues, and say what is wrong and what to do."""
    findings = api.doctor(_settings())
    ok = all(finding.ok for finding in findings)
    if as_json:
        _print_json({"ok": ok, "findings": [dataclasses.asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            mark = "[green]ok  [/]" if finding.ok else "[bold red]FAIL[/]"
            _out.print(f"{mark} {_escaped(finding.name)}: {_escaped(finding.says)}", highlight=False, soft_wrap=True)
            if not finding.ok and finding.remedy:
                _out.print(f"       → {_escaped(finding.remedy)}", highlight=False, soft_wrap=True)
    if not ok:
        raise typer.Exit(1)


@lake_app.command("init")
def lake_init(*, as_json: Json = False) -> None:
    """Create the tables of every dataset where absent."""
    names = api.init(_settings())
    if as_json:
        _print_json({"datasets": names})
    else:
        _out.print(f"tables are there for: {', '.join(names)}", highlight=False)


def _settings() -> Settings:
    settings = load_settings()
    telemetry.configure(settings.log_level)
    return settings


@contextmanager
def _progress(verb: str, *, as_json: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, nothing in a pipe."""
    if as_json or not _err.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_err, transient=True) as bar:
        task = bar.add_task(verb, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_account(account: Account, *, as_json: bool) -> None:
    told = account.to_dict()
    if as_json:
        _print_json(told)
        return
    table = Table(show_header=False, box=None)
    for name, value in told.items():
        table.add_row(name, ", ".join(value) if isinstance(value, list) else str(value))
    _out.print(table)


def _print_rows(names: list[str], rows: list[tuple[Any, ...]]) -> None:
    """A table where it fits the terminal, a record a block where it does not, tab-separated lines in a pipe."""
    texts = [["NULL" if value is None else str(_plain_text(value)) for value in row] for row in rows]
    if not _out.is_terminal:
        for line in (names, *texts):
            print("\t".join(text.translate(_ONE_LINE) for text in line))  # noqa: T201 - stdout is the interface
        return
    widths = [max(map(len, column)) + 3 for column in zip(names, *texts, strict=True)]
    if sum(widths) < _out.width:
        table = _table(*names)
        for row in texts:
            table.add_row(*map(_escaped, row))
        _out.print(table)
        return
    wide = max(map(len, names), default=0)
    for number, row in enumerate(texts, 1):
        _out.rule(f"row {number}", align="left")
        for name, text in zip(names, row, strict=True):
            _out.print(f"{name:>{wide}}  {_escaped(text)}", highlight=False, soft_wrap=True)


_ONE_LINE = {ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}


def _plain_text(value: Any) -> Any:
    return _plain(value) if isinstance(value, bytes) else value


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, default=_plain, ensure_ascii=False), flush=True)  # noqa: T201 - stdout is the interface


def _plain(value: Any) -> Any:
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)

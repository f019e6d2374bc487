"""The command `lakepost`.

Every command takes `--json`: one object on stdout, logs on stderr. Exit codes: 0 done, 1 failed, 2 usage,
3 data rejected by a gate, 75 try again.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
from typing import Annotated, Any

import typer

from ingest import api, cli_contracts, cli_erase, cli_quarantine, cli_status, terminal
from ingest.errors import ConfigurationError, GateClosed, LakepostError
from ingest.model.contract import Contract
from ingest.model.upkeep import SPARED_HOURS
from ingest.terminal import Dataset, DryRun, Json, Several, escaped

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
app.add_typer(cli_contracts.app, name="contracts")
app.command()(cli_status.status)
app.command()(cli_erase.erase)

Accept = Annotated[bool, typer.Option("--accept", help="Quarantine the rejects of a closed gate and go on.")]


def main() -> None:
    """Run the command; errors of the tree become one message and their exit code, never a traceback."""
    as_json = "--json" in sys.argv[1:]
    try:
        app()
    except LakepostError as error:
        if as_json:
            terminal.print_json(_error(error))
        terminal.err.print(f"[bold red]error:[/] {escaped(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        terminal.err.print("interrupted: what was not acknowledged comes again", highlight=False)
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
    found = api.datasets(terminal.settings())
    if as_json:
        terminal.print_json({"datasets": [_dataset(name, contract) for name, contract in found]})
    else:
        table = terminal.new_table("dataset", "version", "source", "columns", "schedule", "state")
        for name, contract in found:
            table.add_row(*(str(value if value is not None else "") for value in _dataset(name, contract).values()))
        terminal.out.print(table)
    if any(not isinstance(contract, Contract) for _, contract in found):
        raise typer.Exit(1)


def _dataset(name: str, contract: Contract | LakepostError) -> dict[str, Any]:
    if isinstance(contract, LakepostError):
        keys = ("dataset", "version", "source", "columns", "schedule", "state")
        return dict(zip(keys, (name, None, None, None, None, str(contract)), strict=True))
    return {
        "dataset": name,
        "version": contract.version,
        "source": contract.origin,
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
    from_offset: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Read a stream again from this offset up to where land has come, which stays where it is."
            " One that was never landed is landed from there.",
        ),
    ] = None,
    from_time: Annotated[
        str | None,
        typer.Option(help="The same from a time on (2026-11-20T08:00:00Z, or seconds since 1970) or a little before."),
    ] = None,
    adopt_replaced: Annotated[
        bool,
        typer.Option(
            "--adopt-replaced",
            help="A stream was deleted and made again on purpose: land the new one from its beginning, as new events.",
        ),
    ] = False,
    from_beginning: Annotated[
        bool,
        typer.Option(
            "--from-beginning",
            help="Take a new snapshot of a container, then go on with its changes: what it no longer has was deleted.",
        ),
    ] = False,
    feed_range: Annotated[
        str | None, typer.Option(help="Land only this feed range of a container (LOW-HIGH); left out: all of them.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Source → raw: what is ready at the start, acknowledged only after it is committed."""
    start = _start(from_offset, from_time)
    if adopt_replaced and start is not None:
        raise ConfigurationError("a stream that is new is landed from its beginning", remedy="leave --from-… out")
    if adopt_replaced:
        api.adopt(terminal.settings(), dataset)
    with terminal.progress("land", as_json=as_json) as progress:
        account = api.land(
            terminal.settings(),
            dataset,
            max_messages=max_messages,
            max_seconds=max_seconds,
            start=start,
            from_beginning=from_beginning,
            feed_range=feed_range,
            stop_on_signals=True,
            progress=progress,
        )
    terminal.print_account(account, as_json=as_json)


def _start(offset: int | None, time: str | None) -> int | dt.datetime | None:
    """Where to begin in a stream; null to go on."""
    if offset is not None and time is not None:
        raise ConfigurationError("--from-offset and --from-time both say where to begin", remedy="give one of them")
    if time is None:
        return offset
    try:
        moment = dt.datetime.fromtimestamp(float(time), dt.UTC) if _is_number(time) else dt.datetime.fromisoformat(time)
        if moment.tzinfo is None or moment.timestamp() < 0:
            raise ValueError("without a zone, or before 1970")  # noqa: TRY301 - one message for all that is no time
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigurationError(
            f"--from-time {time} is not a time: {error}", remedy="write 2026-11-20T08:00:00Z, or seconds since 1970"
        ) from error
    return moment.astimezone(dt.UTC)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


@app.command()
def curate(dataset: Dataset, *, accept: Accept = False, as_json: Json = False) -> None:
    """Raw → curated and quarantine: what is new, with an account for every row."""
    with terminal.progress("curate", as_json=as_json) as progress:
        account = api.curate(terminal.settings(), dataset, accept=accept, progress=progress)
    terminal.print_account(account, as_json=as_json)


@app.command()
def ingest(dataset: Dataset, *, accept: Accept = False, as_json: Json = False) -> None:
    """Land, then curate."""
    with terminal.progress("ingest", as_json=as_json) as progress:
        account = api.ingest(terminal.settings(), dataset, accept=accept, stop_on_signals=True, progress=progress)
    terminal.print_account(account, as_json=as_json)


@app.command()
def rebuild(
    dataset: Dataset,
    *,
    first: Annotated[str | None, typer.Option("--from", help="The first event date, YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last one; without it, only --from.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every event date that raw holds.")] = False,
    current: Annotated[
        bool, typer.Option("--current", help="Only a container's items as they are now, from their history.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Event dates of curated and quarantine anew from raw, under today's contract."""
    if current:
        if every or dry_run or first or last:
            raise ConfigurationError("--current is no rebuild of event dates", remedy="give it alone")
        items = api.rebuild_items(terminal.settings(), dataset)
        if as_json:
            terminal.print_json({"dataset": dataset, "items": dataclasses.asdict(items)})
        else:
            terminal.print_rows(["dataset", "items", "deleted"], [(dataset, items.now, items.deleted)])
        return
    dates = _dates(first, last, every=every)
    with terminal.progress("rebuild", as_json=as_json) as progress:
        rebuilt = api.rebuild(terminal.settings(), dataset, dates=dates, dry_run=dry_run, progress=progress)
    found = [difference.to_dict() for difference in rebuilt.differences]
    if as_json:
        terminal.print_json({**rebuilt.account.to_dict(), "dry_run": dry_run, "dates": found})
        return
    if found:
        table = terminal.new_table(*found[0])
        for row in found:
            table.add_row(*map(str, row.values()))
        terminal.out.print(table)
    terminal.print_account(rebuilt.account, as_json=False)


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
def compact(dataset: Several = None, *, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Many small files become few. Land and curate may run meanwhile."""
    settings, rows = terminal.settings(), []
    for name in cli_status.chosen(settings, dataset):
        with terminal.progress(f"compact {name}", as_json=as_json) as progress:
            done = api.compact(settings, name, dry_run=dry_run, progress=progress)
        rows += [{"dataset": name, **dataclasses.asdict(one)} for one in done]
    _print_upkeep(rows, dry_run=dry_run, as_json=as_json)


@app.command()
def vacuum(
    dataset: Several = None,
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
    settings, rows = terminal.settings(), []
    for name in cli_status.chosen(settings, dataset):
        with terminal.progress(f"vacuum {name}", as_json=as_json) as progress:
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


def _print_upkeep(rows: list[dict[str, Any]], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        terminal.print_json({"dry_run": dry_run, "tables": rows})
        return
    names = [name for row in rows[:1] for name in row if name != "names"]
    table = terminal.new_table(*names)
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in names))
    terminal.out.print(table)
    if dry_run:
        for row in rows:
            for name in row.get("names", ()):
                terminal.out.print(f"{row['table']}/{row['dataset']}/{escaped(name)}", highlight=False, soft_wrap=True)
        terminal.err.print("nothing was changed", highlight=False)


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="SQL over the views curated.NAME, raw.NAME, quarantine.NAME, …")],
    *,
    max_rows: Annotated[int, typer.Option(min=1, help="Rows to show on a terminal.")] = 100,
    as_json: Json = False,
) -> None:
    """Query the lake with DuckDB: each table is a view, read by its log."""
    names, rows, more = api.sql(terminal.settings(), statement, max_rows=None if as_json else max_rows)
    if as_json:
        terminal.print_json({"columns": names, "rows": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    terminal.print_rows(names, rows)
    if more:
        terminal.err.print(f"only the first {max_rows} rows: see --max-rows", highlight=False)


@app.command()
def doctor(*, as_json: Json = False) -> None:
    """Look at contracts, lake, broker and queues, and say what is wrong and what to do."""
    findings = api.doctor(terminal.settings())
    ok = all(finding.ok for finding in findings)
    if as_json:
        terminal.print_json({"ok": ok, "findings": [dataclasses.asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            mark = "[green]ok  [/]" if finding.ok else "[bold red]FAIL[/]"
            terminal.out.print(
                f"{mark} {escaped(finding.name)}: {escaped(finding.says)}",
                highlight=False,
                soft_wrap=True,
            )
            if not finding.ok and finding.remedy:
                terminal.out.print(f"       → {escaped(finding.remedy)}", highlight=False, soft_wrap=True)
    if not ok:
        raise typer.Exit(1)


@lake_app.command("init")
def lake_init(*, as_json: Json = False) -> None:
    """Create the tables of every dataset where absent."""
    names = api.init(terminal.settings())
    if as_json:
        terminal.print_json({"datasets": names})
    else:
        terminal.out.print(f"tables are there for: {', '.join(names)}", highlight=False)

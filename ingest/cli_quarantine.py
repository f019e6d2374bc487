"""`lakepost quarantine`: what is in quarantine, single rows, and another try under the contract of today."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import typer

from ingest import api, terminal
from ingest.errors import ConfigurationError
from ingest.model.replay import Filter, Replayed
from ingest.terminal import Dataset, DryRun, Json, escaped

__all__ = ["app"]

app = typer.Typer(help="Rejected rows: look at them, and try them again.", no_args_is_help=True)

_BODY = 2_000
"""Characters of a body that are shown; of a single row that was asked for, all."""


@app.command("list")
def list_groups(dataset: Dataset, *, as_json: Json = False) -> None:
    """Quarantined rows by reason, expectation, column and contract version."""
    found = api.quarantine_groups(terminal.settings(), dataset)
    if as_json:
        terminal.print_json({"dataset": dataset, "groups": found})
        return
    names = ("rows", "reason", "expectation", "column", "contract_version", "first_date", "last_date", "example")
    terminal.print_rows(
        list(names), [tuple("" if group[name] is None else group[name] for name in names) for group in found]
    )


@app.command()
def show(
    dataset: Dataset,
    *,
    reason: Annotated[str | None, typer.Option(help="Only rows rejected for this reason.")] = None,
    column: Annotated[str | None, typer.Option(help="Only rows rejected for this column.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Rows to show.")] = 10,
    window: Annotated[str | None, typer.Option(help="One row's window; with --row.")] = None,
    row: Annotated[int | None, typer.Option(min=0, help="One row's number in its window; with --window.")] = None,
    as_json: Json = False,
) -> None:
    """Single rows: why, the value, the headers and the body. Oldest first."""
    if (window is None) != (row is None):
        raise ConfigurationError(
            "--window and --row name one row together", remedy="`quarantine list` shows an example"
        )
    wanted = Filter(reason=reason, column=column, window=window, row=row)
    rows, more = api.quarantine_rows(terminal.settings(), dataset, wanted, limit)
    if window is not None and not rows:
        raise ConfigurationError(
            f"row {window}:{row} is not in quarantine of {dataset}", remedy=f"`lakepost quarantine list {dataset}`"
        )
    told = [_told(one, whole=window is not None) for one in rows]
    if as_json:
        terminal.print_json({"dataset": dataset, "rows": told, "more": more})
        return
    for one in told:
        terminal.out.rule(f"{one['window']}:{one['row']}", align="left")
        for name, value in one.items():
            if value is not None and name not in {"window", "row"}:
                text = escaped(_printable(str(value)))
                terminal.out.print(f"{name:>16}  {text}", highlight=False, soft_wrap=True)
    if more or not told:
        said = f"only the first {limit} rows: see --limit" if more else "no such row in quarantine"
        terminal.err.print(said, highlight=False)


@app.command()
def replay(
    dataset: Dataset,
    *,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Judge quarantined rows again, after the contract or the code was mended; what is valid now moves to curated."""
    with terminal.progress("replay", as_json=as_json) as progress:
        done = api.replay(terminal.settings(), dataset, dry_run=dry_run, progress=progress)
    if as_json:
        terminal.print_json(done.to_dict())
    else:
        terminal.out.print(_sentences(done), highlight=False, soft_wrap=True, markup=False)


def _sentences(done: Replayed) -> str:
    stays = ", ".join(f"{name} ({rows})" for name, rows in done.rejected.items())
    lines = [
        f"{'would judge' if done.dry_run else 'judged'} {done.replayed} rows by contract {done.contract_version}:",
        f"  {done.curated} to curated" + (f" ({', '.join(done.partitions)})" if done.partitions else ""),
        f"  {done.duplicates} duplicates of rows in curated leave quarantine",
        f"  {done.quarantined} stay in quarantine" + (f": {stays}" if stays else ""),
    ]
    if done.finished:
        lines.append(f"  {done.finished} rows that curated has already, by a run that was interrupted, left quarantine")
    return "\n".join(lines)


def _told(row: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """The row as shown: a body that is not UTF-8 escaped, a long one cut, its size told."""
    body: bytes = row["body"]
    text = (body if whole else body[: _BODY * 4]).decode("utf-8", "backslashreplace")
    names = (
        *(
            "window",
            "row",
            "event_date",
            "event_id",
            "event_type",
            "operation",
            "key",
            "position",
            "reason",
            "expectation",
            "column",
            "value",
        ),
        *("detail", "contract_version", "batch", "quarantined_at", "source", "routing_key", "content_type", "headers"),
    )
    told = {name: value.isoformat() if isinstance(value := row[name], dt.date) else value for name in names}
    return {**told, "body_bytes": len(body), "body": text if whole or len(text) <= _BODY else text[:_BODY] + "…"}


def _printable(text: str) -> str:
    """No control character of a hostile body reaches the terminal."""
    return "".join(
        one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode("ascii") for one in text
    )

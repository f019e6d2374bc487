"""`lakepost status`: rows per table, whether the account holds, and how complete each event date is."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from ingest import api, terminal
from ingest.errors import ConfigurationError
from ingest.model.completeness import Completeness, DateState
from ingest.settings import Settings
from ingest.terminal import Json, Several, escaped

__all__ = ["chosen", "status"]

_SHOWN = 14
_SHOWN_FIELDS = 10
_TOTALS = ("dataset", "raw", "curated", "quarantined", "duplicates", "erased", "pending", "unknown_date", "holds")
_DATES = ("event_date", "state", "raw", "curated", "rejected", "dup", "pending", "+1d", "+2d", "+3d", "last_row")
_SAYS = (
    "closed is an estimate: 99.9 % of the rows are expected to be there, as the last 14 dates show and the SLA says;"
    " late: more than that came after it was closed; +1d, +2d, +3d: rows that landed on the first, second, a later day"
    " after the date's end; last_row: when the last one landed, counted from there"
)


def status(
    dataset: Several = None,
    *,
    all_dates: Annotated[bool, typer.Option("--all-dates", help="Every event date, not only the last 14.")] = False,
    as_json: Json = False,
) -> None:
    """Rows per table, whether the account holds, and of one DATASET how complete each event date is.

    Exits 1 when an account does not hold.
    """
    if all_dates and dataset is None:
        raise ConfigurationError(
            "--all-dates of which dataset?", remedy="name it: `lakepost status DATASET --all-dates`"
        )
    settings = terminal.settings()
    found = [_totals(settings, name) for name in chosen(settings, dataset)]
    dates = api.completeness(settings, dataset) if dataset else None
    if as_json:
        terminal.print_json({"datasets": [row | ({"completeness": dates.to_dict()} if dates else {}) for row in found]})
    else:
        terminal.print_rows(list(_TOTALS), [tuple(row[name] for name in _TOTALS) for row in found])
        for row in found:
            _print_items(row["dataset"], row["items"])
            _print_drift(row["dataset"], row["unknown_fields"])
            _print_losses(row["dataset"], row["losses"])
            _print_gaps(row["dataset"], row["gaps"])
            if row["report"]:
                told = f"report of the newest batch of {row['dataset']}: {row['report']}"
                terminal.err.print(escaped(told), highlight=False, soft_wrap=True)
        if dates is not None:
            _print_dates(dates, all_dates=all_dates)
    if not all(row["holds"] for row in found):
        terminal.err.print(
            "error: raw is not the sum of the other columns; rows are missing or doubled", highlight=False
        )
        raise typer.Exit(1)


def chosen(settings: Settings, dataset: str | None) -> list[str]:
    """The dataset that was named, or all of the catalogue that the lake has tables of; all where it has none at all."""
    if dataset:
        return [dataset]
    names = [name for name, _ in api.datasets(settings)]
    return [name for name in names if api.begun(settings, name)] or names


def _totals(settings: Settings, dataset: str) -> dict[str, Any]:
    found = api.status(settings, dataset)
    return {
        "dataset": dataset,
        **dataclasses.asdict(found.totals),
        "holds": found.totals.holds,
        "last_batch": None if found.last_batch is None else found.last_batch.to_dict(),
        "unknown_fields": [field.to_dict() for field in found.unknown_fields],
        "report": found.report,
        "items": None if found.items is None else dataclasses.asdict(found.items),
        "losses": [dataclasses.asdict(loss) for loss in found.losses],
        "gaps": [dataclasses.asdict(gap) for gap in found.gaps],
    }


def _print_items(dataset: str, items: dict[str, int] | None) -> None:
    """How many items a container has now, in a line."""
    if items is not None:
        told = f"{dataset}: {items['now']} items now, {items['deleted']} deleted"
        terminal.err.print(escaped(told), highlight=False, soft_wrap=True)


def _print_drift(dataset: str, fields: list[dict[str, Any]]) -> None:
    """What producers send that the contract does not name: the most frequent ones, in a line each."""
    if not fields:
        return
    said = f"{dataset}: bodies have {len(fields)} fields that the contract does not name, kept in _rescued:"
    terminal.err.print(said, highlight=False)
    for field in fields[:_SHOWN_FIELDS]:
        line = f"  {field['path']!r}: {field['rows']} rows, last on {field['last_seen'][:10]}"
        terminal.err.print(escaped(line), highlight=False, soft_wrap=True)
    if len(fields) > _SHOWN_FIELDS:
        terminal.err.print(f"  … and {len(fields) - _SHOWN_FIELDS} more: see --json", highlight=False)


def _print_losses(dataset: str, losses: list[dict[str, Any]]) -> None:
    """What streams no longer had when land came to it, in a line each."""
    for loss in losses:
        told = (
            f"{dataset}: LOST: the stream {loss['stream']} no longer had offsets {loss['first']} to {loss['last']} when"
            f" land came to them at {loss['found_at']}: let land run more often, or the stream keep more"
        )
        terminal.err.print(escaped(told), highlight=False, soft_wrap=True)


def _print_gaps(dataset: str, gaps: list[dict[str, Any]]) -> None:
    """What was missed of a container, in a line each, and what that means."""
    for gap in gaps:
        told = (
            f"{dataset}: GAP: of {gap['feed_range']}, changes between {gap['since']} and {gap['until']} were not read:"
            f" {gap['why']}"
        )
        terminal.err.print(escaped(told), highlight=False, soft_wrap=True)
    if gaps:
        terminal.err.print(
            "  a snapshot followed each gap: the current state is right again; versions in between are not known, nor"
            " items that came and went in between; deletes in between are inferred, operation delete (inferred), and"
            " have the time at which the snapshot began",
            highlight=False,
            soft_wrap=True,
        )


def _print_dates(found: Completeness, *, all_dates: bool) -> None:
    known = [date for date in found.dates if date.closes_at is not None]
    shown = [date for date in found.dates if all_dates or date.closes_at is None or date in known[-_SHOWN:]]
    print()  # noqa: T201 - stdout is the interface: an empty line between two tables
    terminal.print_rows(list(_DATES), [_row(date) for date in shown])
    hidden = len(found.dates) - len(shown)
    said = [
        f"events have landed up to {found.watermark:%Y-%m-%d %H:%M} UTC, the last row at"
        f" {found.landed_until:%Y-%m-%d %H:%M}" if found.watermark else "no event has landed whose time can be read",
        *([f"{hidden} more dates: see --all-dates"] if hidden else []),
        _SAYS,
    ]  # fmt: skip
    for sentence in said:
        terminal.err.print(sentence, highlight=False, soft_wrap=not terminal.err.is_terminal)


def _row(date: DateState) -> tuple[Any, ...]:
    rows, days = date.rows, date.rows.by_day
    counts = (rows.raw, rows.curated, rows.quarantined, rows.duplicates, rows.pending)
    return (rows.event_date, str(date.state), *counts, days["1"], days["2"], days["3+"], _last(date))


def _last(date: DateState) -> str:
    """How long after the date's end its last row landed: `+40min`, `+3h`, `+12d`; `-` for before, or none."""
    landed = date.rows.last_landed
    if landed is None or landed < date.rows.end or date.closes_at is None:
        return "-"
    minutes = int((landed - date.rows.end).total_seconds() // 60)
    for unit, size in (("d", 48 * 60), ("h", 2 * 60)):
        if minutes >= size:
            return f"+{minutes // (size // 2)}{unit}"
    return f"+{minutes}min"

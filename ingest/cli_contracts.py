"""`lakepost contracts`: are the contracts right, and what does a change of them break?"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from ingest import api, terminal
from ingest.contracts import Checked
from ingest.terminal import Json, escaped

__all__ = ["app"]

app = typer.Typer(help="Contracts: what is wrong with them, and what a change of them breaks.", no_args_is_help=True)


@app.callback()
def contracts() -> None:
    """Contracts: what is wrong with them, and what a change of them breaks."""


@app.command()
def check(
    *,
    against: Annotated[
        str | None,
        typer.Option(metavar="DIR_OR_GIT_REF", help="Older contracts: a schemas folder, or a commit of this one's."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read every contract, suite and sample; list the changes. Exits 1 for what is wrong or breaks."""
    found = api.check_contracts(terminal.settings(), against)
    ok = all(one.ok for one in found)
    if as_json:
        terminal.print_json({"ok": ok, "against": against, "datasets": [_told(one) for one in found]})
    else:
        _print(found)
    if not ok:
        raise typer.Exit(1)


def _told(one: Checked) -> dict[str, Any]:
    wrong = None if one.wrong is None else {"message": one.wrong.message, "remedy": one.wrong.remedy}
    return {
        "dataset": one.dataset,
        "ok": one.ok,
        "version": one.version,
        "older_version": one.older_version,
        "samples": one.samples,
        "wrong": wrong,
        "changes": [dataclasses.asdict(change) for change in one.changes],
    }


def _print(found: list[Checked]) -> None:
    for one in found:
        mark = "[green]ok  [/]" if one.ok else "[bold red]FAIL[/]"
        versions = " → ".join(dict.fromkeys(filter(None, (one.older_version, one.version))))
        terminal.out.print(f"{mark} {one.dataset} {versions}, {one.samples} samples", highlight=False)
        if one.wrong is not None:
            terminal.out.print(f"       {escaped(str(one.wrong))}", highlight=False, soft_wrap=True)
    changes = [(one.dataset, change) for one in found for change in one.changes]
    rows: list[tuple[Any, ...]] = [
        (dataset, f"{one.effect}, refused" if one.refused else one.effect, one.what, one.says, one.then)
        for dataset, one in changes
    ]
    if rows:
        terminal.print_rows(["dataset", "effect", "what", "change", "then"], rows)
    if any(change.refused for _, change in changes):
        told = "error: a breaking change needs a raised major version, and every change a raised version"
        terminal.err.print(told, highlight=False)

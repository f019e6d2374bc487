"""`lakepost erase`: one person out of a dataset, kept out from then on, and the proof."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ingest import api, terminal
from ingest.errors import TransientError
from ingest.model.erasure import Erased
from ingest.model.upkeep import SPARED_HOURS
from ingest.terminal import Dataset, DryRun, Json

__all__ = ["erase"]


def erase(
    dataset: Dataset,
    *,
    key: Annotated[
        str, typer.Option("--key", help="The value of the contract's erasureKey; `-` reads it from standard input.")
    ],
    nobody_is_active: Annotated[
        bool, typer.Option("--nobody-is-active", help="Every task is stopped: files of killed writers may go at once.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take one person's rows out of the lake for good, and search every byte that is left.

    Exits 1 when the value is found all the same, 75 when it is only in files that must wait: run it again later.
    """
    value = sys.stdin.readline().rstrip("\r\n") if key == "-" else key
    done = api.erase(terminal.settings(), dataset, value, nobody_is_active=nobody_is_active, dry_run=dry_run)
    if as_json:
        terminal.print_json(done.to_dict())
    else:
        terminal.out.print(_sentences(done), highlight=False, soft_wrap=True, markup=False)
    if done.pending:
        raise typer.Exit(TransientError.exit_code)
    if not (dry_run or done.proved):
        raise typer.Exit(1)


def _sentences(done: Erased) -> str:
    searched, nobody = done.searched, not (done.erased or done.curated or done.quarantined)
    verb = "would erase" if done.dry_run else "erased"
    lines = [f"{verb} {done.erased} rows of raw, {done.curated} of curated, {done.quarantined} of quarantine"]
    if done.dry_run:
        return "\n".join([*lines, "nothing was changed; rows that curate has not read yet are not counted"])
    if nobody:
        lines.append("no row was this person's; who comes under this key from now on is kept out all the same")
    told = f"searched {searched.files} files, {searched.bytes} bytes"
    lines.append(f"{told}; removed {searched.removed} files that nothing needs any more")
    if searched.unreadable:
        lines.append(f"{searched.unreadable} bodies are compressed or no text: what stands in those cannot be told")
    lines += [f"  still in {path}" for path in searched.found]
    return "\n".join([*lines, _ending(done)])


def _ending(done: Erased) -> str:
    if done.proved:
        return "proved: the value is nowhere in this dataset"
    if done.pending:
        return (
            "a running task may still need these files, which no table has: run the same command again in"
            f" {SPARED_HOURS} hours, or now with --nobody-is-active when every task is stopped"
        )
    return "these hold rows of others that mention the value, or were written just now: look, and run it again"

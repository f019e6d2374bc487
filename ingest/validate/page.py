"""The report of a batch as one page of HTML: Great Expectations' own Data Docs sections in a frame of ours.

GX's frame loads scripts and styles from other servers and links to pages that are not there; ours needs nothing and
forbids all scripts. GX also writes unexpected values into its tables as they are: they come from messages, so they
are escaped before it sees them. The page is made from the report alone, which holds few values, and none of
a classified column.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from string import Template
from typing import Any

import structlog

from ingest.model.contract import Contract
from ingest.model.expectation import Expectation
from ingest.model.ports import Batch
from ingest.validate import great

__all__ = ["SHOWN", "page"]

SHOWN = 100
"""Expectations that a page shows, broken ones first: it takes about a millisecond for each."""

_MEMBERS = 50
_log = structlog.get_logger(__name__)


def page(report: Mapping[str, Any], contract: Contract, batch: Batch) -> str:
    """The page of a batch's report (`verdict.Judged.report`), self-contained, of some kilobytes per expectation."""
    entries = sorted(report["expectations"], key=lambda entry: not entry["broken"])
    shown = entries[:SHOWN]
    try:
        sections = great.sections([_shown(entry) for entry in shown])
    except Exception as error:  # noqa: BLE001 - whatever GX's renderer raises, a page is not worth a batch
        _log.warning("Great Expectations could not render a report", dataset=contract.dataset, error=str(error))
        sections = [f"<p>Great Expectations could not render its part: {html.escape(str(error))}</p>"]
    about = {
        "dataset": contract.dataset,
        "contract": f"{contract.version} ({contract.digest[:12]})",
        "batch": f"{batch.until}: raw versions {batch.after + 1} to {batch.until}",
        "rows": f"{report['rows']:,} that could be decoded and have an identity; the others were rejected before",
        "judged by": _judged_by(report),
    }
    if slow := ", ".join(_name(entry) for entry in entries if entry["judged_by"] != "mask"):
        about["row by row"] = f"Great Expectations itself gave every row its verdict by {slow}, which is slow"
    return _PAGE.substitute(
        title=html.escape(f"{contract.dataset}, batch {batch.until}"),
        verdict=_verdict(entries),
        about=_table((f"<th>{html.escape(key)}</th>", _cell(value)) for key, value in about.items()),
        rows=_table([_HEAD, *(_row(entry) for entry in shown if entry["broken"])]),
        more=f"<p>{len(entries) - len(shown)} more expectations are in the JSON.</p>" if len(entries) > SHOWN else "",
        sections="\n".join(sections),
    )


def _verdict(entries: Sequence[Mapping[str, Any]]) -> str:
    broken = sum(entry["broken"] > 0 for entry in entries)
    if not broken:
        return f"No row breaks any of the {len(entries)} expectations."
    return f"{broken} of {len(entries)} expectations are broken by rows of this batch."


def _judged_by(report: Mapping[str, Any]) -> str:
    if report["gx_version"] is None:
        return "nobody: there was nothing to judge"
    told = f"Great Expectations {report['gx_version']}"
    if report["sampled"]:
        told += (
            f", over a sample of {report['evaluated']:,} rows, the same ones each time: its counts below are of the"
            " sample. Every row got its verdict all the same: the counts of all rows are in the table under this one"
        )
    return told + ("" if report["agrees"] else ". It does NOT agree with the verdicts that the rows got")


_HEAD = ("<th>so many rows</th>", "<th>break</th>", "<th>and are</th>")


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    mostly = Expectation(entry["type"], entry["kwargs"]).mostly
    fate = "rejected" if mostly >= 1 else f"curated, while {mostly:.0%} hold"
    return tuple(map(_cell, (f"{entry['broken']:,} rows", _name(entry), fate)))


def _name(entry: Mapping[str, Any]) -> str:
    return str(Expectation(entry["type"], entry["kwargs"]))


def _cell(value: str) -> str:
    return f"<td>{html.escape(value)}</td>"


def _table(rows: Iterable[Iterable[str]]) -> str:
    return "<table>" + "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows) + "</table>"


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry with what GX would write as it is escaped, and a long value set cut."""
    kwargs = dict(entry["kwargs"])
    for name, members in kwargs.items():
        if isinstance(members, list) and len(members) > _MEMBERS:
            more = [f"… and {len(members) - _MEMBERS} more"] if name == "value_set" else []
            kwargs[name] = [*members[:_MEMBERS], *more]
    return {**entry, "kwargs": kwargs, "examples": [html.escape(value) for value in entry["examples"] or ()]}


_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: .5rem 0 }
td, th { border: 1px solid #ddd; padding: .25rem .6rem; text-align: left; vertical-align: top }
h5 { font-size: 1.1rem; margin: 1.5rem 0 .3rem }
.badge { background: #eee; border-radius: .2rem; padding: 0 .3rem; font-family: monospace; word-break: break-all }
.text-success::before { content: "\\2713"; color: #080 }
.fa-times::before { content: "\\2717"; color: #b00 }
.text-warning::before { content: "!"; color: #b60; font-weight: bold }
strong.text-danger { color: #b00; font-weight: normal }
.show-scrollbars { max-width: 36rem; overflow-wrap: anywhere }
</style>
</head>
<body>
<h1>$title</h1>
<p><strong>$verdict</strong></p>
$about
<h2>All rows</h2>
$rows
<h2>Great Expectations</h2>
$more
$sections
<p>Up to 20 unexpected values stand here for each expectation, none of a column that the contract classifies. The rows
themselves are in quarantine. The same as JSON is beside this page.</p>
</body>
</html>
""")

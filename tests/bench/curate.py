"""curate against bare pyarrow and against dlt: rows a second by the clock and by the processor, and peak memory.

Each is measured as a process of its own, imports included, in turns, on bodies of the same pool:

- bare pyarrow: `read_json` with a schema and `write_table` with zstd, a file per 500,000 rows, nothing else. It gets
  valid bodies only, as many as curate gets rows, one a line: it cannot read others.
- dlt: normalises the same lines to Parquet in a local folder; fewer rows, as it is slow. It is installed into
  `.local/bench-venv` and left out, with a sentence, where that cannot be.
- curate: `lakepost curate` on a lake that holds all bodies in raw: verdicts, Great Expectations' report, deduplication,
  quarantine and commits included. Its account must be the one that follows from how the bodies were built.

Then rebuild of one event date out of a hundred: the bytes that it reads of raw. Ratios are what to read; absolute rates
are this machine's. The result is written to `tests/bench/results/curate.json`.

usage: curate.py [--rows N] [--repeat N] [--dlt-rows N] [--rebuild-rows N] [--memory-rows N] [--profile]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from process import Measured, measured
from rebuild import rebuild_one

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULT = HERE / "results" / "curate.json"
VENV = ROOT / ".local" / "bench-venv"
LAKEPOST = Path(sys.executable).with_name("lakepost")
console = Console(width=120)


@dataclass(frozen=True)
class Lake:
    """A lake whose raw holds orders that nobody has curated, and what must become of them."""

    folder: Path
    rows: int
    expected: dict[str, int]


def prepared(folder: Path, rows: int, *, dates: int = 3, lines: bool = False) -> Lake:
    """Land `rows` orders in `folder`/lake; with `lines` write as many valid ones to `folder`/lines as well."""
    command: list[str | Path] = [sys.executable, HERE / "orders.py", "--rows", str(rows), "--dates", str(dates)]
    command += ["--lake", folder / "lake"]
    command += ["--ndjson", folder / "lines"] if lines else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "infra" / "local"), str(ROOT)])}
    out = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout
    return Lake(folder / "lake", rows, json.loads(out))


def lakepost(lake: Path, *command: str) -> Measured:
    """The command, on a lake."""
    environment = {"LAKEPOST_LAKE_URL": lake.as_uri(), "LAKEPOST_SCHEMAS_DIR": str(ROOT / "schemas")}
    return measured([LAKEPOST, *command, "--json"], environment)


def curate(lake: Lake, scratch: Path) -> Measured:
    """`lakepost curate` on a copy of the lake, its account and reports checked. Data files are linked: none is changed.

    The reports are Great Expectations' of each batch; they must agree with the verdicts of the rows.
    """

    def copied(source: str, to: str) -> None:
        (os.link if source.endswith(".parquet") else shutil.copy2)(source, to)

    shutil.copytree(lake.folder, scratch, copy_function=copied)
    found = lakepost(scratch, "curate", "orders")
    told = json.loads(found.out)
    account = {"curated": told["curated"], "quarantined": told["quarantined"], "duplicate": told["duplicates"]}
    if account != lake.expected or sum(account.values()) != lake.rows:
        raise SystemExit(f"curate's account is {account}, but {lake.expected} follows from how the orders were built")
    reports = [json.loads(file.read_text()) for file in (scratch / "_lakepost" / "reports").rglob("*.json")]
    if not reports or not all(report["agrees"] and report["evaluated"] for report in reports):
        raise SystemExit(f"{len(reports)} reports of Great Expectations, not all with rows and agreeing")
    return found


def bare(lines: Path, scratch: Path, rows: int) -> Measured:
    """What bare pyarrow needs for the lines."""
    return _counted(measured([sys.executable, HERE / "bare.py", lines, scratch], {}), rows)


def dlt(lines: Path, scratch: Path, rows: int) -> Measured:
    """What dlt needs for the lines, without telemetry."""
    quiet = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
    command = [VENV / "bin" / "python", HERE / "with_dlt.py", lines, scratch]
    return _counted(measured(command, quiet), rows)


def _counted(found: Measured, rows: int) -> Measured:
    if int(found.out) != rows:
        raise SystemExit(f"{found.out.strip()} rows were written, not {rows}")
    return found


def peers_installed() -> bool:
    """Whether dlt is there, after an attempt to install it."""
    uv, python = Path(sys.executable).with_name("uv"), VENV / "bin" / "python"
    make: list[str | Path] = [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, VENV]
    install: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "-r",
        HERE / "requirements-peers.txt",
    ]
    try:
        for command in (make, install):
            subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", None) or str(error)
        console.print(f"dlt is left out, it cannot be installed: {why.strip().splitlines()[-1]}")
        return False
    return True


def in_turns(folder: Path, repeat: int, readers: dict[str, Callable[[Path], Measured]]) -> dict[str, list[Measured]]:
    """Each reader `repeat` times, in turns, each time into a new folder that is removed afterwards."""
    runs: dict[str, list[Measured]] = {name: [] for name in readers}
    for turn in range(repeat):
        for name, reader in readers.items():
            scratch = folder / "scratch"
            runs[name].append(reader(scratch))
            shutil.rmtree(scratch)
            one = runs[name][-1]
            console.print(f"{turn + 1}/{repeat} {name}: {one.seconds:.1f} s, processor {one.cpu:.1f} s")
    return runs


def figures(rows: int, runs: Sequence[Measured]) -> dict[str, Any]:
    """Medians over the runs; the peak is the highest."""
    seconds = statistics.median(run.seconds for run in runs)
    cpu = statistics.median(run.cpu for run in runs)
    return {
        "rows": rows,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "per_second": round(rows / seconds),
        "per_cpu_second": round(rows / cpu),
        "peak_mb": round(max(run.megabytes for run in runs)),
        "runs": [{"seconds": round(run.seconds, 2), "cpu_seconds": round(run.cpu, 2)} for run in runs],
    }


def compare(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The readers in turns; a table of them; what was found, by reader."""
    lake = prepared(folder / "all", arguments.rows, lines=True)
    rows = {"bare pyarrow": arguments.rows, "dlt": arguments.dlt_rows, "curate": arguments.rows}
    readers: dict[str, Callable[[Path], Measured]] = {
        "bare pyarrow": lambda scratch: bare(folder / "all" / "lines", scratch, arguments.rows),
        "curate": lambda scratch: curate(lake, scratch),
    }
    if arguments.dlt_rows and peers_installed():
        prepared(folder / "few", arguments.dlt_rows, lines=True)
        readers["dlt"] = lambda scratch: dlt(folder / "few" / "lines", scratch, arguments.dlt_rows)
    runs = in_turns(folder, arguments.repeat, readers)
    found = {name: figures(rows[name], measurements) for name, measurements in runs.items()}
    tell(found)
    return found


def tell(found: dict[str, Any]) -> None:
    """A table of the readers; how curate compares with each of the others is added to `found`."""
    table = Table("", "rows", "rows/s", "rows per CPU second", "peak MB", "curate is, by clock", "by processor")
    for name, one in found.items():
        ratios = [found["curate"][rate] / one[rate] for rate in ("per_second", "per_cpu_second")]
        if name != "curate":
            one |= {"curate_ratio": round(ratios[0], 3), "curate_cpu_ratio": round(ratios[1], 3)}
        shown = [f"{ratio:.2f}" if name != "curate" else "" for ratio in ratios]
        rates = [f"{one[key]:,}" for key in ("rows", "per_second", "per_cpu_second", "peak_mb")]
        table.add_row(name, *rates, *shown)
    console.print(table)


def memory(rows: int, folder: Path) -> dict[str, Any]:
    """One run of curate, for its peak memory."""
    found = figures(rows, [curate(prepared(folder, rows), folder / "scratch")])
    console.print(f"curate of {rows:,} rows: peak {found['peak_mb']:,} MB, {found['per_second']:,} rows/s")
    return found


def profile(rows: int, folder: Path) -> None:
    """Run curate inside a process that times its stages; see stages.py."""
    lake = prepared(folder, rows)
    environment = {"LAKEPOST_LAKE_URL": lake.folder.as_uri(), "LAKEPOST_SCHEMAS_DIR": str(ROOT / "schemas")}
    subprocess.run([sys.executable, HERE / "stages.py"], env={**os.environ, **environment}, cwd=ROOT, check=True)


def main() -> None:
    """Measure what is asked for and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--dlt-rows", type=int, default=300_000, help="0 leaves dlt out")
    parser.add_argument("--rebuild-rows", type=int, default=500_000, help="0 leaves rebuild out")
    parser.add_argument("--memory-rows", type=int, help="curate once with so many rows, for its peak memory only")
    parser.add_argument("--profile", action="store_true", help="only time the stages of curate over --rows")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lakepost-bench-") as temporary:
        folder = Path(temporary)
        if arguments.profile:
            profile(arguments.rows, folder)
            return
        before = json.loads(RESULT.read_text()) if RESULT.exists() else {}
        if arguments.memory_rows:
            results = before | {"memory": memory(arguments.memory_rows, folder / "memory")}
        else:
            kept = {name: before[name] for name in ("memory", "rebuild") if name in before}
            results = kept | compare(arguments, folder)
            if arguments.rebuild_rows:
                lake = prepared(folder / "dates", arguments.rebuild_rows, dates=100)
                results["rebuild"] = rebuild_one(lake.folder, lakepost, console)
    RESULT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

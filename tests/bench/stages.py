"""Where the time of curate goes on the lake of the settings: its stages, and a profile of the main thread.

Functions are wrapped by name, since a profile of calls sees neither pool threads nor what Arrow and delta-rs do in
theirs. A name that is gone or is not called is told: then this table has to follow the code. `decode` waits for its
threads, whose stages are listed as well.

usage: stages.py
"""

from __future__ import annotations

import cProfile
import functools
import importlib
import io
import pstats
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["STAGES", "Stage"]

STAGES = {
    "contract": "ingest.api:contract_of",
    "create tables": "ingest.lake.delta:DeltaLake.prepare",
    "next batch": "ingest.lake.delta:DeltaLake.next_batch",
    "read and decode": "ingest.steps.sifting:read_batch",
    "read raw: to arrow": "ingest.lake.raw:_inserts",
    "decode": "ingest.decode:decode",
    "decode: bytes to text": "ingest.decode.chunk:_texts",
    "decode: row numbers": "ingest.decode.bulk:number",
    "decode: usual form": "ingest.decode.bulk:usual",
    "decode: parse": "ingest.decode.bulk:Reader.read",
    "decode: why not": "ingest.decode.bulk:diagnose",
    "decode: types": "ingest.decode.chunk:_typed",
    "decode: unknown fields": "ingest.decode.chunk:_beside",
    "mask": "ingest.validate.suite:_mask",
    "rejects of the mask": "ingest.validate.suite:_rejects",
    "GX: frame": "ingest.validate.suite:to_frame",
    "GX: import": "ingest.validate.great:_imported",
    "GX: judge": "ingest.validate.great:judge",
    "dedupe: known": "ingest.lake.search:known",
    "dedupe: in the batch": "ingest.steps.verdicts:first",
    "curated rows": "ingest.steps.verdicts:_curated",
    "quarantine rows": "ingest.steps.verdicts:_quarantine",
    "write quarantine": "ingest.lake.published:replace_quarantine",
    "write curated": "ingest.lake.published:append_curated",
    "write accounts": "ingest.lake.published:write_accounts",
    "report: page": "ingest.validate.suite:page",
    "write report": "ingest.lake.delta:DeltaLake.write_report",
    "totals": "ingest.lake.delta:DeltaLake.totals",
}
"""Stage → the function that is it, as `module:name`."""

_TOP = 25


@dataclass
class Stage:
    """Summed over calls and threads: seconds by the clock, without those of stages inside on the same thread (`own`),
    seconds of every thread of the process meanwhile (`cpu`), and by how much the peak memory rose, in MB.
    """

    calls: int = 0
    seconds: float = 0.0
    own: float = 0.0
    cpu: float = 0.0
    raised: float = 0.0


_found: dict[str, Stage] = {}
_inside = threading.local()  # seconds of the stages inside the one under way, by thread
_adding = threading.Lock()


def _target(where: str) -> tuple[Any, str, Callable[..., Any]]:
    """What holds the function at `module:name`, under which name, and the function; `AttributeError` if it is gone."""
    module, _, path = where.partition(":")
    *outer, name = path.split(".")
    owner = functools.reduce(getattr, outer, importlib.import_module(module))
    return owner, name, getattr(owner, name)


def _timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    stage = _found.setdefault(name, Stage())

    @functools.wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        outside, _inside.seconds = getattr(_inside, "seconds", 0.0), 0.0
        clock, cpu, peak = time.perf_counter(), time.process_time(), _peak()
        try:
            return function(*args, **kwargs)
        finally:
            took = time.perf_counter() - clock
            with _adding:
                stage.calls += 1
                stage.seconds += took
                stage.own += took - _inside.seconds
                stage.cpu += time.process_time() - cpu
                stage.raised += _peak() - peak
            _inside.seconds = outside + took

    return timed


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _wrap(console: Console) -> None:
    for name, where in STAGES.items():
        try:
            owner, attribute, function = _target(where)
        except (AttributeError, ImportError):
            console.print(f"not timed, {where} is gone: {name}")
        else:
            setattr(owner, attribute, _timed(name, function))


def main() -> None:
    """Curate `orders` and print the stages, longest first, then the main thread's functions by their own time."""
    console = Console(width=150)
    _timed("imports", lambda: importlib.import_module("ingest.api"))()
    _timed("imports", lambda: [_target(where) for where in ("ingest.steps:curate", "ingest.validate:Suite")])()
    _wrap(console)
    api, settings = importlib.import_module("ingest.api"), importlib.import_module("ingest.settings")
    profile = cProfile.Profile()
    curate = _timed("all of curate; own: the rest", api.curate)
    account = profile.runcall(curate, settings.load_settings(), "orders")
    table = Table("stage", "calls", "seconds", "own seconds", "processor, all threads", "raised peak by MB")
    for name, stage in sorted(_found.items(), key=lambda item: -item[1].own):
        if not stage.calls:
            console.print(f"not timed, {STAGES[name]} was not called: {name}")
        figures = (f"{value:.2f}" for value in (stage.seconds, stage.own, stage.cpu))
        table.add_row(name, str(stage.calls), *figures, f"{stage.raised:.0f}")
    console.print(table)
    console.print(f"{account.landed:,} rows in {account.seconds:.1f} s; peak memory {_peak():.0f} MB")
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(_TOP)
    console.print(text.getvalue(), highlight=False, markup=False)


if __name__ == "__main__":
    main()

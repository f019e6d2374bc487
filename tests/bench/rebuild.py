"""rebuild of one event date out of a hundred: which bytes of raw it reads, by what it says and by what can be seen.

The proof that it opens no other date's files is that it does the same when they are gone. What the process read in
all is told by the kernel; as that holds the interpreter's modules too, it is compared with a rebuild of the date
that has next to no rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from process import Measured

__all__ = ["rebuild_one"]

_FEW = "1970-01-01"
_MEGABYTE = 1_000_000


def rebuild_one(lake: Path, lakepost: Callable[..., Measured], console: Console) -> dict[str, Any]:
    """Curate `lake`, then see what a rebuild of one of its dates reads; prints it and returns it in bytes."""
    lakepost(lake, "curate", "orders")
    folders = sorted(path for path in (lake / "raw" / "orders").iterdir() if path.name.startswith("event_date="))
    sizes = {path.name.removeprefix("event_date="): _size(path) for path in folders}
    date = sorted(sizes)[len(sizes) // 2]

    def rebuild(which: str) -> tuple[dict[str, Any], int]:
        found = lakepost(lake, "rebuild", "orders", "--from", which, "--dry-run")
        difference: dict[str, Any] = json.loads(found.out)["dates"][0]
        return difference, found.read

    _, modules = rebuild(_FEW)
    difference, read = rebuild(date)
    for path in folders:
        if path.name != f"event_date={date}":
            path.rename(lake / path.name)
    again, _ = rebuild(date)
    if again != difference or difference["changed"] or difference["raw_bytes"] != sizes[date]:
        raise SystemExit(f"rebuild of {date} found {difference}, then, without the other dates' files, {again}")
    total = sum(sizes.values())
    console.print(
        f"rebuild of {date}, one of {len(sizes)} dates, {difference['records']:,} rows: reads"
        f" {difference['raw_bytes'] / _MEGABYTE:.2f} MB of raw's {total / _MEGABYTE:.1f} MB"
        f" ({difference['raw_bytes'] / total:.1%}), and does the same when the other dates' files are gone;"
        f" the process read {(read - modules) / _MEGABYTE:.1f} MB more than for a date of a few rows"
        " (raw, curated, quarantine, and the keys of the days around)"
    )
    return {
        "dates": len(sizes),
        "records": difference["records"],
        "raw_bytes_read": difference["raw_bytes"],
        "raw_bytes": total,
        "process_bytes_read": read - modules,
    }


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.parquet"))

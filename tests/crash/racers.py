"""Processes that race over one lake, each in a session of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["race_to_the_end"]

ROOT = Path(__file__).resolve().parents[2]


def race_to_the_end(module: str, names: Iterable[str], lake: Path) -> None:
    """Run `python -m MODULE NAME LAKE SCHEMAS` for each name at once; all must succeed."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", module, name, lake, ROOT / "schemas"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for name in names
    ]
    try:
        told = [racer.communicate(timeout=240)[0] for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
    assert [racer.returncode for racer in racers] == [0] * len(racers), "\n".join(told)

"""What the demo shows while it runs: live bars on a terminal, plain lines in a pipe."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["Display"]

_LINES = 5  # progress lines of a stage in a pipe


class Display:
    """Stages that may run at once; `seconds` keeps how long each took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._running = 0
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str, *, total: int = 1) -> Iterator[Callable[[int], None]]:
        """Time a stage; the value counts steps up to `total`. A stage that raises is not noted as done."""
        begun, bar = time.monotonic(), self._bars.add_task(name, total=total)
        done = 0

        def advance(steps: int) -> None:
            nonlocal done
            before, done = done, done + steps
            self._bars.update(bar, completed=done)
            if done * _LINES // total > before * _LINES // total and done < total:
                self._line(f"{name}: {done:,} of {total:,}")

        self._line(f"{name} …")
        with self._live():
            yield advance
            self._bars.update(bar, completed=total)
        self.seconds[name] = time.monotonic() - begun
        self._line(f"{name}: {self.seconds[name]:.1f} s")

    def tasks(self, run: str, states: Mapping[str, str]) -> None:
        """Say what each task of a run is doing."""
        self.say(f"  {run}: " + ", ".join(f"{task}: {state}" for task, state in sorted(states.items(), reverse=True)))

    def say(self, line: str) -> None:
        """A line that stays, above the bars."""
        self._bars.console.print(line, markup=False)

    def _line(self, line: str) -> None:
        if not self._console.is_terminal:
            self.say(line)

    @contextlib.contextmanager
    def _live(self) -> Iterator[None]:
        """Bars while any stage runs, and only on a terminal."""
        self._running += 1
        if self._console.is_terminal and self._running == 1:
            self._bars.start()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._bars.stop()

"""The command in this process: `lakepost …` with settings of a test's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from rich.console import Console

from ingest import cli, terminal

__all__ = ["Command"]


class Command:
    """Runs `lakepost` in `folder`, which has no .env of the developer's, with `environment` beside this process's."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        folder: Path,
        environment: Mapping[str, str],
    ) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.chdir(folder)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        self.shows(width=200)

    def shows(self, **how: Any) -> None:
        """What the command takes its stdout and stderr for, as arguments of `rich.Console`."""
        self._monkeypatch.setattr(terminal, "out", Console(**how))
        self._monkeypatch.setattr(terminal, "err", Console(stderr=True, **how))

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self._monkeypatch.setattr(sys, "argv", ["lakepost", *arguments])
        with pytest.raises(SystemExit) as done:
            cli.main()
        structlog.reset_defaults()  # the command logs to this test's stderr, which is closed after it
        captured = self._capsys.readouterr()
        return int(done.value.code or 0), captured.out, captured.err

    def json(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code and the one object on stdout."""
        code, out, err = self(*arguments, "--json")
        assert out.count("\n") == 1, out + err
        return code, json.loads(out)

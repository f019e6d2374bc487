"""The import contracts hold, and each of them fails when its sentence is broken."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BREAKS = {
    "One direction": ("model/account.py", "import ingest.steps"),
    "Adapters and steps do not know each other": ("decode/media.py", "import ingest.lake.paths"),
    "The vocabulary does no I/O": ("model/account.py", "import yaml"),
    "the broker's client in sources": ("steps/land.py", "import aio_pika"),
    "Delta in lake": ("steps/land.py", "import deltalake"),
    "Great Expectations in validate": ("steps/land.py", "import great_expectations"),
    "The catalogue is light": ("catalog/samples.py", "import pyarrow"),
    "The package never imports Airflow": ("api.py", "import airflow"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "ingest", tmp_path / "ingest", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken_contracts(folder: Path) -> list[str]:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    lines = " ".join(done.stdout.split("Contracts:")[0].split("dependencies.")[1].split())
    return [name for name in BREAKS if any(name in part for part in lines.split("BROKEN")[:-1] if _last(part, name))]


def _last(part: str, name: str) -> bool:
    """Whether `name` is in the contract that this part ends with."""
    return name in part.rsplit("KEPT", 1)[-1]


def test_all_hold(copy: Path) -> None:
    assert broken_contracts(copy) == []


@pytest.mark.parametrize("name", list(BREAKS))
def test_broken_once_it_fails(name: str, copy: Path) -> None:
    file, line = BREAKS[name]
    target = copy / "ingest" / file
    target.write_text(target.read_text().replace("\nfrom ", f"\n{line}\nfrom ", 1))
    assert name in broken_contracts(copy)

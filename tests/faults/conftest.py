"""A broker that may be killed, and scenes on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from broker import Broker
from tests.conftest import publishing
from tests.faults.scene import Scene
from tests.live import Live

Play = Callable[..., Scene]


@pytest.fixture(scope="package")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A node of these tests' own, which may be killed, blocked and started again."""
    with Broker(tmp_path_factory.mktemp("mortal"), tied=True) as node:
        yield node


@pytest.fixture
def play(tmp_path: Path, mortal: Broker) -> Iterator[Play]:
    """`play(count=…, seed=…, kind=…)`: a scene of one's own on that node. Its commands end with the test."""
    scenes: list[Scene] = []

    def scene(**how: Any) -> Scene:
        folder = tmp_path / f"{tmp_path.name}-{len(scenes)}"
        folder.mkdir()
        scenes.append(Scene(Live(folder, mortal, publishing(mortal.url)), folder, **how))
        return scenes[-1]

    yield scene
    for one in scenes:
        one.close()

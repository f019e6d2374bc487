"""Which items raw knows of a feed range, whose newest row is older than a generation."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ingest.errors import TransientError
from ingest.lake import DeltaLake, LocalStorage, known
from ingest.model.tables import RAW
from tests.contracts import column, contract

SOURCE, RANGE = "shop/customers", "-FF"
MOMENT = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


@pytest.fixture
def lake(tmp_path: Path) -> DeltaLake:
    lake = DeltaLake(LocalStorage(tmp_path / "lake"))
    lake.prepare(contract((column("id", "string"),)))
    return lake


def landed(lake: DeltaLake, *rows: tuple[Any, ...], source: str = SOURCE, feed_range: str = RANGE) -> None:
    """Rows as (key, operation, generation, position, index)."""
    columns = {
        "key": [one[0] for one in rows],
        "operation": [one[1] for one in rows],
        "headers": [json.dumps({"container_rid": "r", "generation": one[2]}) for one in rows],
        "position": [one[3] for one in rows],
        "event_id": [f"lakepost:change:r:{one[3]}:abc:{one[4]}" for one in rows],
    }
    same = {
        "window": "w",
        "row": 0,
        "body": b"{}",
        "event_time": MOMENT,
        "event_date": MOMENT.date(),
        "source": source,
        "routing_key": feed_range,
        "redelivered": False,
        "landed_at": MOMENT,
    }
    given = {field.name: columns.get(field.name, [same.get(field.name)] * len(rows)) for field in RAW}
    lake.append_raw("orders", pa.table(given, schema=RAW), window="w", application="land:x", position=None)


def found(lake: DeltaLake, generation: int) -> list[str]:
    tables = lake.items_before("orders", SOURCE, RANGE, generation)
    return sorted(key for table in tables for key in table["key"].to_pylist())


def test_items_that_were_not_seen_since_and_were_not_deleted(lake: DeltaLake) -> None:
    landed(
        lake,
        ("seen again", "create", 0, 5, 0),
        ("gone", "create", 0, 6, 0),
        ("deleted", "create", 0, 7, 0),
        ("deleted", "delete", 0, 9, 0),
        ("deleted and made", "delete", 0, 10, 0),
        ("deleted and made", "create", 0, 11, 0),
        (None, "erased", 0, 12, 0),
    )
    landed(lake, ("seen again", "snapshot", 1, 5, 0), ("new", "create", 1, 1, 0))
    landed(lake, ("of another range", "create", 0, 1, 0), feed_range="00-FF")
    landed(lake, ("of another container", "create", 0, 1, 0), source="shop/others")
    assert found(lake, 1) == ["deleted and made", "gone"]
    assert found(lake, 2) == ["deleted and made", "gone", "new", "seen again"]
    assert found(lake, 0) == []


def test_the_newest_is_of_the_last_generation_then_position_then_place(lake: DeltaLake) -> None:
    """An inferred delete stands before every change of its generation; a transaction has one position."""
    landed(
        lake,
        ("inferred", "create", 0, 900, 0),
        ("inferred", "delete (inferred)", 1, 0, 0),
        ("back", "delete (inferred)", 1, 0, 0),
        ("back", "create", 1, 3, 0),
        *(("often", "create" if place % 2 else "delete", 1, 7, place) for place in range(12)),
        *(("oft", "delete" if place % 2 else "create", 1, 7, place) for place in range(12)),
    )
    assert found(lake, 2) == ["back", "often"]


def test_shares_give_the_same_and_leave_nothing_behind(
    lake: DeltaLake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    landed(lake, *((f"c{n}", "create", n % 2, n, 0) for n in range(3_000)))
    landed(lake, *((f"c{n}", "delete", 0, 9_000, 0) for n in range(0, 3_000, 10)))
    whole = found(lake, 1)
    assert len(whole) == 1_200
    folder = tmp_path / "aside"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(known, "SHARE_ROWS", 100)
    tables = lake.items_before("orders", SOURCE, RANGE, 1)
    first = next(tables)
    assert 0 < first.num_rows < 200
    assert any(folder.iterdir())
    assert sorted([*first["key"].to_pylist(), *(key for one in tables for key in one["key"].to_pylist())]) == whole
    assert not any(folder.iterdir())
    monkeypatch.setattr(known, "_shares", _full)
    with pytest.raises(TransientError):
        found(lake, 1)


def _full(*_: Any) -> list[Path]:
    raise TransientError("no room")

"""What the benchmark of curate stands on: its orders get the verdicts they were built for, its stages exist."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.json as pj
import pytest

import orders
import stages
from ingest import api
from ingest.catalog import load
from ingest.lake import DeltaLake, open_storage
from ingest.settings import Settings
from orders import Pool

_ROWS, _POOL = 5000, 2000


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool.of(load(Path("schemas"), "orders"), _POOL, dates=3)


def test_the_account_of_curate_is_the_one_that_the_orders_were_built_for(pool: Pool, tmp_path: Path) -> None:
    """Over several rounds of the pool, the last one cut: no round's orders are taken for another's."""
    orders.raw(DeltaLake(open_storage(tmp_path.as_uri())), pool, _ROWS)
    account = api.curate(Settings(lake_url=tmp_path.as_uri(), batch_rows=_ROWS), "orders", accept=True)
    found = {"curated": account.curated, "quarantined": account.quarantined, "duplicate": account.duplicates}
    assert found == pool.expected(_ROWS)
    assert sum(found.values()) == _ROWS
    assert all(found.values())
    assert len(account.partitions) == 4  # three, and the one of clocks that cannot be right


def test_bare_pyarrow_can_read_as_many_lines_as_curate_gets_rows(pool: Pool, tmp_path: Path) -> None:
    orders.ndjson(tmp_path, pool, _ROWS)
    schema = pa.ipc.read_schema(pa.BufferReader((tmp_path / "schema").read_bytes()))
    parse = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    table = pj.read_json(tmp_path / "000.ndjson", parse_options=parse)
    assert table.num_rows == _ROWS
    assert table.schema == schema
    assert len(table["order_id"].unique()) > len(table["order_id"].slice(0, _POOL).unique())  # rounds differ


def test_every_stage_that_the_profile_names_is_called(pool: Pool, tmp_path: Path) -> None:
    orders.raw(DeltaLake(open_storage(tmp_path.as_uri())), pool, _ROWS)
    environment = {**os.environ, "LAKEPOST_LAKE_URL": tmp_path.as_uri()}
    run = subprocess.run(
        [sys.executable, stages.__file__], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert f"{_ROWS:,} rows" in run.stdout
    assert [line for line in run.stdout.splitlines() if line.startswith("not timed")] == []

"""The report of each batch stands in the lake, as JSON and as a page, also of a batch that the gate held back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from ingest.errors import GateClosed
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract, Gate
from tests.steps.shop import Shop, order


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), orders)


def test_a_batch_leaves_its_report_and_its_page(shop: Shop, tmp_path: Path) -> None:
    shop.land(order("a"), order("b", total=-1, note="call me at home"))
    shop.curate()
    reports = tmp_path / "_lakepost" / "reports" / "orders"
    assert sorted(file.suffix for file in reports.iterdir()) == [".html", ".json"]
    report = json.loads(next(reports.glob("*.json")).read_text())
    assert {entry["type"]: entry["broken"] for entry in report["expectations"] if entry["broken"]} == {
        "expect_column_values_to_be_between": 1
    }
    page = next(reports.glob("*.html")).read_text()
    assert "1 of 15 expectations are broken" in page
    assert "-1.00" in page
    assert "call me at home" not in page


def test_a_closed_gate_names_the_page_that_tells_why(tmp_path: Path, orders: Contract) -> None:
    strict = dataclasses.replace(orders, gate=Gate(max_rejected_share=0.1, min_rows=2))
    shop = Shop(DeltaLake(LocalStorage(tmp_path)), strict)
    shop.land(order("a"), order("b", total=-1))
    with pytest.raises(GateClosed) as closed:
        shop.curate()
    (page,) = (tmp_path / "_lakepost" / "reports" / "orders").glob("*.html")
    assert str(page) in closed.value.message

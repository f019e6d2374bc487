"""How curated's values stand in Parquet."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract
from tests.steps.shop import Shop, order


def test_columns_of_few_values_are_dictionary_encoded(tmp_path: Path, orders: Contract) -> None:
    shop = Shop(DeltaLake(LocalStorage(tmp_path)), orders)
    shop.land(*(order(f"e{n}", status=("placed", "paid")[n % 2]) for n in range(100)))
    shop.curate()
    file = next((tmp_path / "curated" / "orders").glob("event_date=*/*.parquet"))
    group = pq.ParquetFile(file).metadata.row_group(0)
    columns = [group.column(n) for n in range(group.num_columns)]
    encodings = {column.path_in_schema: column.encodings for column in columns}
    assert "RLE_DICTIONARY" in encodings["status"]
    assert "RLE_DICTIONARY" in encodings["currency"]

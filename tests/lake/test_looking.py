"""Bodies are searched as they are read, and only what is a body."""

from __future__ import annotations

import gzip

import pyarrow as pa

from ingest.envelope import opened
from ingest.lake.looking import Search
from ingest.lake.needle import Needle
from ingest.model.contract import Column, LogicalType
from ingest.model.delivery import Delivery
from tests.envelope.rows import raw_of

SEARCH = Search(Needle.of("c-666666", Column("customer_id", "customer_id", LogicalType.STRING)), opened)


def rows(*deliveries: Delivery) -> pa.RecordBatch:
    """Rows of raw, as a file gives them."""
    return raw_of(*deliveries).to_batches()[0]


def test_a_compressed_body_is_searched_and_counts_as_readable() -> None:
    packed = Delivery(gzip.compress(b'{"note": "for c-666666"}'), "e/q", content_encoding="gzip")
    assert SEARCH.finds(rows(packed))
    assert SEARCH.unreadable(rows(packed)) == 0
    assert not SEARCH.finds(rows(packed._replace(body=gzip.compress(b"{}"))))


def test_what_cannot_be_read_is_counted() -> None:
    broken = Delivery(b"c-666666", "e/q", content_encoding="gzip")
    unknown = Delivery(b"{}", "e/q", content_encoding="br")
    assert SEARCH.unreadable(rows(broken, unknown, Delivery(b"\xff\xfe", "e/q"), Delivery(b"{}", "e/q"))) == 2


def test_a_column_of_the_contract_that_is_called_body_is_a_column_like_others() -> None:
    curated = pa.RecordBatch.from_pydict({"body": ["for c-666666"], "content_type": ["x"]})
    assert SEARCH.finds(curated)
    assert SEARCH.unreadable(curated) == 0

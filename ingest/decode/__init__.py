"""Payload bytes to typed Arrow columns, and a reason for every row that is not one.

Pure, and never raises on content. A row's verdict depends on that row alone, never on its neighbours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.decode.chunk import Plan, decode_chunk
from ingest.model.contract import Contract
from ingest.model.verdict import Decoded, joined

__all__ = ["CHUNK_BYTES", "CHUNK_ROWS", "decode"]

CHUNK_ROWS = 16_384
CHUNK_BYTES = 16 * 1024 * 1024
"""A chunk is what one thread reads at once; a body larger than this is a chunk of its own."""


def decode(raw: pa.Table, contract: Contract) -> Decoded:
    """Read the bodies of `raw` (n) as the contract's columns.

    `raw` needs `body`, `content_type` and `content_encoding` of `tables.RAW`. JSON in UTF-8 is what can be
    read: no content type, `application/json`, `text/json`, `application/*+json`, and
    `application/octet-stream`, which promises nothing; a charset parameter must say UTF-8.

    What a body must be: exactly one JSON object (RFC 8259, no byte order mark), each known field at most
    once; other fields are kept as they are written, in `_rescued`. Null, a missing field and an absent object are
    all null. Integers are written without point or exponent; numbers are finite; decimals are JSON numbers, not
    strings, as .NET writes them, and fit without rounding; see `times` for timestamps and dates.

    Returns:
        `rows` and `index` for what could be read, and `rejects` for the rest, both in the order of `raw`.
    """
    plan = Plan.of(contract)
    spans = list(_spans(raw))
    workers = min(os.cpu_count() or 1, len(spans))
    if workers <= 1:  # a thread that ends leaves its part of the memory pool behind
        return joined([decode_chunk(raw.slice(*span), span[0], plan) for span in spans], contract)
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        done = list(pool.map(lambda span: decode_chunk(raw.slice(*span), span[0], plan), spans))
    return joined(done, contract)


def _spans(raw: pa.Table) -> Iterator[tuple[int, int]]:
    """Start and length of each chunk: bounded in rows and bytes, and at least one row."""
    lengths = pc.fill_null(pc.binary_length(raw.column("body")), 0).to_numpy()
    ends = np.cumsum(lengths, dtype=np.int64)
    first, rows = 0, len(lengths)
    while first < rows:
        before = int(ends[first] - lengths[first])
        end = int(np.searchsorted(ends, before + CHUNK_BYTES, side="right"))
        end = min(max(end, first + 1), first + CHUNK_ROWS, rows)
        yield first, end - first
        first = end

"""Record batches as they come from a table, put together to what is worth working on at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

__all__ = ["gathered"]


def gathered(
    batches: Iterable[pa.RecordBatch], *, rows: int | None = None, size: int | None = None
) -> Iterator[pa.Table]:
    """Batches put together, up to `rows` and `size` (bytes) and at least one at a time; empty ones are left out."""
    waiting: list[pa.RecordBatch] = []
    waiting_rows = waiting_bytes = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        new_bytes = 0 if size is None else batch.nbytes
        too_many = rows is not None and waiting_rows + batch.num_rows > rows
        if waiting and (too_many or (size is not None and waiting_bytes + new_bytes > size)):
            yield pa.Table.from_batches(waiting)
            waiting, waiting_rows, waiting_bytes = [], 0, 0
        waiting.append(batch)
        waiting_rows, waiting_bytes = waiting_rows + batch.num_rows, waiting_bytes + new_bytes
    if waiting:
        yield pa.Table.from_batches(waiting)

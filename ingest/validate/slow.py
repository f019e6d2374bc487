"""Expectations that have no mask: Great Expectations says of every row whether it breaks them.

In slices, so that memory holds the values of some thousand rows as Python objects and not of a whole batch. A value on
which GX itself fails breaks the expectation: a batch must not stand still for one text that somebody sent.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import structlog

from ingest.errors import ContractError
from ingest.model.contract import Contract
from ingest.model.expectation import Expectation
from ingest.validate import great
from ingest.validate.frame import to_frame

__all__ = ["SLICE_ROWS", "row_by_row"]

SLICE_ROWS = 50_000

_FAILING_ROWS = 20
"""When GX fails on more rows of a batch than this, it is the expectation that is wrong."""

_log = structlog.get_logger(__name__)


def row_by_row(expectation: Expectation, rows: pa.Table, contract: Contract) -> tuple[npt.NDArray[np.bool_], int]:
    """Which rows (n) break the expectation, and how many it did not pass over as null.

    Raises:
        ContractError: GX does not accept the expectation, or fails on many rows.
    """
    begun = time.monotonic()
    broken, judged, failing = np.zeros(rows.num_rows, dtype=np.bool_), 0, 0
    waiting = [(start, min(SLICE_ROWS, rows.num_rows - start)) for start in range(0, rows.num_rows, SLICE_ROWS)]
    while waiting:
        start, size = waiting.pop()
        found = great.unexpected(to_frame(rows.slice(start, size), expectation.columns), expectation, contract.dataset)
        if found.error is None:
            broken[start + np.array(found.index, dtype=np.int64)] = True
            judged += found.judged
        elif size > 1:
            waiting += [(start, size // 2), (start + size // 2, size - size // 2)]
        else:
            broken[start], judged, failing = True, judged + 1, failing + 1
            if failing > _FAILING_ROWS:
                why = "" if contract.private.intersection(expectation.columns) else f": {found.error}"
                problem = f"schemas/{contract.dataset}/suite.json: {expectation} cannot be computed{why}"
                raise ContractError(problem, remedy="mend its kwargs, or remove it")
    _log.info(
        "judged by Great Expectations row by row, which is slow",
        dataset=contract.dataset,
        expectation=str(expectation),
        rows=rows.num_rows,
        failed_on=failing,
        seconds=round(time.monotonic() - begun, 2),
    )
    return broken, judged

"""The verdicts: what became of the rows of a batch. Why a row was rejected is a `reason.Reason`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

__all__ = ["Decoded", "Judged"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """`rows`: (k, `tables.decoded_schema`), typed. `index`: int64 (k), the batch row of each, ascending.

    `rejects`: `tables.REJECTS`, one row per batch row that is not in `index`. Together they are every
    row of the batch, each exactly once. `unknown`: how many rows have each field that the contract does not
    name, by path, the most frequent ones.
    """

    rows: pa.Table
    index: pa.Array
    rejects: pa.Table
    unknown: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """`valid`: boolean (k), true where a decoded row keeps every expectation without `mostly`.

    `rejects`: `tables.REJECTS` for the others, `index` counting decoded rows from 0. `report` is the
    validation result as plain JSON; `failed` names the expectations that failed on the whole (a
    `mostly` not reached, a table-level expectation) with how many rows broke each.
    """

    valid: pa.Array
    rejects: pa.Table
    report: Mapping[str, Any]
    failed: Mapping[str, int]

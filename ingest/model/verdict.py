"""The verdicts: why a row was rejected, and what became of the rows of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa

__all__ = ["Decoded", "Judged", "Reason"]


class Reason(StrEnum):
    """Why a row is in quarantine."""

    UNDECODABLE = "undecodable"  # no reader for this content type or encoding
    EMPTY = "empty"  # a body of no bytes, or white space only
    ENCODING = "encoding"  # not UTF-8
    MALFORMED = "malformed"  # not exactly one JSON object
    WRONG_TYPE = "wrong_type"  # a value does not fit its column
    NO_IDENTITY = "no_identity"  # no event id, and the contract does not identify by content
    REQUIRED = "required"  # a required value is missing or null
    EXPECTATION = "expectation"  # the suite's verdict


@dataclass(frozen=True, slots=True)
class Decoded:
    """`rows`: (k, contract's columns), typed. `index`: int64 (k), the batch row of each, ascending.

    `rejects`: `tables.REJECTS`, one row per batch row that is not in `index`. Together they are every
    row of the batch, each exactly once.
    """

    rows: pa.Table
    index: pa.Array
    rejects: pa.Table


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

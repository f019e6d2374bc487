"""The verdicts: what became of the rows of a batch. Why a row was rejected is a `reason.Reason`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.model.contract import Contract, LogicalType
from ingest.model.tables import REJECTS, decoded_schema

__all__ = ["UNKNOWN_LISTED", "Decoded", "Judged", "indexed", "joined"]

UNKNOWN_LISTED = 100
"""How many fields that the contract does not name are told by their path."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """`rows`: (k, `tables.decoded_schema`), typed. `index`: int64 (k), the batch row of each, in any order.

    `rejects`: `tables.REJECTS`, one row per batch row that is not in `index`. Together they are every
    row of the batch, each exactly once. `unknown`: how many rows have each field that the contract does not
    name, by path, the most frequent ones; `kinds` which JSON types those of the body itself have, where the contract
    lets them become columns.
    """

    rows: pa.Table
    index: pa.Array
    rejects: pa.Table
    unknown: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, frozenset[LogicalType]] = field(default_factory=dict)

    def shifted(self, first: int) -> Decoded:
        """The same, as a part of a batch in which its own rows begin at `first`."""
        if not first:
            return self
        rejects = indexed(self.rejects, pc.add(self.rejects["index"], first))
        return replace(self, index=pc.add(self.index, first), rejects=rejects)


def indexed(rejects: pa.Table, index: pa.Array | pa.ChunkedArray) -> pa.Table:
    """`rejects`, `tables.REJECTS`, of other rows of the batch."""
    return rejects.set_column(0, REJECTS.field(0), index)


def joined(parts: Sequence[Decoded], contract: Contract) -> Decoded:
    """Parts of one batch, which count its rows, put together in their order."""
    unknown: Counter[str] = Counter()
    kinds: dict[str, frozenset[LogicalType]] = {}
    for part in parts:
        unknown.update(part.unknown)
        for name, found in part.kinds.items():
            kinds[name] = kinds.get(name, frozenset()) | found
    return Decoded(
        rows=pa.concat_tables([decoded_schema(contract).empty_table(), *(part.rows for part in parts)]),
        index=pa.concat_arrays([pa.array([], pa.int64()), *(part.index for part in parts)]),
        rejects=pa.concat_tables([REJECTS.empty_table(), *(part.rejects for part in parts)]),
        unknown=dict((+unknown).most_common(UNKNOWN_LISTED)),
        kinds=kinds,
    )


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

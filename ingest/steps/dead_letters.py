"""Dead letters wait in quarantine, whatever they hold, until somebody has looked at them and replays.

`curate` puts all of them aside. `rebuild` leaves those aside that still wait there: one that was replayed is judged by
the contract, as the replay did.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ingest.model.contract import Contract
from ingest.model.dead_letter import HEADER, origin, told
from ingest.model.ports import Decode, Open
from ingest.model.reason import Reason
from ingest.model.tables import REJECTS, row_names
from ingest.model.verdict import Decoded, indexed

__all__ = ["PuttingAside", "Waiting", "as_origin", "waiting_in"]

Waiting = frozenset[str]
"""Rows by `tables.row_names`."""


def waiting_in(quarantine: Iterable[pa.RecordBatch]) -> Waiting:
    """The dead letters among these rows of quarantine."""
    found: set[str] = set()
    for rows in quarantine:
        dead = rows.filter(pc.equal(rows["reason"], str(Reason.DEAD_LETTERED)))
        found.update(row_names(dead).to_pylist())
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class PuttingAside:
    """A `Decode`, but dead letters are rejects: those that are `waiting`; null: all of them."""

    decode: Decode
    waiting: Callable[[], Waiting] | None = None

    @property
    def opened(self) -> Open:
        """How the payloads are taken out."""
        return self.decode.opened

    def __call__(self, raw: pa.Table, contract: Contract, /) -> Decoded:
        """The payload of each row as the contract's columns, or why it is none, or is not asked."""
        dead = pc.is_valid(_origins(raw))
        if self.waiting is not None and pc.any(dead).as_py():
            named = pa.array(sorted(self.waiting()), pa.string())
            dead = pc.and_(dead, pc.is_in(row_names(raw), value_set=named))
        if not pc.any(dead).as_py():
            return self.decode(raw, contract)
        alive = pc.invert(dead)
        found, places = self.decode(raw.filter(alive), contract), _places(alive)
        others = indexed(found.rejects, places.take(found.rejects["index"].combine_chunks()))
        rejects = pa.concat_tables([others, _refused(raw, dead)]).sort_by("index")
        return dataclasses.replace(found, index=places.take(found.index), rejects=rejects)


def as_origin(raw: pa.Table) -> pa.Table:
    """`raw` with the `source` that dead letters had before they died, as a copy that never died has it."""
    sources = pc.coalesce(_origins(raw), raw["source"].combine_chunks())
    place = raw.schema.get_field_index("source")
    return raw.set_column(place, raw.schema.field(place), sources)


def _origins(raw: pa.Table) -> pa.Array:
    """The source of each dead letter (n) before it died; null for every other row."""
    headers = raw["headers"].combine_chunks()
    marked = pc.fill_null(pc.match_substring(headers, HEADER), fill_value=False)
    nothing = pa.nulls(raw.num_rows, pa.string())
    if not pc.any(marked).as_py():
        return nothing
    given = zip(raw["source"].filter(marked).to_pylist(), headers.filter(marked).to_pylist(), strict=True)
    return pc.replace_with_mask(nothing, marked, pa.array([origin(*one) for one in given], pa.string()))


def _places(of: pa.Array) -> pa.Array:
    return pc.indices_nonzero(of).cast(pa.int64())


def _refused(raw: pa.Table, dead: pa.Array) -> pa.Table:
    index = _places(dead)
    nothing = pa.nulls(len(index), pa.string())
    columns = {
        "index": index,
        "reason": pa.repeat(str(Reason.DEAD_LETTERED), len(index)),
        "expectation": nothing,
        "column": nothing,
        "value": nothing,
        "detail": pa.array([told(headers) for headers in raw["headers"].filter(dead).to_pylist()], pa.string()),
    }
    return pa.table(columns, schema=REJECTS)

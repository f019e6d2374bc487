"""The events of many deliveries: a row each, and of a batch several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingest.envelope.batch import split
from ingest.envelope.columns import Manner, described, manners
from ingest.model.arrived import ARRIVED, Arrived
from ingest.model.contract import Contract
from ingest.model.delivery import Delivery
from ingest.model.tables import EVENTS

__all__ = ["PIECE_BYTES", "events"]

PIECE_BYTES = 16 * 1024 * 1024
_OWN = ("body", "content_type", "content_encoding", "message_id")
"""What an event of a batch does not have from its delivery, see `split`."""


def events(arrived: Arrived, contract: Contract) -> Iterator[pa.Table]:
    """`EVENTS` of the deliveries: what `split`, `identify` and `event_date` say of each of them.

    In their order, in pieces that end where a delivery ends: of what a batch is without its compression one piece holds
    little more than `PIECE_BYTES`.
    """
    rows = arrived.rows.combine_chunks()
    arrived = Arrived(rows, arrived.delivery)
    found = manners(rows)
    batches: list[_Event] = []
    begin, size = 0, 0
    for place in np.flatnonzero(found == Manner.BATCH).tolist():
        some = split(arrived.delivery(place))
        batches += [_Event(place, one) for one in some]
        size += sum(len(one.body) for one in some)
        if size >= PIECE_BYTES:
            yield _rows(_piece(arrived, found, begin, place + 1, batches), contract)
            begin, size, batches = place + 1, 0, []
    if begin == 0 and not batches:
        yield from [_rows((arrived, found), contract)] if len(rows) else []
    elif begin < len(rows):
        yield _rows(_piece(arrived, found, begin, len(rows), batches), contract)


class _Event(NamedTuple):
    """An event of a batch, and the place of the delivery that it came by."""

    place: int
    delivery: Delivery


Manners = npt.NDArray[np.int8]


def _piece(arrived: Arrived, found: Manners, begin: int, end: int, batches: list[_Event]) -> tuple[Arrived, Manners]:
    """The deliveries from `begin` to `end`, with the events of `batches` in their places; and how to read each."""
    singles = begin + np.flatnonzero(found[begin:end] != Manner.BATCH)
    places = np.concatenate([singles, np.array([one.place for one in batches], np.int64)])
    order = np.argsort(places, kind="stable")
    whole = arrived.rows.drop_columns(_OWN).take(pa.array(places[order]))
    own = {
        name: pa.concat_arrays(
            [
                arrived.rows[name].combine_chunks().take(pa.array(singles)),
                pa.array([getattr(one.delivery, name) for one in batches], ARRIVED.field(name).type),
            ]
        ).take(pa.array(order))
        for name in _OWN
    }
    rows = pa.table([own[name] if name in own else whole[name] for name in ARRIVED.names], schema=ARRIVED)

    def delivery(at: int) -> Delivery:
        number = int(order[at])
        if number < len(singles):
            return arrived.delivery(int(singles[number]))
        return batches[number - len(singles)].delivery

    return Arrived(rows.combine_chunks(), delivery), manners(rows)


def _rows(some: tuple[Arrived, Manners], contract: Contract) -> pa.Table:
    arrived, found = some
    columns = described(arrived, found, contract)
    return pa.table([columns[name] if name in columns else arrived.rows[name] for name in EVENTS.names], schema=EVENTS)

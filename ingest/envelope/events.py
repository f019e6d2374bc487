"""The events of many deliveries: by columns where no framework wrote them, one by one where one did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingest.envelope.batch import split
from ingest.envelope.event_date import BODY, body_moment, event_date
from ingest.envelope.identity import identify
from ingest.envelope.kinds import Kind, recognise
from ingest.envelope.payload import is_plain
from ingest.envelope.raw import LAST_MILLISECOND
from ingest.model.arrived import Arrived, Values
from ingest.model.contract import UNKNOWN_DATE, Contract
from ingest.model.delivery import Delivery
from ingest.model.tables import EVENTS, TIME

__all__ = ["PIECE_BYTES", "events"]

PIECE_BYTES = 16 * 1024 * 1024
_TRAITS = ("content_type", "content_encoding", "type", "header_names")
"""What tells of a delivery whether columns can be read."""


def events(arrived: Arrived, contract: Contract) -> Iterator[pa.Table]:
    """`EVENTS` of the deliveries: what `split`, `identify` and `event_date` say of each of them.

    In their order, in pieces that end where a delivery ends: of what a batch is without its compression one piece holds
    little more than `PIECE_BYTES`.
    """
    rows = arrived.rows.combine_chunks()
    raw = _are_raw(rows)
    begin, size = 0, 0
    found: list[_Event] = []
    for place in np.flatnonzero(~raw).tolist():
        some = split(arrived.delivery(place))
        found += [_Event(place, one) for one in some]
        size += sum(len(one.body) for one in some)
        if size >= PIECE_BYTES:
            yield _together(arrived, rows, begin + np.flatnonzero(raw[begin : place + 1]), found, contract)
            begin, size, found = place + 1, 0, []
    if begin < len(rows):
        yield _together(arrived, rows, begin + np.flatnonzero(raw[begin:]), found, contract)


class _Event(NamedTuple):
    """An event, and the place of the delivery that it came by."""

    place: int
    delivery: Delivery


def _together(
    arrived: Arrived, rows: pa.Table, places: npt.NDArray[np.int64], found: list[_Event], contract: Contract
) -> pa.Table:
    """Deliveries of the raw envelope, at `places`, and the events of the others, in the order in which they came."""
    if len(places) == len(rows):
        return _of_columns(Arrived(rows, arrived.delivery), contract)
    some = Arrived(rows.take(pa.array(places)), lambda at: arrived.delivery(int(places[at])))
    owners = np.array([one.place for one in found], np.int64)
    order = np.argsort(np.concatenate([places, owners]), kind="stable")
    others = _one_by_one([one.delivery for one in found], contract)
    return pa.concat_tables([_of_columns(some, contract), others]).combine_chunks().take(pa.array(order))


def _are_raw(rows: pa.Table) -> npt.NDArray[np.bool_]:
    """For each delivery (n): is it of the raw envelope, and its body the payload? Asked once for equal traits."""
    codes = np.zeros(len(rows), np.int64)
    for name in _TRAITS:
        encoded = rows[name].combine_chunks().dictionary_encode(null_encoding="encode")
        codes = codes * len(encoded.dictionary) + encoded.indices.to_numpy()
    _, firsts, which = np.unique(codes, return_index=True, return_inverse=True)
    kinds = rows.select(_TRAITS).take(pa.array(firsts)).to_pylist()
    return np.array([_is_raw(**one) for one in kinds], np.bool_)[which]


def _is_raw(content_type: str | None, content_encoding: str | None, type: str | None, header_names: str | None) -> bool:  # noqa: A002 - a column's name
    names = msgspec.json.decode(header_names or "[]", type=list[str])
    return recognise(content_type, names, type) is Kind.RAW and is_plain(content_type, content_encoding)


def _one_by_one(found: list[Delivery], contract: Contract) -> pa.Table:
    known = [(event, identify(event)) for event in found]
    rows = Values([event for event, _ in known]).arrived().rows
    columns = {
        "event_id": pa.array([who.id for _, who in known], pa.string()),
        "event_type": pa.array([who.type for _, who in known], pa.string()),
        "event_time": pa.array([who.time for _, who in known], TIME),
        "event_date": pa.array([event_date(event, who, contract) for event, who in known], pa.date32()),
    }
    return _with(rows, columns)


def _of_columns(arrived: Arrived, contract: Contract) -> pa.Table:
    """The same of deliveries of the raw envelope, see `raw.identify`."""
    rows = arrived.rows
    found = {name: rows[name].combine_chunks() for name in (*_TEXTS, "milliseconds", "timestamp", "body")}
    ids, types, keys = (pc.if_else(pc.equal(found[name], ""), None, found[name]) for name in _TEXTS)
    without = pc.is_null(ids).to_numpy(zero_copy_only=False)
    if without.any():
        own = [identify(arrived.delivery(place)).id for place in np.flatnonzero(without).tolist()]
        ids = pc.replace_with_mask(ids, pa.array(without), pa.array(own, pa.string()))
    number = found["milliseconds"]
    known = pc.and_(pc.greater_equal(number, 0), pc.less_equal(number, LAST_MILLISECOND))
    milliseconds = pc.multiply(pc.if_else(known, number, None), 1000).cast(TIME)
    times = pc.coalesce(milliseconds, found["timestamp"])
    columns = {
        "event_id": ids,
        "event_type": pc.coalesce(types, keys),
        "event_time": times,
        "event_date": _dates(times, found["body"], contract),
    }
    return _with(rows, columns)


_TEXTS = ("message_id", "type", "routing_key")


def _with(rows: pa.Table, columns: dict[str, pa.Array | pa.ChunkedArray]) -> pa.Table:
    return pa.table([columns[name] if name in columns else rows[name] for name in EVENTS.names], schema=EVENTS)


def _dates(times: pa.Array, bodies: pa.Array, contract: Contract) -> pa.Array:
    """What `event_date` says (n), from the envelope's times and the payloads."""
    moments = pa.nulls(len(times), TIME)
    for rule in contract.event_time:
        if not rule.startswith(BODY):
            moments = pc.coalesce(moments, times)
        elif moments.null_count:
            missing = pc.is_null(moments)
            path = rule.removeprefix(BODY)
            read = [body_moment(body.as_py(), path) for body in bodies.filter(missing)]
            moments = pc.replace_with_mask(moments, missing, pa.array(read, TIME))
    dates = pc.cast(moments, pa.date32())
    first, last = (pa.scalar(date) for date in (contract.first_date, contract.last_date))
    within = pc.and_(pc.greater_equal(dates, first), pc.less_equal(dates, last))
    return pc.if_else(pc.fill_null(within, fill_value=False), dates, pa.scalar(UNKNOWN_DATE))

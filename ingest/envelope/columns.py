"""Id, type, time and date of many events, without a value for each: what `identify` and `event_date` say of them.

What stands in AMQP's properties is a column already. An envelope that is a JSON body is read by its body alone. Where
headers or the raw rule have a word, or the body does not say all, the delivery is made and asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingest.envelope import cloudevents
from ingest.envelope.event_date import BODY, body_moment
from ingest.envelope.identity import identify, said
from ingest.envelope.kinds import Kind, recognise
from ingest.envelope.payload import is_plain, payload, payload_of
from ingest.envelope.raw import LAST_MILLISECOND, position_ids
from ingest.envelope.rebus import PREFIX
from ingest.model.arrived import Arrived
from ingest.model.contract import UNKNOWN_DATE, Contract
from ingest.model.tables import TIME

__all__ = ["Manner", "described", "manners"]

_TRAITS = ("content_type", "content_encoding", "type", "header_names")
"""What tells how a delivery can be read."""

_SAYS_MORE = re.compile(PREFIX, re.IGNORECASE)
"""In the headers: they may say of the body what AMQP's properties do not."""

_READ_ROWS = 4_096


class Manner(IntEnum):
    """How what there is to know of a delivery is found out."""

    PROPERTIES = 0  # the raw envelope, and the body is the payload
    CLOUDEVENT = 1
    MASSTRANSIT = 2
    DELIVERY = 3  # by the delivery as a value
    BATCH = 4


_BY_BODY = {Manner.CLOUDEVENT: Kind.CLOUDEVENTS, Manner.MASSTRANSIT: Kind.MASSTRANSIT}


def manners(rows: pa.Table) -> npt.NDArray[np.int8]:
    """The `Manner` of each row (n) of `ARRIVED`. Asked once for equal traits."""
    codes = np.zeros(len(rows), np.int64)
    for name in _TRAITS:
        encoded = rows[name].combine_chunks().dictionary_encode(null_encoding="encode")
        codes = codes * len(encoded.dictionary) + encoded.indices.to_numpy()
    _, firsts, which = np.unique(codes, return_index=True, return_inverse=True)
    kinds = rows.select(_TRAITS).take(pa.array(firsts)).to_pylist()
    return np.array([_manner(**one) for one in kinds], np.int8)[which]


def _manner(
    content_type: str | None,
    content_encoding: str | None,
    type: str | None,  # noqa: A002 - a column's name
    header_names: str | None,
) -> Manner:
    if cloudevents.is_batch(content_type):
        return Manner.BATCH
    names = msgspec.json.decode(header_names or "[]", type=list[str])
    kind = recognise(content_type, names, type)
    if kind is Kind.RAW and is_plain(content_type, content_encoding):
        return Manner.PROPERTIES
    return next((manner for manner, known in _BY_BODY.items() if kind is known), Manner.DELIVERY)


def described(arrived: Arrived, found: npt.NDArray[np.int8], contract: Contract) -> dict[str, pa.Array]:
    """Columns of `EVENTS` (n) that say what the events are; `found` is their `Manner` (n)."""
    ids, types, times = _of_properties(arrived, found)
    others = found != Manner.PROPERTIES
    if others.any():
        known = list(_known(arrived, found))
        mask = pa.array(others)
        ids = pc.replace_with_mask(ids, mask, pa.array([one for one, _, _ in known], pa.string()))
        types = pc.replace_with_mask(types, mask, pa.array([one for _, one, _ in known], pa.string()))
        times = pc.replace_with_mask(times, mask, pa.array([one for _, _, one in known], TIME))
    dates = _dates(arrived, found, times, contract)
    return {"event_id": ids, "event_type": types, "event_time": times, "event_date": dates}


def _of_properties(arrived: Arrived, found: npt.NDArray[np.int8]) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Ids, types and times (n) as the raw rule has them, see `raw.identify`; right where `Manner.PROPERTIES`."""
    rows = arrived.rows
    names = ("message_id", "type", "routing_key")
    ids, types, keys = (pc.if_else(pc.equal(one, ""), None, one) for one in (_whole(rows, name) for name in names))
    ids = pc.coalesce(ids, position_ids(_whole(rows, "source"), _whole(rows, "position")))
    without = pc.is_null(ids).to_numpy(zero_copy_only=False) & (found == Manner.PROPERTIES)
    if without.any():
        own = [identify(arrived.delivery(place)).id for place in np.flatnonzero(without).tolist()]
        ids = pc.replace_with_mask(ids, pa.array(without), pa.array(own, pa.string()))
    number = _whole(rows, "milliseconds")
    readable = pc.and_(pc.greater_equal(number, 0), pc.less_equal(number, LAST_MILLISECOND))
    milliseconds = pc.multiply(pc.if_else(readable, number, None), 1000).cast(TIME)
    return ids, pc.coalesce(types, keys), pc.coalesce(milliseconds, _whole(rows, "timestamp"))


def _known(arrived: Arrived, found: npt.NDArray[np.int8]) -> Iterator[tuple[object, object, object]]:
    """Id, type and time of each event but those of `Manner.PROPERTIES`."""
    places = np.flatnonzero(found != Manner.PROPERTIES)
    for place, manner, *one in _each(arrived, found, places, ("content_type", "content_encoding", "body")):
        kind = _BY_BODY.get(manner)
        told = (None, None, None) if kind is None else said(kind, *one)
        yield identify(arrived.delivery(place)) if None in told else told


def _dates(arrived: Arrived, found: npt.NDArray[np.int8], times: pa.Array, contract: Contract) -> pa.Array:
    """What `event_date` says (n), from the envelope's times and the payloads."""
    moments = pa.nulls(len(times), TIME)
    for rule in contract.event_time:
        if not rule.startswith(BODY):
            moments = pc.coalesce(moments, times)
        elif moments.null_count:
            missing = pc.is_null(moments)
            path = rule.removeprefix(BODY)
            read = [body_moment(one, path) for one in _payloads(arrived, found, missing)]
            moments = pc.replace_with_mask(moments, missing, pa.array(read, TIME))
    dates = pc.cast(moments, pa.date32())
    first, last = (pa.scalar(date) for date in (contract.first_date, contract.last_date))
    within = pc.and_(pc.greater_equal(dates, first), pc.less_equal(dates, last))
    return pc.if_else(pc.fill_null(within, fill_value=False), dates, pa.scalar(UNKNOWN_DATE))


def _payloads(arrived: Arrived, found: npt.NDArray[np.int8], wanted: pa.Array) -> Iterator[bytes]:
    """The payloads where `wanted`."""
    places = np.flatnonzero(wanted.to_numpy(zero_copy_only=False))
    names = ("body", "content_type", "content_encoding", "headers")
    for place, manner, body, kind, encoding, headers in _each(arrived, found, places, names):
        if manner == Manner.PROPERTIES:
            yield body
        elif manner not in _BY_BODY or (headers is not None and _SAYS_MORE.search(headers)):
            yield payload_of(arrived.delivery(place)).body
        else:
            yield payload(body, kind, encoding, {}).body


def _each(
    arrived: Arrived, found: npt.NDArray[np.int8], places: npt.NDArray[np.intp], names: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Place, manner, and the values of the columns `names`, of the rows at `places`."""
    for start in range(0, len(places), _READ_ROWS):
        some = places[start : start + _READ_ROWS]
        rows = arrived.rows.select(names).take(pa.array(some))
        yield from zip(some.tolist(), found[some].tolist(), *(rows[name].to_pylist() for name in names), strict=True)


def _whole(rows: pa.Table, name: str) -> pa.Array:
    return rows[name].combine_chunks()

"""A batch of raw, decoded piece by piece while it is read: bodies are held for the rows that may be rejected only."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingest.errors import AccountBroken
from ingest.model.contract import Contract
from ingest.model.ports import Decode, Validator
from ingest.model.tables import RAW, REJECTS, RESCUED, decoded_schema
from ingest.model.verdict import Decoded, merged
from ingest.steps.identity import has_identity

__all__ = ["Read", "read_batch"]

_WITH_PAYLOAD = ("body", "headers")


@dataclass(frozen=True, slots=True)
class Read:
    """`raw` (n): `tables.RAW` in (`window`, `row`) order; of rows that are not `held` (n) without body and headers.

    `decoded` is of `raw`.
    """

    raw: pa.Table
    decoded: Decoded
    held: pa.Array

    def holds(self, rejects: pa.Table) -> None:
        """Raise unless the bodies of all `rejects` are here: quarantine without them would be a loss."""
        if pc.all(self.held.take(rejects["index"].combine_chunks())).as_py() is False:
            raise AccountBroken(
                "a row was rejected whose body was not held",
                remedy="nothing was published; this is a defect of Lakepost: keep the lake and report it",
            )


@dataclass(frozen=True, slots=True)
class _Part:
    raw: pa.Table
    decoded: Decoded
    held: npt.NDArray[np.bool_]


def read_batch(pieces: Iterable[pa.Table], contract: Contract, decode: Decode, validator: Validator) -> Read:
    """Decode each of `pieces` (`tables.RAW`) in a thread while the next ones are read.

    Memory holds the decoded rows of all, and of raw a few pieces, and the bodies of rows that are not plainly valid.
    """

    def part(raw: pa.Table) -> _Part:
        decoded = decode(raw, contract)
        held = _doubtful(raw, decoded, contract, validator)
        return _Part(_without_payload(raw, held), decoded, held)

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        return _together(list(_in_turn(pool, part, pieces, ahead=workers + 1)), contract)


def _in_turn(
    pool: ThreadPoolExecutor, work: Callable[[pa.Table], _Part], pieces: Iterable[pa.Table], *, ahead: int
) -> Iterator[_Part]:
    """`work` of each piece, in order; no more than `ahead` pieces wait or are under way."""
    waiting: deque[Future[_Part]] = deque()
    for piece in pieces:
        waiting.append(pool.submit(work, piece))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _doubtful(raw: pa.Table, decoded: Decoded, contract: Contract, validator: Validator) -> npt.NDArray[np.bool_]:
    """Which rows (n) of a piece may be rejected: all that are."""
    index = decoded.index.to_numpy()
    plain = pc.invert(validator.doubtful(decoded.rows, contract))
    plain = pc.and_(plain, has_identity(raw["event_id"].take(decoded.index), contract))
    if contract.unknown_fields.refuses:
        plain = pc.and_(plain, pc.is_null(decoded.rows[RESCUED]))
    held = np.ones(raw.num_rows, dtype=np.bool_)
    held[index] = ~plain.to_numpy(zero_copy_only=False)
    return held


def _without_payload(raw: pa.Table, held: npt.NDArray[np.bool_]) -> pa.Table:
    keep = pa.array(held)
    for name, nothing in zip(_WITH_PAYLOAD, (b"", None), strict=True):
        field = RAW.field(name)
        values = pc.if_else(keep, raw[name], pa.scalar(nothing, field.type))
        raw = raw.set_column(RAW.get_field_index(name), field, values)
    return raw


def _together(parts: list[_Part], contract: Contract) -> Read:
    starts = np.cumsum([0, *(part.raw.num_rows for part in parts)])
    raw = pa.concat_tables([RAW.empty_table(), *(part.raw for part in parts)]).combine_chunks()
    rows = pa.concat_tables([decoded_schema(contract).empty_table(), *(part.decoded.rows for part in parts)])
    placed = list(zip(parts, starts.tolist(), strict=False))
    rejects = pa.concat_tables([REJECTS.empty_table(), *(_shifted(part.decoded.rejects, at) for part, at in placed)])
    index = np.concatenate([np.zeros(0, np.int64), *(part.decoded.index.to_numpy() + at for part, at in placed)])
    held = np.concatenate([np.zeros(0, np.bool_), *(part.held for part in parts)])
    unknown: Counter[str] = Counter()
    for part in parts:
        unknown.update(part.decoded.unknown)
    order = _order(raw)
    if order is not None:
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        raw, held, index = raw.take(pa.array(order)), held[order], place[index]
        rejects = rejects.set_column(0, REJECTS.field(0), pa.array(place[rejects["index"].to_numpy()])).sort_by("index")
        ascending = np.argsort(index, kind="stable")
        rows, index = rows.combine_chunks().take(pa.array(ascending)), index[ascending]
    kinds = merged(part.decoded.kinds for part in parts)
    return Read(raw, Decoded(rows, pa.array(index), rejects, dict(unknown), kinds), pa.array(held))


def _shifted(rejects: pa.Table, by: int) -> pa.Table:
    return rejects.set_column(0, REJECTS.field(0), pc.add(rejects["index"], by))


def _order(rows: pa.Table) -> npt.NDArray[np.int64] | None:
    """The (`window`, `row`) order of the rows; null when they stand in it. Windows are few: their ranks are sorted."""
    windows = rows["window"].combine_chunks().dictionary_encode()
    ranks = np.argsort(np.argsort(np.array(windows.dictionary.cast(pa.binary()).to_pylist(), dtype=object)))
    keys = (ranks[windows.indices.to_numpy()].astype(np.int64) << 32) + rows["row"].to_numpy()
    return None if (keys[1:] >= keys[:-1]).all() else np.argsort(keys, kind="stable")

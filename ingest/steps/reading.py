"""A batch of raw, decoded piece by piece while it is read: bodies are held for the rows that may be rejected only."""

from __future__ import annotations

import os
from collections import deque
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
from ingest.model.tables import RAW, RESCUED
from ingest.model.verdict import Decoded, joined
from ingest.steps.changes import TOLD, are_deletes, told
from ingest.steps.identity import has_identity

__all__ = ["Read", "read_batch"]

_WITH_PAYLOAD = ("body", "headers")


@dataclass(frozen=True, slots=True)
class Read:
    """`raw` (n): `tables.RAW` as it was read; of rows that are not `held` (n) without body and headers.

    `decoded` is of `raw`. `places` (n): distinct numbers that ascend with (`window`, `row`). Of a container `raw` is
    `changes.TOLD`: what headers said of changes is taken out before.
    """

    raw: pa.Table
    decoded: Decoded
    held: pa.Array
    places: pa.Array

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
        return _Part(_without_payload(told(raw, contract), held), decoded, held)

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
    plain = pc.or_(plain, are_deletes(raw, contract).take(decoded.index))
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
    """The parts as one batch, one after another: nothing is copied."""
    starts = np.cumsum([0, *(part.raw.num_rows for part in parts)])
    decoded = joined([part.decoded.shifted(at) for part, at in zip(parts, starts.tolist(), strict=False)], contract)
    raw = pa.concat_tables([(TOLD if contract.keeps_history else RAW).empty_table(), *(part.raw for part in parts)])
    held = np.concatenate([np.zeros(0, np.bool_), *(part.held for part in parts)])
    return Read(raw, decoded, pa.array(held), pa.array(_places(raw)))


def _places(rows: pa.Table) -> npt.NDArray[np.int64]:
    """Numbers (n) that ascend with (`window`, `row`). Windows are few: their ranks are sorted."""
    windows = rows["window"].combine_chunks().dictionary_encode()
    ranks = np.argsort(np.argsort(np.array(windows.dictionary.cast(pa.binary()).to_pylist(), dtype=object)))
    places: npt.NDArray[np.int64] = (ranks[windows.indices.to_numpy()].astype(np.int64) << 32) + rows["row"].to_numpy()
    return places

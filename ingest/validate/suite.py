"""The validator: rows to verdicts by mask, and to a report by Great Expectations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ingest.errors import ContractError
from ingest.model.contract import Contract
from ingest.model.expectation import Expectation
from ingest.model.ports import Batch
from ingest.model.reason import Reason
from ingest.model.supported import BY_GX, ROW_LEVEL, TABLE_LEVEL
from ingest.model.tables import REJECTS
from ingest.model.verdict import Judged
from ingest.validate import great
from ingest.validate.frame import to_frame
from ingest.validate.mask import considered, members, unexpected
from ingest.validate.page import page
from ingest.validate.slow import row_by_row
from ingest.validate.wording import rule

__all__ = ["EVALUATED_ROWS", "Suite"]

EVALUATED_ROWS = 250_000
"""Great Expectations judges at most this many rows of a batch; the masks judge all of them."""

_HIDDEN = "(not shown: the column is private)"
_SEED = 20260101
_TEXT_LIMIT = 200
_EXAMPLES, _LOOKED_AT = 20, 1_000
_NOT_NULL = "expect_column_values_to_not_be_null"
_ROW_COUNT = "expect_table_row_count_to_be_between"


@dataclass(frozen=True, slots=True)
class _Mask:
    """An expectation, the rows (n) that break it, and how many it did not pass over as null, where GX judged."""

    expectation: Expectation
    broken: npt.NDArray[np.bool_]
    judged: int | None = None


class Suite:
    """Judges rows by a contract's expectations, those that follow from its columns first."""

    def prepare(self) -> None:
        """Import Great Expectations, which takes seconds; may be called beside the others, from any thread."""
        great.version()

    def rows(self, rows: pa.Table, contract: Contract) -> Judged:
        """A verdict for each decoded row (k), and GX's report over them, or over a sample of them.

        The first broken expectation without `mostly` rejects a row. One with `mostly` rejects no row: when
        its share is not reached, `failed` names it.

        Raises:
            ContractError: for an expectation that has no mask, or that GX does not accept.
        """
        masks = [_mask(e, rows, contract) for e in contract.expectations if e.type not in TABLE_LEVEL]
        strict = [mask for mask in masks if mask.expectation.mostly >= 1.0]
        lenient = [mask for mask in masks if mask.expectation.mostly < 1.0]
        first, broken = _first(strict, rows.num_rows)
        failed = {str(m.expectation): int(m.broken.sum()) for m in lenient if not _reached(m, rows)}
        return Judged(
            valid=pa.array(first < 0),
            rejects=_rejects(rows, strict, first, broken),
            report=_report(rows, masks, contract),
            failed=failed,
        )

    def doubtful(self, rows: pa.Table, contract: Contract) -> pa.Array:
        """True (k) for each row that breaks an expectation without `mostly`; for all where one has no mask."""
        strict = [e for e in contract.expectations if e.type not in TABLE_LEVEL and e.mostly >= 1.0]
        if not all(e.type in ROW_LEVEL for e in strict):
            return pa.repeat(pa.scalar(value=True), rows.num_rows)
        broken = np.zeros(rows.num_rows, dtype=np.bool_)
        for expectation in strict:
            broken |= _mask(expectation, rows, contract).broken
        return pa.array(broken)

    def page(self, report: Mapping[str, Any], contract: Contract, batch: Batch) -> str:
        """The report of a batch as HTML."""
        return page(report, contract, batch)

    def whole(self, rows: pa.Table, contract: Contract) -> Mapping[str, int]:
        """The table-level expectations that these rows break as a whole: name → 0.

        No rows break only expectations about how many there are.

        Raises:
            ContractError: for an expectation that GX does not accept or cannot compute.
        """
        expectations = [e for e in contract.expectations if e.type in TABLE_LEVEL]
        if not rows.num_rows:
            return {str(e): 0 for e in expectations if e.type == _ROW_COUNT and _above_zero(e)}
        if not expectations:
            return {}
        names = list(dict.fromkeys(e.column for e in expectations if e.column is not None))
        frame = to_frame(rows, names or rows.column_names[:1])
        outcomes = great.judge(frame, expectations, contract.dataset)
        for expectation, outcome in zip(expectations, outcomes, strict=True):
            if outcome.error is not None:
                why = _shown(outcome.error, expectation, contract)
                problem = f"schemas/{contract.dataset}/suite.json: {expectation} cannot be computed: {why}"
                raise ContractError(problem, remedy="remove the expectation, or give it a column of numbers")
        return {str(e): 0 for e, outcome in zip(expectations, outcomes, strict=True) if not outcome.success}


def _above_zero(expectation: Expectation) -> bool:
    """Does a row count need rows at all?"""
    low = expectation.kwargs.get("min_value") or 0
    high = expectation.kwargs.get("max_value")
    at_zero = bool(expectation.kwargs.get("strict_min")) and "min_value" in expectation.kwargs
    return low > 0 or (low == 0 and at_zero) or (high == 0 and bool(expectation.kwargs.get("strict_max")))


def _mask(expectation: Expectation, rows: pa.Table, contract: Contract) -> _Mask:
    where = f"schemas/{contract.dataset}/suite.json: {expectation}"
    if expectation.type in BY_GX:
        return _Mask(expectation, *row_by_row(expectation, rows, contract))
    if expectation.type not in ROW_LEVEL:
        raise ContractError(f"{where} is not supported", remedy=f"use one of {', '.join(sorted(ROW_LEVEL | BY_GX))}")
    try:
        return _Mask(expectation, unexpected(expectation, rows).to_numpy(zero_copy_only=False))
    except (KeyError, pa.ArrowException, re.error, TypeError, ValueError) as error:
        why = _shown(str(error), expectation, contract)
        hidden = None if why is _HIDDEN else error  # a chained error would show it all the same
        raise ContractError(f"{where} cannot judge these columns: {why}", remedy="mend its kwargs") from hidden


def _first(strict: Sequence[_Mask], size: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """For each row (n): the first of the expectations that it breaks, or -1; and how many it breaks."""
    first, broken = np.full(size, -1, dtype=np.int32), np.zeros(size, dtype=np.int32)
    for position, mask in enumerate(strict):
        first[mask.broken & (first < 0)] = position
        broken += mask.broken
    return first, broken


def _reached(mask: _Mask, rows: pa.Table) -> bool:
    judged = considered(mask.expectation, rows) if mask.judged is None else mask.judged
    return judged == 0 or (judged - int(mask.broken.sum())) / judged >= mask.expectation.mostly


def _rejects(
    rows: pa.Table, strict: Sequence[_Mask], first: npt.NDArray[np.int32], broken: npt.NDArray[np.int32]
) -> pa.Table:
    parts = [REJECTS.empty_table()]
    for position, mask in enumerate(strict):
        index = np.flatnonzero(first == position)
        if len(index):
            parts.append(_rejected(rows, mask.expectation, index, broken[index] - 1))
    return pa.concat_tables(parts).sort_by("index")


def _rejected(
    rows: pa.Table, expectation: Expectation, index: npt.NDArray[np.int64], further: npt.NDArray[np.int32]
) -> pa.Table:
    """Rejects for the rows that this expectation was the first to reject."""
    required = expectation.derived and expectation.type == _NOT_NULL
    names = expectation.columns
    texts = [_text(rows.column(name).take(pa.array(index))) for name in names]
    value = texts[0]
    if len(texts) > 1:
        value = pc.binary_join_element_wise(*(pc.fill_null(text, "null") for text in texts), ", ")
    sentence = rule(expectation)
    return pa.table(
        {
            "index": pa.array(index, pa.int64()),
            "reason": [(Reason.REQUIRED if required else Reason.EXPECTATION).value] * len(index),
            "expectation": [expectation.type] * len(index),
            "column": [names[0]] * len(index),
            "value": pc.utf8_slice_codeunits(value, 0, _TEXT_LIMIT),
            "detail": [f"{sentence}{_and_more(more)}." for more in further.tolist()],
        },
        schema=REJECTS,
    )


def _and_more(further: int) -> str:
    if not further:
        return ""
    return f"; {further} further expectation{'s are' if further > 1 else ' is'} broken"


def _text(values: pa.ChunkedArray) -> pa.Array:
    array = values.combine_chunks()
    if pa.types.is_nested(array.type):
        return pa.array(
            [None if value is None else str(value)[:_TEXT_LIMIT] for value in array.to_pylist()], pa.string()
        )
    return pc.cast(array, pa.string())


def _report(rows: pa.Table, masks: Sequence[_Mask], contract: Contract) -> dict[str, Any]:
    """GX's verdict on the same rows as plain JSON, beside what the masks say of them."""
    evaluated = min(rows.num_rows, EVALUATED_ROWS)
    report: dict[str, Any] = {"rows": rows.num_rows, "evaluated": evaluated, "sampled": evaluated < rows.num_rows}
    report |= {"gx_version": None, "agrees": True, "success": True, "expectations": []}
    if not evaluated or not masks:
        return report
    whole = [_broken(mask, rows, contract) for mask in masks]
    if report["sampled"]:
        chosen = np.sort(np.random.default_rng(_SEED).choice(rows.num_rows, evaluated, replace=False))
        rows, masks = rows.take(pa.array(chosen)), [replace(mask, broken=mask.broken[chosen]) for mask in masks]
    outcomes = iter(_outcomes(rows, [mask.expectation for mask in masks if mask.judged is None], contract))
    report["expectations"] = entries = [
        (
            _entry(mask, next(outcomes), contract)
            if mask.judged is None
            else _entry_of_gx(mask, told["broken"], report, contract)
        )
        | told
        for mask, told in zip(masks, whole, strict=True)
    ]
    report["gx_version"] = great.version()
    report["agrees"] = all(entry["mask_unexpected"] in {None, entry["unexpected_count"]} for entry in entries)
    report["success"] = all(entry["success"] for entry in entries)
    return report


def _broken(mask: _Mask, rows: pa.Table, contract: Contract) -> dict[str, Any]:
    """How many of all rows break the expectation, and some of their values as text; null where they are not shown.

    Reports are kept as long as the lake: no value of a column that the contract classifies goes into one.
    """
    index, names = np.flatnonzero(mask.broken), list(mask.expectation.columns)
    if contract.private.intersection(names):
        return {"broken": len(index), "examples": None}
    some = rows.select(names).take(pa.array(index[:_LOOKED_AT]))
    texts = [pc.utf8_slice_codeunits(pc.fill_null(_text(column), "null"), 0, _TEXT_LIMIT) for column in some.columns]
    found = pc.binary_join_element_wise(*texts, ", ").unique().to_pylist()
    return {"broken": len(index), "examples": found[:_EXAMPLES]}


def _outcomes(rows: pa.Table, expectations: Sequence[Expectation], contract: Contract) -> list[great.Outcome]:
    """What GX says of the same rows as a whole, for each expectation."""
    if not expectations:
        return []
    frame = to_frame(rows, dict.fromkeys(name for expectation in expectations for name in expectation.columns))
    return great.judge(frame, [_for_gx(expectation, rows, frame) for expectation in expectations], contract.dataset)


def _shown(error: str | None, expectation: Expectation, contract: Contract) -> str | None:
    """An error's text, unless it may quote a value of a private column."""
    private = contract.private.intersection(expectation.columns)
    return _HIDDEN if error is not None and private else error


def _for_gx(expectation: Expectation, rows: pa.Table, frame: pd.DataFrame) -> Expectation:
    """The expectation with its value set as values of the frame's column: pandas compares sets by type."""
    if "value_set" not in expectation.kwargs:
        return expectation
    name = str(expectation.column)
    values = members(expectation.kwargs["value_set"], rows.schema.field(name).type)
    if frame[name].dtype.kind == "f":
        values = [float(value) for value in values]
    return replace(expectation, kwargs={**expectation.kwargs, "value_set": values})


def _entry(mask: _Mask, outcome: great.Outcome, contract: Contract) -> dict[str, Any]:
    expectation = mask.expectation
    return {
        "type": expectation.type,
        "column": expectation.column,
        "kwargs": dict(expectation.kwargs),
        "derived": expectation.derived,
        "success": outcome.success,
        "element_count": outcome.element_count,
        "unexpected_count": outcome.unexpected_count,
        "mask_unexpected": int(mask.broken.sum()),
        "error": _shown(outcome.error, expectation, contract),
        "judged_by": "mask",
    }


def _entry_of_gx(mask: _Mask, broken: int, report: Mapping[str, Any], contract: Contract) -> dict[str, Any]:
    """Where GX gave each row its verdict, it is not asked again: the counts are of all rows, also beside a sample."""
    judged = mask.judged or 0
    success = judged == 0 or (judged - broken) / judged >= mask.expectation.mostly
    outcome = great.Outcome(success, report["rows"], broken, None, None)
    return _entry(mask, outcome, contract) | {"mask_unexpected": None, "judged_by": "great_expectations"}

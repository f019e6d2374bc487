"""The one place that speaks to Great Expectations: in memory, silent, without network, imported when needed."""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from ingest.errors import ContractError
from ingest.model.expectation import Expectation
from ingest.validate.silence import silence

__all__ = ["Broken", "Outcome", "judge", "sections", "unexpected", "version"]

_SUMMARY = {"result_format": "BASIC", "partial_unexpected_count": 0}
_ROWS = {"result_format": "COMPLETE", "include_unexpected_rows": False}
_PLACE = "place"
_LOADING = threading.Lock()
_REMEDY = "mend the entry in schemas/{dataset}/suite.json, or the column's rules in contract.odcs.yaml"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What GX says of one expectation. `unexpected_count` is null for table-level ones.

    `error` is GX's message where it could not compute a verdict for these values.
    """

    success: bool
    element_count: int | None
    unexpected_count: int | None
    observed: Any
    error: str | None


@dataclass(frozen=True, slots=True)
class Broken:
    """Which rows of a frame (by position) break an expectation, and how many it did not pass over as null.

    `error` is GX's message where it could not compute that for these values.
    """

    index: Sequence[int]
    judged: int
    error: str | None


def judge(frame: pd.DataFrame, expectations: Sequence[Expectation], dataset: str) -> list[Outcome]:
    """GX's outcome for each expectation over the frame, in their order.

    Raises:
        ContractError: when GX does not accept an expectation, drops one, or fails as a whole.
    """
    return [_outcome(result) for result in _validated(frame, expectations, dataset, _SUMMARY)]


def unexpected(frame: pd.DataFrame, expectation: Expectation, dataset: str) -> Broken:
    """The rows of the frame that break a row-level expectation, as GX finds them one by one.

    Raises:
        ContractError: when GX does not accept the expectation, drops it, or fails as a whole.
    """
    (result,) = _validated(frame, [expectation], dataset, _ROWS)
    found, error = result.result or {}, _outcome(result).error
    if error is None and "unexpected_index_list" not in found:
        error = "no list of rows"
    judged = (found.get("element_count") or 0) - (found.get("missing_count") or 0)
    return Broken(found.get("unexpected_index_list") or [], judged, error)


def _validated(
    frame: pd.DataFrame, expectations: Sequence[Expectation], dataset: str, result_format: dict[str, Any]
) -> list[Any]:
    """GX's own results, in the order of the expectations."""
    gx = _library()
    with _quiet():
        loaded = [_load(gx, expectation, at, dataset) for at, expectation in enumerate(expectations)]
        try:
            suite = gx.Suite(name=dataset, expectations=loaded)
            _check_all_there(suite, expectations, dataset)
            # Not by a batch of its own: GX would take the frame's fingerprint twice.
            validator = gx.Validator(gx.batches(), result_format, {"dataframe": frame})
            results = validator.validate_expectation_suite(suite).results
        except gx.errors as error:
            problem = f"schemas/{dataset}/suite.json: Great Expectations failed: {error}"
            raise ContractError(problem, remedy=_REMEDY.format(dataset=dataset)) from error
    return _in_order(results, len(expectations), dataset)


def version() -> str:
    """The version of Great Expectations that judges."""
    return str(_library().version)


def sections(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """GX's Data Docs section, HTML, of each column of a report's entries, in their order; one for all pairs.

    Texts among `examples` are taken for HTML.
    """
    gx = _library()
    with _quiet():
        by_column: dict[str | None, list[Any]] = {}
        for entry in entries:
            by_column.setdefault(entry["column"], []).append(_rendered(gx, entry))
        return [gx.section(results) for results in by_column.values()]


def _rendered(gx: SimpleNamespace, entry: Mapping[str, Any]) -> Any:
    """What GX's renderer reads of a result."""
    total, unexpected = entry["element_count"] or 0, entry["unexpected_count"] or 0
    share = 100 * unexpected / total if total else 0.0
    names = ("unexpected_percent", "unexpected_percent_total", "unexpected_percent_nonmissing")
    result = {"element_count": total, "unexpected_count": unexpected, **dict.fromkeys(names, share)}
    raised = {"raised_exception": bool(entry["error"]), "exception_message": entry["error"], "exception_traceback": ""}
    return gx.Result(
        success=entry["success"],
        expectation_config=gx.Configuration(type=entry["type"], kwargs=dict(entry["kwargs"])),
        result={} if entry["error"] else result | {"partial_unexpected_list": entry["examples"]},
        exception_info=raised,
    )


def _load(gx: SimpleNamespace, expectation: Expectation, at: int, dataset: str) -> Any:
    """GX's own expectation, with its place in the suite written down: the results come grouped by column."""
    try:
        return gx.Configuration(
            type=expectation.type, kwargs=dict(expectation.kwargs), meta={_PLACE: at}
        ).to_domain_obj()
    except gx.errors as error:
        problem = f"schemas/{dataset}/suite.json: Great Expectations refuses {expectation}: {error}"
        raise ContractError(problem, remedy=_REMEDY.format(dataset=dataset)) from error


def _check_all_there(suite: Any, expectations: Sequence[Expectation], dataset: str) -> None:
    """GX logs and drops what it does not know, and goes on with the rest."""
    given, there = [e.type for e in expectations], [e.expectation_type for e in suite.expectations]
    if given != there:
        lost = sorted(set(given) - set(there)) or ["(some are there twice)"]
        problem = f"schemas/{dataset}/suite.json: Great Expectations dropped {', '.join(lost)}"
        raise ContractError(problem, remedy=_REMEDY.format(dataset=dataset))


def _in_order(results: Sequence[Any], size: int, dataset: str) -> list[Any]:
    by_place = {result.expectation_config.meta.get(_PLACE): result for result in results}
    if len(results) != size or by_place.keys() != set(range(size)):
        problem = (
            f"schemas/{dataset}/suite.json: Great Expectations gave {len(results)} results for {size} expectations"
        )
        raise ContractError(problem, remedy=_REMEDY.format(dataset=dataset))
    return [by_place[at] for at in range(size)]


def _outcome(result: Any) -> Outcome:
    info, found = result.exception_info or {}, result.result or {}
    raised = [info] if "raised_exception" in info else [part for part in info.values() if isinstance(part, dict)]
    messages = [str(part.get("exception_message")) for part in raised if part.get("raised_exception")]
    observed: Any = found.get("observed_value")
    observed = observed.item() if isinstance(observed, np.generic) else observed
    if isinstance(observed, float) and not math.isfinite(observed):
        observed = None
    return Outcome(
        success=bool(result.success),
        element_count=_count(found.get("element_count")),
        unexpected_count=_count(found.get("unexpected_count")),
        observed=observed,
        error=messages[0].splitlines()[0][:200] if messages else None,
    )


def _count(value: Any) -> int | None:
    return None if value is None else int(value)


def _library() -> SimpleNamespace:
    """What is used of GX. Importing it takes seconds: once, by whoever comes first."""
    with _LOADING:
        return _loaded()


@functools.cache
def _loaded() -> SimpleNamespace:
    """The garbage collector has nothing to do with what an import makes: not while it is made, and never after."""
    collects = gc.isenabled()
    gc.disable()
    try:
        with _quiet():
            return _imported()
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def _imported() -> SimpleNamespace:
    """The context lives in memory and sends nothing."""
    import great_expectations  # noqa: PLC0415 - seconds, and not every command needs it
    from great_expectations.core import ExpectationValidationResult  # noqa: PLC0415
    from great_expectations.data_context.types.base import (  # noqa: PLC0415
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from great_expectations.exceptions.exceptions import GreatExpectationsError  # noqa: PLC0415
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration  # noqa: PLC0415
    from great_expectations.render.renderer.column_section_renderer import (  # noqa: PLC0415
        ValidationResultsColumnSectionRenderer,
    )
    from great_expectations.render.view.view import DefaultJinjaSectionView  # noqa: PLC0415
    from great_expectations.validator.v1_validator import Validator  # noqa: PLC0415

    def batches() -> Any:
        config = DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False),
        )
        context = great_expectations.get_context(mode="ephemeral", project_config=config)
        asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
        return asset.add_batch_definition_whole_dataframe("rows")

    view: Any = DefaultJinjaSectionView()
    renderer: Any = ValidationResultsColumnSectionRenderer()

    def section(results: list[Any]) -> str:
        return str(view.render({"section": renderer.render(results).to_json_dict(), "section_loop": {"index": 1}}))

    return SimpleNamespace(
        version=great_expectations.__version__,
        Configuration=ExpectationConfiguration,
        Suite=great_expectations.ExpectationSuite,
        Validator=Validator,
        Result=ExpectationValidationResult,
        section=section,
        batches=batches,
        errors=(GreatExpectationsError, ValueError, TypeError, KeyError, AttributeError),
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """GX warns about itself and logs what it also returns: neither is for the user of this package."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with silence():
            yield
    finally:
        logger.setLevel(level)

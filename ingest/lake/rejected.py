"""Quarantine as a person looks at it: in groups, and row by row. Reads in batches; memory holds what is shown."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ingest.lake.replaying import Tables, settled, standing
from ingest.model.replay import Filter
from ingest.model.tables import QUARANTINE, ROW_ORDER

__all__ = ["groups", "rows"]

_BY = ("reason", "expectation", "column", "contract_version")
_LISTED = pa.schema([QUARANTINE.field(name) for name in (*_BY, "event_date", "window", "row")])


def groups(tables: Tables) -> list[dict[str, Any]]:
    """Per reason, expectation, column and contract: rows, first and last event date, the first row; most rows first."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for some in standing(tables, *settled(tables), _LISTED):
        counted = some.sort_by(ROW_ORDER).group_by(list(_BY), use_threads=False)
        wanted = [("event_date", "min"), ("event_date", "max"), ("window", "first"), ("row", "first"), ("row", "count")]
        for one in counted.aggregate(wanted).to_pylist():
            key = tuple(one[name] for name in _BY)
            before = found.get(key)
            found[key] = {
                **{name: one[name] for name in _BY},
                "rows": one["row_count"] + (before["rows"] if before else 0),
                "first_date": min([one["event_date_min"], *([before["first_date"]] if before else [])]),
                "last_date": max([one["event_date_max"], *([before["last_date"]] if before else [])]),
                "example": min([(one["window_first"], one["row_first"]), *([before["example"]] if before else [])]),
            }
    listed = sorted(found.values(), key=lambda group: (-group["rows"], group["example"]))
    return [{**group, "example": "{}:{}".format(*group["example"])} for group in listed]


def rows(tables: Tables, wanted: Filter, limit: int) -> tuple[pa.Table, bool]:
    """The first `limit` rows (`tables.QUARANTINE`) that `wanted` lets through, and whether there are more."""
    shown = QUARANTINE.empty_table()
    for some in standing(tables, *settled(tables), QUARANTINE, _predicate(wanted)):
        shown = pa.concat_tables([shown, some]).sort_by(ROW_ORDER).slice(0, limit + 1)
    return shown.slice(0, limit), shown.num_rows > limit


def _predicate(wanted: Filter) -> str:
    texts = {"reason": wanted.reason, "column": wanted.column, "window": wanted.window}
    tests = [f"\"{name}\" = '{text.replace(chr(39), chr(39) * 2)}'" for name, text in texts.items() if text is not None]
    return " AND ".join([*tests, *([f'"row" = {wanted.row}'] if wanted.row is not None else [])])

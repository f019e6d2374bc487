"""The service level that a contract promises, as far as Lakepost goes by it: the latency."""

from __future__ import annotations

import datetime as dt
import math

from ingest.catalog.document import Document, Path, shown, suggestion

__all__ = ["read_latency"]

_UNITS = {
    dt.timedelta(seconds=1): ("s", "second", "seconds"),
    dt.timedelta(minutes=1): ("min", "minute", "minutes"),
    dt.timedelta(hours=1): ("h", "hour", "hours"),
    dt.timedelta(days=1): ("d", "day", "days"),
}
_LONGEST = dt.timedelta(days=3650)


def read_latency(document: Document) -> dt.timedelta | None:
    """The longest `latency` among the SLA properties; null when there is none.

    Raises:
        ContractError: for a value that is no duration, or a unit that is not known.
    """
    found = [
        _duration(document, ("slaProperties", index), item.get("value"), item.get("unit"))
        for index, item in enumerate(document.value.get("slaProperties") or ())
        if item["property"] == "latency"
    ]
    return max(found, default=None)


def _duration(document: Document, path: Path, value: object, unit: object) -> dt.timedelta:
    units = {name: length for length, names in _UNITS.items() for name in names}
    if unit not in units:
        problem = "missing" if unit is None else f"{shown(unit)} is not a unit of time"
        raise document.wrong((*path, "unit"), problem, remedy=suggestion(unit, units))
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not 0 < value <= _LONGEST / units[str(unit)]:  # type: ignore[operator]
        problem = f"{shown(value)} is not a duration of up to ten years"
        raise document.wrong((*path, "value"), problem, remedy="write a number above 0, for example 30")
    return value * units[str(unit)]  # type: ignore[operator]

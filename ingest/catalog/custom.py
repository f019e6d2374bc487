"""ODCS custom properties, wherever they stand. One with a foreign `vendor` belongs to another tool."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.catalog.document import Document, Path, shown, suggestion

__all__ = ["is_of_a_column", "named", "places"]

_VENDOR = "lakepost"


def places(value: Any, path: Path) -> Iterator[Path]:
    """The paths of all lists of custom properties, outside of their values."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "customProperties":
                yield (*path, key)
            else:
                yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def is_of_a_column(place: Path) -> bool:
    """Whether the list at `place` belongs to a property of the table, nested ones included."""
    return place[0] == "schema" and (place[-3] == "properties" or place[-2] == "items")


def named(document: Document, place: Path, known: tuple[str, ...]) -> dict[str, tuple[Path, Any]]:
    """Lakepost's custom properties at `place`: name → path of the value, value.

    Raises:
        ContractError: for one that is not `known`, or given twice.
    """
    found: dict[str, tuple[Path, Any]] = {}
    items: Any = document.value
    for step in place:
        items = items.get(step, ()) if isinstance(items, dict) else items[step]
    for index, item in enumerate(items):
        name, path = item["property"], (*place, index)
        if item.get("vendor", _VENDOR) != _VENDOR:
            continue
        if name not in known:
            remedy = suggestion(name, known) + "; a property of another tool names its `vendor`"
            raise document.wrong((*path, "property"), f"unknown custom property {shown(name)}", remedy=remedy)
        if name in found:
            raise document.wrong((*path, "property"), f"{name} is given twice", remedy="keep one of the two")
        found[name] = ((*path, "value"), item["value"])
    return found

"""Values of custom properties, each as the kind that it must be."""

from __future__ import annotations

from typing import Any

from ingest.catalog.document import Document, Path, shown, suggestion

__all__ = ["choice", "mapping", "text", "whole"]

_LONGEST = 255  # bytes of an AMQP short string


def mapping(document: Document, path: Path, value: Any) -> None:
    """Raise `ContractError` unless it is a mapping."""
    if not isinstance(value, dict):
        raise document.wrong(path, f"{shown(value)} is not a mapping", remedy="write `key: value` lines")


def text(document: Document, path: Path, value: Any) -> str:
    """A name as RabbitMQ and Cosmos DB have them. Raises `ContractError`."""
    if not isinstance(value, str) or not value or len(value.encode()) > _LONGEST:
        problem = "missing" if value is None else f"{shown(value)} is not text of 1 to {_LONGEST} bytes"
        raise document.wrong(path, problem, remedy=f"write `{path[-1]}: …`, as the server knows it")
    return value


def choice(document: Document, path: Path, value: Any, choices: tuple[str, ...]) -> str:
    """One of `choices`. Raises `ContractError`."""
    if value not in choices:
        raise document.wrong(path, f"{shown(value)} is not supported", remedy=suggestion(value, choices))
    return str(value)


def whole(document: Document, path: Path, value: Any, low: int, high: int) -> int:
    """A whole number from `low` to `high`. Raises `ContractError`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        problem = f"{shown(value)} is not a whole number from {low} to {high}"
        raise document.wrong(path, problem, remedy=f"write a whole number, for example {max(low, 7)}")
    return value

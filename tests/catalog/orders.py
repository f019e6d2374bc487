"""The shipped dataset `orders` as texts to change, and what reading them gives: a contract, or an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest import catalog
from ingest.errors import ContractError
from ingest.model.contract import Column

__all__ = [
    "CONTRACT",
    "SCHEMAS",
    "SUITE",
    "SUITE_FILE",
    "YAML_FILE",
    "assert_says",
    "columns_of",
    "mended",
    "parsed",
    "refused",
]

SCHEMAS = Path(__file__).parents[2] / "schemas"
CONTRACT = (SCHEMAS / "orders" / catalog.CONTRACT_FILE).read_text("utf-8")
SUITE = (SCHEMAS / "orders" / catalog.SUITE_FILE).read_text("utf-8")
YAML_FILE = f"schemas/orders/{catalog.CONTRACT_FILE}"
SUITE_FILE = f"schemas/orders/{catalog.SUITE_FILE}"


def parsed(document: str = CONTRACT, suite: str = SUITE) -> Any:
    return catalog.parse(document, suite, dataset="orders", where="schemas/orders")


def refused(document: str = CONTRACT, suite: str = SUITE) -> ContractError:
    with pytest.raises(ContractError) as caught:
        parsed(document, suite)
    assert caught.value.remedy
    return caught.value


def assert_says(error: ContractError, *words: str, remedy: str) -> None:
    for word in words:
        assert word in error.message
    assert remedy in error.remedy


def mended(change: Callable[[dict[str, Any]], object]) -> str:
    """The shipped contract after `change`, as YAML."""
    value = yaml.safe_load(CONTRACT.replace("2020-01-01", '"2020-01-01"').replace("2049-12-31", '"2049-12-31"'))
    change(value)
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def columns_of(contract: Any) -> dict[str, Column]:
    return {column.name: column for column in contract.columns}

"""One expectation about a table, in Great Expectations' own words but without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Expectation"]


@dataclass(frozen=True, slots=True)
class Expectation:
    """`type` and `kwargs` as in GX's suite JSON (`expect_column_values_to_be_between`, …).

    `derived` is true where the contract said it and the suite file did not have to repeat it.
    """

    type: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    derived: bool = False

    @property
    def column(self) -> str | None:
        """The one column it judges; null for those that judge several, or the table."""
        value = self.kwargs.get("column")
        return None if value is None else str(value)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that it judges."""
        named = [self.kwargs[key] for key in ("column", "column_A", "column_B") if self.kwargs.get(key) is not None]
        return tuple(str(name) for name in (*named, *self.kwargs.get("column_list", ())))

    @property
    def mostly(self) -> float:
        """The share of rows that must hold for the expectation to pass; 1.0 unless it says otherwise."""
        return float(self.kwargs.get("mostly") or 1.0)

    def __str__(self) -> str:
        """`expect_column_values_to_be_between(total)`: how accounts and errors name it."""
        return f"{self.type}({', '.join(self.columns)})"

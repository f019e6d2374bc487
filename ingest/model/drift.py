"""Drift: what producers send beside the contract."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any

__all__ = ["UnknownField"]


@dataclass(frozen=True, slots=True)
class UnknownField:
    """A field that bodies had and the contract of that time did not name: `path` is `address.floor`, `items[].hue`.

    `rows` counts rows of all batches; first and last seen are when such a batch was curated, `contract_version` is
    the last one's.
    """

    path: str
    rows: int
    first_seen: dt.datetime
    last_seen: dt.datetime
    contract_version: str

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `status` prints of it."""
        told = dataclasses.asdict(self)
        return told | {"first_seen": self.first_seen.isoformat(), "last_seen": self.last_seen.isoformat()}

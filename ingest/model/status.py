"""How a dataset stands, as `status` tells it."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.model.account import Account
from ingest.model.drift import UnknownField
from ingest.model.gap import Gap
from ingest.model.loss import Loss
from ingest.model.ports import Totals

__all__ = ["Items", "Status"]


@dataclass(frozen=True, slots=True)
class Items:
    """How many items a container has now, and how many were deleted and not made again, as curate has read it."""

    now: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Status:
    """Rows per table; the account of the newest batch and where its report's page is, null where there is none.

    `unknown_fields` are those that bodies had and the contract did not name, most rows first; `losses` what streams
    no longer had when land came to it, `gaps` what was missed of a container, both oldest first; `items` are those of
    a container, null for what comes from queues.
    """

    totals: Totals
    last_batch: Account | None
    report: str | None
    unknown_fields: tuple[UnknownField, ...]
    losses: tuple[Loss, ...]
    gaps: tuple[Gap, ...] = ()
    items: Items | None = None

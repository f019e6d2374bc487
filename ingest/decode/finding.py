"""What is written down about one rejected row."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.model.reason import Reason

__all__ = ["Finding", "shorten"]

_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a row was rejected; `column` is a path of output names, `value` is cut by `shorten`.

    `sure`: false where Arrow's reader may take the row all the same.
    """

    reason: Reason
    detail: str
    column: str | None = None
    value: str | None = None
    sure: bool = True


def shorten(text: str) -> str:
    """The first 200 characters of a value: what quarantine keeps of it."""
    return text[:_LIMIT]

"""What `doctor` found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: its `name`, whether it is `ok`, what there is to say, and the `remedy` if not."""

    name: str
    ok: bool
    says: str
    remedy: str = ""

"""One change of a contract, and what it does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Change", "Effect"]


class Effect(StrEnum):
    """What a change does to a dataset that has rows; `catalog.compatible` has the rules."""

    IN_PLACE = "in place"
    REBUILD = "rebuild"
    BREAKING = "breaking"

    @property
    def weight(self) -> int:
        """Higher is worse."""
        return list(Effect).index(self)


@dataclass(frozen=True, slots=True)
class Change:
    """`what` names the part, `says` the change, `then` what has to follow; `refused` ones must not be deployed."""

    effect: Effect
    what: str
    says: str
    then: str = ""
    refused: bool = False

"""What a feed range goes on from: the token that the lake keeps of it."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from ingest.errors import LakeUnavailable
from ingest.model.container import FeedMode

__all__ = ["Phase", "Token"]


class Phase(StrEnum):
    """What of the container is being read."""

    SNAPSHOT = "snapshot"  # all items that are there, because a feed of all versions does not begin at the beginning
    FEED = "feed"


@dataclass(frozen=True, slots=True)
class Token:
    """How far a feed range was read.

    `continuation` is the SDK's; null: nothing was read yet. `then` is the one to go on with after a snapshot, taken
    before it. `generation` counts the snapshots that were taken of the container on purpose, or after a gap. `at` is
    when the continuation was given, in seconds since 1970.
    """

    container_rid: str
    mode: FeedMode
    phase: Phase
    continuation: str | None = None
    then: str | None = None
    generation: int = 0
    at: float = 0.0

    @classmethod
    def decode(cls, content: bytes) -> Token:
        """The token that the lake kept.

        Raises:
            LakeUnavailable: it is none.
        """
        try:
            return msgspec.json.decode(content, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            remedy = "restore the dataset's folder below _lakepost/feeds in the lake"
            raise LakeUnavailable(f"a token of a change feed cannot be read: {error}", remedy=remedy) from error

    def encode(self) -> bytes:
        """As the lake keeps it."""
        return msgspec.json.encode(self)

    def advanced(self, continuation: str) -> Token:
        """What was read goes up to this continuation now."""
        return dataclasses.replace(self, continuation=continuation, at=time.time())

    def fed(self) -> Token:
        """The snapshot is complete: what changed since it began is read from here on."""
        return dataclasses.replace(self, phase=Phase.FEED, continuation=self.then, then=None, at=time.time())

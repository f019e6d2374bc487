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
    FIRST = "first"  # the same of a feed that does begin there: its first pass, after which it goes on as it is
    INFERRING = "inferring"  # they were all read; those of earlier generations that were not there are being told
    FEED = "feed"


@dataclass(frozen=True, slots=True)
class Token:
    """How far a feed range was read.

    `continuation` is the SDK's; null: nothing was read yet. `then` is the one to go on with after a snapshot, taken
    before it. `generation` counts the snapshots that were taken of the container on purpose, or after a gap. `at` is
    when the continuation was given, in seconds since 1970; `begun` is when the generation began, from which moment on
    the feed is read; `caught_up` is when it was last read to its end.
    """

    container_rid: str
    mode: FeedMode
    phase: Phase
    continuation: str | None = None
    then: str | None = None
    generation: int = 0
    at: float = 0.0
    begun: float = 0.0
    caught_up: float = 0.0

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

    def complete(self) -> Token:
        """All items were read: what changed since they began to be is read from here on.

        Of a later generation, what is gone is told before.
        """
        following = Phase.INFERRING if self.generation else Phase.FEED
        if self.phase is Phase.FIRST:
            return dataclasses.replace(self, phase=following)
        return dataclasses.replace(
            self, phase=following, continuation=self.then, then=None, at=self.begun or time.time()
        )

    def fed(self) -> Token:
        """What is gone was told."""
        return dataclasses.replace(self, phase=Phase.FEED)

    def at_end(self) -> Token:
        """There is nothing after it now."""
        return dataclasses.replace(self, caught_up=time.time())

    @property
    def known_until(self) -> float:
        """Up to when every change was read, at least, in seconds since 1970."""
        return self.caught_up or self.begun or self.at

"""The lake as the steps see it, where sources have tokens."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from ingest.model.gap import Gap

__all__ = ["TokenLake"]


class TokenLake(Protocol):
    """What `ports.Lake` has for sources whose position is no number."""

    def token(self, dataset: str, application: str, number: int) -> bytes:
        """The token that raw was committed with. Raises `LakeUnavailable` when it is gone."""
        ...

    def keep_token(self, dataset: str, application: str, token: bytes, *, after: int | None) -> int:
        """Keep a token under the next free number beyond `after`, which is returned. Inert until raw names it."""
        ...

    def sweep_tokens(self, dataset: str, application: str, before: int) -> None:
        """Remove the tokens that are older than the one raw names, of killed runs too."""
        ...

    def append_from(
        self, dataset: str, rows: pa.Table, *, window: str, application: str, number: int, after: int | None
    ) -> int:
        """Commit a window with the token kept under `number` to raw that stands at the token `after`; raw's version.

        It may be called again. Raises `Overtaken` when raw stands at another token.
        """
        ...

    def record_gap(self, dataset: str, gap: Gap) -> None:
        """Remember what was missed before a generation. It may be recorded again, and grow, until that is committed."""
        ...

    def gaps(self, dataset: str) -> list[Gap]:
        """Everything that was missed of the dataset's container, oldest first."""
        ...

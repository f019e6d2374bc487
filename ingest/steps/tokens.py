"""What land goes on from at sources that have tokens: kept before each commit, named by it."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import uuid6

from ingest.memory import give_back
from ingest.model.ports import Lake

__all__ = ["Tokens"]


class Tokens:
    """By application, the token that raw was last committed with. For one thread at a time."""

    def __init__(self, dataset: str, lake: Lake, screened: Callable[[pa.Table], pa.Table] | None) -> None:
        self._dataset, self._lake, self._screened = dataset, lake, screened
        self._numbers: dict[str, int | None] = {}
        self._contents: dict[str, bytes] = {}  # by application too

    def stored(self, application: str, number: int | None) -> bytes | None:
        """The token that raw names by `number`; those before it, and of killed runs, are swept."""
        self._numbers[application] = number
        if number is None:
            return None
        content = self._contents[application] = self._lake.token(self._dataset, application, number)
        self._lake.sweep_tokens(self._dataset, application, number)
        return content

    def keep(self, application: str, token: bytes | None) -> int:
        """Keep the token that the next commit will name; null: the last one again, as a window is not through yet.

        Returns its number, which is nobody else's.
        """
        if token is not None:
            self._contents[application] = token
        content, after = self._contents[application], self._numbers[application]
        return self._lake.keep_token(self._dataset, application, content, after=after)

    def append(self, application: str, number: int, rows: pa.Table, *, tried: bool) -> int:  # noqa: ARG002 - see below
        """Commit rows of raw, perhaps none, with the token kept under `number`; returns raw's version.

        Called again it commits nothing twice: the number tells.
        """
        version = self._lake.append_from(
            self._dataset,
            rows if self._screened is None else self._screened(rows),
            window=rows["window"][0].as_py() if rows.num_rows else str(uuid6.uuid7()),
            application=application,
            number=number,
            after=self._numbers[application],
        )
        self._numbers[application] = number
        give_back()  # as after a window of another source
        return version

"""What several sources may take together."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["Allowance"]


class Allowance:
    """How many messages may still be taken, by whoever shares it; perhaps itself a part of what is left `within`.

    `spent` is called when nothing is left.
    """

    def __init__(
        self, messages: float = math.inf, *, spent: Callable[[], None], within: Allowance | None = None
    ) -> None:
        self._left, self._spent, self._within = messages, spent, within

    @property
    def left(self) -> float:
        """How many are left."""
        return self._left if self._within is None else min(self._left, self._within.left)

    def claim(self, messages: int) -> None:
        """Take that many, at most `left`: whoever claimed them will not give them back."""
        self._left -= messages
        if self._within is not None:
            self._within.claim(messages)
        if self._left <= 0:
            self._spent()

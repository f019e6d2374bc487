"""How much waits in queues, looked at again and again, for whoever wakes `land`. Takes and acknowledges nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from ingest.sources.compare import depth
from ingest.sources.topology import visit

__all__ = ["Bell", "waiting"]

_AGAIN_SECONDS = 60.0
_LATEST_AGAIN_SECONDS = 3600.0


async def waiting(url: str, name: str, queues: Sequence[str]) -> AsyncIterator[int]:
    """Messages that wait in `queues` with nobody to take them, looked up whenever the next one is asked for.

    Messages of a queue that has a consumer do not count: a `land` is under way. One connection, called `name`.

    Raises:
        ConfigurationError: the URL or the certificates are wrong, or the broker refuses us.
        TopologyError: there is no such queue.
        SourceUnavailable: no broker answers, or it went away.
    """
    async with visit(url, name) as connection:
        while True:
            depths = [await depth(connection, queue) for queue in queues]
            yield sum(messages for messages, consumers in depths if not consumers)


class Bell:
    """When to wake somebody: as soon as messages wait, then ever less often until somebody takes them.

    Fewer messages than before are a sign of that. Whoever was woken may be late, or fail at once. Ringing again after
    a minute, two, four, up to an hour brings no flood; and it finds the messages that came while the last ones were
    taken, where the count did not tell.
    """

    def __init__(self) -> None:
        self._patience = _AGAIN_SECONDS
        self._rang: float | None = None
        self._seen = 0

    def rings(self, messages: int, now: float) -> bool:
        """Whether to wake somebody, `messages` waiting at `now` (seconds of any steady clock)."""
        if messages < self._seen:
            self._rang, self._patience = None, _AGAIN_SECONDS
        self._seen = messages
        if not messages:
            return False
        if self._rang is None:
            self._rang = now
            return True
        if now - self._rang < self._patience:
            return False
        self._rang, self._patience = now, min(2 * self._patience, _LATEST_AGAIN_SECONDS)
        return True

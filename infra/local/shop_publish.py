"""Publishing with confirms: a message counts as sent when the broker has said that it keeps it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from shop import Sent
from shop_wire import PublishFailed, Wire

__all__ = ["PublishFailed", "publish"]

_GROUP = 500  # messages written at once
_IN_FLIGHT = 4  # groups whose confirms are awaited, so that the broker has work while we encode


def publish(
    url: str,
    messages: Iterable[Sent],
    *,
    exchange: str = "shop.events",
    progress: Callable[[tuple[Sent, ...]], None] = lambda _: None,
) -> int:
    """Publish through the exchange, persistent and mandatory; returns how many were confirmed.

    `progress` gets each group of messages, in sending order, when the last of it is confirmed. The
    queue must be bound already: a message that no queue takes is an error.

    Raises:
        PublishFailed: the broker is away, or refused or returned a message; what `progress` was not
            told of may or may not have arrived.
    """
    confirmed = 0
    waiting: deque[tuple[int, tuple[Sent, ...]]] = deque()
    with Wire(url) as wire:
        for group in itertools.chain(_groups(messages), itertools.repeat(())):
            if group:
                waiting.append((wire.send(exchange, group), group))
                if len(waiting) < _IN_FLIGHT:
                    continue
            elif not waiting:
                return confirmed
            tag, oldest = waiting.popleft()
            wire.confirm(tag)
            confirmed += len(oldest)
            progress(oldest)
    return confirmed


def _groups(messages: Iterable[Sent]) -> Iterator[tuple[Sent, ...]]:
    rest = iter(messages)
    while group := tuple(itertools.islice(rest, _GROUP)):
        yield group

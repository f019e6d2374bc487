"""What an envelope is recognised by: properties that every delivery of one producer shares, and nothing of the body."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Traits"]


class Traits(NamedTuple):
    """`headers` are the names of the headers, in small letters; `type` is AMQP's."""

    content_type: str | None
    headers: frozenset[str]
    type: str | None

    def any_header(self, *prefixes: str) -> bool:
        """Whether a header's name begins with one of `prefixes`."""
        return any(name.startswith(prefixes) for name in self.headers)

"""Content types, read: the name in small letters, and the charset."""

from __future__ import annotations

import functools

__all__ = ["is_utf8", "media_type"]

_UTF8 = frozenset({"utf-8", "utf8"})


@functools.lru_cache(maxsize=256)
def media_type(content_type: str | None) -> str:
    """`application/json` of `Application/JSON; charset=utf-8`; empty where there is none."""
    return (content_type or "").partition(";")[0].strip().lower()


@functools.lru_cache(maxsize=256)
def is_utf8(content_type: str | None) -> bool:
    """Whether the charset, where one is named, is UTF-8."""
    parameters = (part.partition("=") for part in (content_type or "").lower().split(";")[1:])
    return all(value.strip().strip('"') in _UTF8 for name, _, value in parameters if name.strip() == "charset")

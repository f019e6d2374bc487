"""The HTTP session of the SDK's transport: an answer is read in one piece, not in pieces of 10 KB.

A page of a change feed has megabytes. Each piece costs a turn of the interpreter, for which others wait: land works on
the page before in another thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from requests import Response, Session
from requests.adapters import HTTPAdapter
from urllib3 import Retry

__all__ = ["session"]

_PIECE = 4 * 1024 * 1024
"""In bytes; the service gives no larger page, but of a transaction that is larger."""


class _Answer(Response):
    def iter_content(
        self,
        chunk_size: int | None = 1,
        decode_unicode: bool = False,  # noqa: FBT001, FBT002 - its signature
    ) -> Iterator[Any]:
        """In pieces of at least `_PIECE`, whatever is asked for."""
        pieces: Iterator[Any] = super().iter_content(max(chunk_size or _PIECE, _PIECE), decode_unicode)  # type: ignore[call-overload]
        return pieces


class _Adapter(HTTPAdapter):
    def build_response(self, req: Any, resp: Any) -> Response:
        """As `requests` does, but of our class."""
        response = super().build_response(req, resp)
        response.__class__ = _Answer
        return response


def session() -> Session:
    """A session for `RequestsTransport`, which leaves it to the SDK what is tried again."""
    made = Session()
    adapter = _Adapter(max_retries=Retry(total=False, redirect=False, raise_on_status=False))
    for scheme in ("http://", "https://"):
        made.mount(scheme, adapter)
    return made

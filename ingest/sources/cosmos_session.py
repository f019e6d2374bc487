"""The HTTP session of the SDK's transport: an answer is read in one piece, not in pieces of 10 KB.

A page of a change feed has megabytes. Each piece costs a turn of the interpreter, for which others wait: land works on
the page before in another thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from urllib3 import Retry

__all__ = ["session"]

_PIECE = 4 * 1024 * 1024
"""In bytes; the service gives no larger page, but of a transaction that is larger."""


class _Session(Session):
    """Asks the environment for proxies and certificates once for each host, not for each page: it does not change."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = _as_signed
        self._known: dict[tuple[Any, ...], Any] = {}

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """As `requests` does the first time."""
        asked = (*urlsplit(url)[:2], str(proxies), stream, verify, cert)
        if asked not in self._known:
            self._known[asked] = super().merge_environment_settings(url, proxies, stream, verify, cert)
        return dict(self._known[asked])


def _as_signed(request: PreparedRequest) -> PreparedRequest:
    """What the SDK signed: nothing is looked for in ~/.netrc, which would take the place of the signature."""
    return request


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
    made = _Session()
    adapter = _Adapter(max_retries=Retry(total=False, redirect=False, raise_on_status=False))
    for scheme in ("http://", "https://"):
        made.mount(scheme, adapter)
    return made

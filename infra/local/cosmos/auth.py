"""Who may ask: the signature with the master key of every request, and tokens of an identity.

A signature covers the verb, the type and the link of the resource, and the date, which must be within 15 minutes of
this machine's clock. Microsoft Entra tokens are stood in for by tokens that the emulator issues itself.
"""

from __future__ import annotations

import hmac
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl, unquote

from cosmos.errors import Refused

__all__ = ["authorize", "issue"]

_SKEW: Final = 15 * 60  # seconds
_TOKEN: Final = "local."


def authorize(key: str, verb: str, segments: Sequence[str], headers: Mapping[str, str]) -> None:
    """Check the `authorization` header of a request for the decoded path `segments`.

    Raises:
        Refused: 401 without a header or with another signature, 403 for a date that is too far off.
    """
    header = headers.get("authorization")
    if not header:
        raise Refused(401, "Required Header authorization is missing. Ensure a valid Authorization token is passed.")
    parts = dict(parse_qsl(unquote(header).replace("+", "%2B"), keep_blank_values=True))
    if parts.get("type") == "aad":
        _check_token(key, parts.get("sig", ""))
        return
    date = headers.get("x-ms-date", headers.get("date", ""))
    payloads = [_payload(verb, *link, headers) for link in _links(segments)]
    signatures = [
        b64encode(hmac.digest(b64decode(key), payload.encode("utf-8", "surrogatepass"), "sha256"))
        for payload in payloads
    ]
    given = parts.get("sig", "").encode("utf-8", "replace")
    if parts.get("type") != "master" or not any(hmac.compare_digest(given, one) for one in signatures):
        shown = payloads[0].replace("\n", "\\n")
        raise Refused(
            401,
            "The input authorization token can't serve the request. The wrong key is being used or the expected payload"
            f" is not built as per the protocol. Server used the following payload to sign: '{shown}'",
        )
    _check_date(date)


def issue(key: str, seconds: float) -> str:
    """A token of an identity, good for `seconds`; a client sends it as `type=aad&ver=1.0&sig=TOKEN`."""
    until = str(int(time.time() + seconds))
    return f"{_TOKEN}{until}.{hmac.digest(b64decode(key), until.encode(), 'sha256').hex()}"


def _links(segments: Sequence[str]) -> list[tuple[str, str]]:
    """Resource type and link of a path, by name and, as the path may hold resource ids, by id in lower case."""
    if not segments:
        return [("", "")]
    if segments[4:5] == ("operations",):  # on a container, and signed as it
        return [("colls", "/".join(segments[:4]))]
    if len(segments) % 2:  # a feed: its type comes last, its owner's link before
        kind, owner = segments[-1], segments[:-1]
        return [(kind, "/".join(owner)), (kind, owner[-1].lower() if owner else "")]
    return [(segments[-2], "/".join(segments)), (segments[-2], segments[-1].lower())]


def _payload(verb: str, kind: str, link: str, headers: Mapping[str, str]) -> str:
    dates = (headers.get("x-ms-date", "").lower(), headers.get("date", "").lower())
    return f"{verb.lower()}\n{kind.lower()}\n{link}\n{dates[0]}\n{dates[1]}\n"


def _check_date(date: str) -> None:
    try:
        sent = parsedate_to_datetime(date)
    except ValueError:
        raise Refused(401, "The request has no valid x-ms-date header (RFC 1123, UTC).") from None
    now = datetime.now(UTC)
    if abs((now - sent).total_seconds()) > _SKEW:
        raise Refused(
            403,
            "The authorization token is not valid at the current time. Please create another token and retry (token"
            f" start time: {date}, current server time: {format_datetime(now, usegmt=True)}).",
        )


def _check_token(key: str, token: str) -> None:
    until, _, signature = token.removeprefix(_TOKEN).partition(".")
    expected = hmac.digest(b64decode(key), until.encode(), "sha256").hex()
    if not token.startswith(_TOKEN) or not hmac.compare_digest(signature.encode(), expected.encode()):
        raise Refused(401, "The given token is not one of this account.")
    if time.time() > int(until):
        raise Refused(401, "The token has expired. Get another one and retry.")

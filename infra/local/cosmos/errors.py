"""What the service refuses, in its status codes, sub-statuses and words.

Refused                 any answer of 400 and above
├─ bad_request          400, with 1001 partition key mismatch, 1004 needs a query plan, 1024 other container
├─ not_found            404, with 1003 the container or database itself is missing
├─ conflict             409, an id that exists
├─ gone                 410, with 1002 split or merged, 1007 splitting right now
├─ precondition_failed  412, the etag is another
└─ too_large            413, more than 2 MB
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = [
    "CODES",
    "Refused",
    "bad_request",
    "conflict",
    "gone",
    "not_found",
    "precondition_failed",
    "too_large",
]

CODES: Final[Mapping[int, str]] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    429: "429",
    449: "RetryWith",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}


class Refused(Exception):
    """An answer that is not a success: `status`, `substatus` (0 for none), words, further headers and fields."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        substatus: int = 0,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.substatus = status, message, substatus
        self.headers, self.details = dict(headers or {}), dict(details or {})


def bad_request(message: str, substatus: int = 0) -> Refused:
    """400."""
    return Refused(400, message, substatus=substatus)


def not_found(
    message: str = "Entity with the specified id does not exist in the system.", substatus: int = 0
) -> Refused:
    """404: an item, or with 1003 what should hold it."""
    return Refused(404, message, substatus=substatus)


def conflict() -> Refused:
    """409: create, and the id is there."""
    return Refused(409, "Entity with the specified id already exists in the system.")


def gone(range_id: str, substatus: int = 1002) -> Refused:
    """410: the partition key range was split or merged (1002), or is being split right now (1007)."""
    return Refused(
        410, f"The requested resource is no longer available at the server. Range: {range_id}", substatus=substatus
    )


def precondition_failed() -> Refused:
    """412: If-Match names another etag."""
    return Refused(412, "Operation cannot be performed because one of the specified precondition is not met.")


def too_large() -> Refused:
    """413: an item, or a transaction, of more than 2 MB."""
    return Refused(413, "Request size is too large")

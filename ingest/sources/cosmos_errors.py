"""The seam to the Cosmos SDK: its exceptions as ours. No key in any message."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.cosmos.exceptions import CosmosHttpResponseError

from ingest.errors import (
    ConfigurationError,
    ContinuationExpired,
    LakepostError,
    SourceReplaced,
    SourceUnavailable,
    TopologyError,
)

__all__ = ["cosmos_errors", "replaced"]

_GONE, _REFUSED, _NOT_FOUND = 410, 400, 404
_UNAUTHORISED = frozenset({401, 403})
_MADE_AGAIN = 1024
"""The sub-status of a request that was meant for a container of another `_rid`."""

_MOVING = frozenset({1000, 1002, 1007, 1008})
"""Sub-statuses of 410 that pass: names and ranges that are being looked up anew, splits and moves under way."""

_CREDENTIALS = "check LAKEPOST_COSMOS_ENDPOINT and LAKEPOST_COSMOS_KEY, and this machine's clock"
_WAIT = "check that the account can be reached, then run again: it goes on from what was committed"


def replaced(container: str) -> SourceReplaced:
    """The container is another one than the one that was read before."""
    return SourceReplaced(
        f"the container {container} was deleted and made again",
        remedy="restore the old one; or, if it was made again on purpose, run `lakepost land` with --from-beginning: it"
        " takes a snapshot of the new one, and what only the old one had is told as deleted",
    )


@contextlib.contextmanager
def cosmos_errors(container: str, doing: str, *, resuming: bool = False) -> Iterator[None]:
    """Turn whatever the SDK raises while `doing`; `resuming`: by a continuation that was given before.

    Raises:
        ConfigurationError: the account refuses the key or the identity.
        TopologyError: there is no such container, or it has no such feed.
        SourceReplaced: the container was made again.
        ContinuationExpired: it does not go on from the continuation.
        SourceUnavailable: anything else, throttling included, after the SDK's own tries.
    """
    try:
        yield
    except CosmosHttpResponseError as error:
        raise _of_answer(container, doing, error, resuming=resuming) from error
    except ClientAuthenticationError as error:
        raise ConfigurationError(f"Azure gives no token for {container}", remedy=_CREDENTIALS) from error
    except ValueError as error:
        if "rid" in str(error):
            raise replaced(container) from error
        if not resuming:
            raise
        raise _expired(container, str(error)) from error
    except RecursionError as error:  # it asks again and again for a range that is gone, each time one call deeper
        says = f"the Cosmos DB client does not find the ranges of {container}"
        raise SourceUnavailable(says, remedy=_WAIT) from error
    except (AzureError, OSError) as error:
        said = type(error).__name__ if isinstance(error, AzureError) else str(error)
        raise SourceUnavailable(f"Cosmos DB failed while {doing} {container}: {said}", remedy=_WAIT) from error


def _of_answer(container: str, doing: str, error: CosmosHttpResponseError, *, resuming: bool) -> LakepostError:
    status, sub = error.status_code, error.sub_status
    says = _words(error)
    if status in _UNAUTHORISED:
        return ConfigurationError(f"Cosmos DB refuses us at {container} ({status}): {says}", remedy=_CREDENTIALS)
    if status == _REFUSED and sub == _MADE_AGAIN:
        return replaced(container)
    if status == _NOT_FOUND:
        remedy = "create it, or correct `container` in the contract"
        return TopologyError(f"there is no container {container}: {says}", remedy=remedy)
    if status == _REFUSED or (status == _GONE and sub not in _MOVING):
        if resuming:
            return _expired(container, says)
        remedy = "check the mode in the contract: all versions and deletes needs continuous backup of the account"
        return TopologyError(f"Cosmos DB refuses to read {container} ({status}): {says}", remedy=remedy)
    return SourceUnavailable(f"Cosmos DB answered {status} while {doing} {container}: {says}", remedy=_WAIT)


def _expired(container: str, says: str) -> ContinuationExpired:
    return ContinuationExpired(
        f"the change feed of {container} does not go on from where it was read to: {says}",
        remedy="land takes a new snapshot by itself, once in a run; where even that expires before it is read, give it"
        " more time and request units, or the account a longer retention",
    )


def _words(error: CosmosHttpResponseError) -> str:
    """The first line of the service's message: the others are ids of the request."""
    text = str(error.http_error_message or "")
    with contextlib.suppress(ValueError, TypeError, KeyError):  # the SDK, or something on the way, writes no JSON
        text = str(json.loads(text)["message"])
    return text.partition("\n")[0].strip() or "no reason given"

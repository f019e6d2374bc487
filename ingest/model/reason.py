"""Why a row was rejected. Plain Python only: the catalogue reads samples with it."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Reason"]


class Reason(StrEnum):
    """Why a row is in quarantine."""

    DEAD_LETTERED = "dead-lettered"  # the broker gave it up: it waits for a replay, whatever it holds
    UNDECODABLE = "undecodable"  # no reader for this content type or encoding
    ENVELOPE = "envelope"  # the payload cannot be taken out of its envelope, or of its compression
    EMPTY = "empty"  # a body of no bytes, or white space only
    ENCODING = "encoding"  # not UTF-8
    MALFORMED = "malformed"  # not exactly one JSON object
    WRONG_TYPE = "wrong_type"  # a value does not fit its column
    NO_IDENTITY = "no_identity"  # no event id, and the contract does not identify by content
    REQUIRED = "required"  # a required value is missing or null
    UNKNOWN_FIELDS = "unknown_fields"  # fields that the contract does not name, and it refuses them
    EXPECTATION = "expectation"  # the suite's verdict

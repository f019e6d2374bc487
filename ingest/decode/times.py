"""ISO 8601 text to UTC microseconds and to dates, by column: null where the text is not one.

Arrow's own parser refuses the seven fractional digits that .NET sends and takes a time without a zone as
UTC. Here fractions are truncated to microseconds, zones are applied, and a time without a zone is refused
unless the column assumes UTC. The patterns admit only dates that exist, so that the casts cannot fail.
"""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.compute as pc

from ingest.model.tables import TIME

__all__ = ["dates", "times", "timestamps"]

_LEAP_YEAR = r"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAY = r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
_DATE = rf"(?:\d{{4}}-{_DAY}|{_LEAP_YEAR}-02-29)"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?"
_CLOCK = rf"[T ]{_TIME}"
_OFFSET = r"[+-](?:[01]\d|2[0-3]):[0-5]\d"
_COMMON = rf"^20\d\d-{_DAY}[T ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{{1,9}})?(?:Z|{_OFFSET})$"
"""What Arrow's parser reads as it is meant, to nanoseconds, which these years have."""
_NO_YEAR = "0000"  # ISO 8601 has it, Python and the readers of the lake have not

_MICROSECONDS = len("2026-11-21T10:00:00.123456")
_FIRST = pa.scalar(dt.datetime(1, 1, 1, tzinfo=dt.UTC), TIME)
_LAST = pa.scalar(dt.datetime.max.replace(tzinfo=dt.UTC), TIME)
_END = 2**31 - 1  # pyarrow 26 refuses an open end: "Negative buffer resize"


def dates(texts: pa.Array) -> pa.Array:
    """`YYYY-MM-DD`, years 0001 to 9999, to date32 (n); null where the text is null or anything else."""
    return pc.cast(_keep(texts, f"^{_DATE}$"), pa.date32())


def timestamps(texts: pa.Array, *, assume_utc: bool) -> pa.Array:
    """ISO 8601 date and time with a zone to microseconds in UTC (n); null where it is anything else.

    `T` or a space divides date and time; seconds may be missing; a fraction of any length is cut, not
    rounded, at the sixth digit; the zone is `Z` or `±hh:mm`. With `assume_utc` no zone is UTC. A moment
    that falls outside the years 0001 to 9999 in UTC is null too.
    """
    common = pc.fill_null(pc.match_substring_regex(texts, _COMMON), fill_value=False)
    others = pc.and_not(pc.is_valid(texts), common)
    if not pc.any(others).as_py():
        return _common(texts)
    moments = _common(pc.if_else(common, texts, pa.scalar(None, pa.string())))
    return pc.replace_with_mask(moments, others, _any(texts.filter(others), assume_utc=assume_utc))


def _common(texts: pa.Array) -> pa.Array:
    """Texts that match `_COMMON`, or null, as moments. All are after 1970, so that rounding to zero cuts digits off."""
    return pc.cast(pc.cast(texts, pa.timestamp("ns", "UTC")), TIME, safe=False)


def _any(texts: pa.Array, *, assume_utc: bool) -> pa.Array:
    """The same of texts of whatever form."""
    optional = "?" if assume_utc else ""
    texts = _keep(texts, f"^{_DATE}{_CLOCK}(?:Z|{_OFFSET}){optional}$")
    raw = pc.cast(texts, pa.binary())
    zoned = pc.match_substring_regex(texts, f"{_OFFSET}$")
    some_zoned = pc.any(zoned).as_py()
    clock = pc.cast(pc.replace_substring_regex(texts, r"Z$", ""), pa.binary())
    if some_zoned:
        clock = pc.if_else(zoned, pc.binary_slice(raw, 0, -6), clock)
    clock = pc.binary_slice(clock, 0, _MICROSECONDS)
    moments = pc.cast(pc.cast(clock, pa.string()), pa.timestamp("us"))
    if some_zoned:
        moments = pc.subtract(moments, _offset(pc.if_else(zoned, pc.binary_slice(raw, -6, _END), b"+00:00")))
    moments = pc.assume_timezone(moments, "UTC")
    lawful = pc.and_(pc.greater_equal(moments, _FIRST), pc.less_equal(moments, _LAST))
    return moments if pc.all(lawful).as_py() else pc.if_else(lawful, moments, pa.scalar(None, TIME))


def times(texts: pa.Array) -> pa.Array:
    """`HH:MM`, `HH:MM:SS` or with a fraction to `HH:MM:SS.ffffff` (n), cut, not rounded; null for anything else.

    Text, as Delta has no type for it; of one length, so that its order is the order of time.
    """
    texts = _keep(texts, f"^{_TIME}$")
    texts = pc.if_else(pc.equal(pc.utf8_length(texts), len("10:00")), _with(texts, ":00"), texts)
    texts = pc.if_else(pc.equal(pc.utf8_length(texts), len("10:00:00")), _with(texts, "."), texts)
    whole = len("10:00:00.123456")
    return pc.utf8_slice_codeunits(pc.utf8_rpad(texts, whole, "0"), 0, whole)


def _with(texts: pa.Array, end: str) -> pa.Array:
    return pc.binary_join_element_wise(texts, end, "")


def _keep(texts: pa.Array, pattern: str) -> pa.Array:
    """The texts that match, null for the others."""
    shaped = pc.and_not(pc.match_substring_regex(texts, pattern), pc.starts_with(texts, _NO_YEAR))
    return texts if pc.all(shaped).as_py() else pc.if_else(shaped, texts, pa.scalar(None, pa.string()))


def _offset(zones: pa.Array) -> pa.Array:
    """`±hh:mm` as a duration in microseconds."""
    hours = pc.cast(pc.cast(pc.binary_slice(zones, 1, 3), pa.string()), pa.int64())
    minutes = pc.cast(pc.cast(pc.binary_slice(zones, 4, 6), pa.string()), pa.int64())
    size = pc.multiply(pc.add(pc.multiply(hours, 60), minutes), 60_000_000)
    east = pc.equal(pc.binary_slice(zones, 0, 1), b"+")
    return pc.cast(pc.if_else(east, size, pc.negate(size)), pa.duration("us"))

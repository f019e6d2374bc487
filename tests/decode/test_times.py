"""Timestamps and dates from text, against Python's own reading."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode.times import dates, times, timestamps

_zones = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: dt.timezone(dt.timedelta(minutes=m)))


@given(
    st.lists(st.none() | st.datetimes(timezones=_zones), max_size=5),
    st.sampled_from("T "),
    st.text("0123456789", max_size=9),
)
def test_a_timestamp_is_the_moment_that_python_reads_and_further_digits_are_cut(
    moments: list[dt.datetime | None], between: str, digits: str
) -> None:
    texts = [m and f"{m:%H:%M:%S}.{m.microsecond:06d}{digits}{m.isoformat()[-6:]}" for m in moments]
    texts = [m and f"{m.year:04d}-{m:%m-%d}{between}{text}" for m, text in zip(moments, texts, strict=True)]
    found = timestamps(pa.array(texts, pa.string()), assume_utc=False).to_pylist()
    for moment, value in zip(moments, found, strict=True):
        try:
            assert value == (moment and moment.astimezone(dt.UTC))
        except OverflowError:  # in UTC it lies outside the years 1 to 9999
            assert value is None


@given(st.times(), st.text("0123456789", max_size=9))
def test_a_time_of_day_is_text_of_one_length_in_the_order_of_time(moment: dt.time, digits: str) -> None:
    found = times(pa.array([f"{moment:%H:%M:%S.%f}{digits}", f"{moment:%H:%M:%S}", f"{moment:%H:%M}"])).to_pylist()
    expected = [moment, moment.replace(microsecond=0), moment.replace(second=0, microsecond=0)]
    assert found == [f"{one:%H:%M:%S.%f}" for one in expected]


@pytest.mark.parametrize("text", ["24:00:00", "10:60", "1:00", "10:00:00Z", "10:00:00.", "10", "", "10:00:00 "])
def test_what_is_no_time_of_day_is_null(text: str) -> None:
    assert times(pa.array([text, None])).to_pylist() == [None, None]


@given(st.dates())
def test_every_date_is_read(day: dt.date) -> None:
    assert dates(pa.array([day.isoformat()])).to_pylist() == [day]


@given(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32))
def test_only_dates_that_exist_are_read(year: int, month: int, day: int) -> None:
    try:
        expected = dt.date(year, month, day)
    except ValueError:
        expected = None
    text = f"{year:04d}-{month:02d}-{day:02d}"
    assert dates(pa.array([text])).to_pylist() == [expected]
    assert (timestamps(pa.array([f"{text}T12:00Z"]), assume_utc=False)[0].as_py() is None) == (expected is None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-21",
        "2026-11-21T10:00:00",
        "2026-11-21T10:00:00z",
        "2026-11-21t10:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T10:60:00Z",
        "2026-11-21T10:00:60Z",
        "2026-11-21T10:00:00.Z",
        "2026-11-21T10:00:00+0200",
        "2026-11-21T10:00:00+24:00",
        "2026-11-21T10:00:00Z\n",
        " 2026-11-21T10:00:00Z",
        "٢٠٢٦-11-21T10:00:00Z",
        "10000-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    ],
)
def test_anything_else_is_not_a_timestamp(text: str) -> None:
    assert timestamps(pa.array([text]), assume_utc=False).to_pylist() == [None]


def test_a_time_without_a_zone_is_utc_only_where_the_column_says_so() -> None:
    texts = pa.array(["2026-11-21T10:00:00.5", "2026-11-21T10:00:00.5+01:00"])
    assert timestamps(texts, assume_utc=False).to_pylist()[0] is None
    read = timestamps(texts, assume_utc=True).to_pylist()
    assert read == [dt.datetime(2026, 11, 21, hour, 0, 0, 500_000, dt.UTC) for hour in (10, 9)]

"""`lakepost status DATASET`: a table that people read, lines that programs read, and one JSON object."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import catalog
from ingest.lake import DeltaLake, LocalStorage
from tests.command import Command
from tests.steps.shop import Shop, order

Status = Callable[..., tuple[int, str, str]]

_SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"
_FIRST = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Twenty dates, one row each; the second one also has a row from two days later, and one has no time."""
    shop = Shop(DeltaLake(LocalStorage(tmp_path / "lake")), catalog.load(_SCHEMAS, "orders"))
    for number in range(20):
        moment = _FIRST + dt.timedelta(days=number)
        shop.land_at(moment, order(f"e{number}")._replace(timestamp=moment))
    shop.land_at(_FIRST + dt.timedelta(days=3), order("late")._replace(timestamp=_FIRST + dt.timedelta(days=1)))
    shop.land_at(_FIRST + dt.timedelta(days=5), order("timeless")._replace(timestamp=None))
    shop.curate()
    return shop


@pytest.fixture
def status(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Status:
    environment = {"LAKEPOST_LAKE_URL": (tmp_path / "lake").as_uri(), "LAKEPOST_SCHEMAS_DIR": str(_SCHEMAS)}
    lakepost = Command(monkeypatch, capsys, tmp_path, environment)

    def run(*arguments: str, is_terminal: bool = False) -> tuple[int, str, str]:
        lakepost.shows(width=80, force_terminal=is_terminal, no_color=True)
        return lakepost("status", *arguments)

    return run


def test_json_has_every_date_and_the_keys_that_it_always_had(status: Status) -> None:
    code, out, _ = status("orders", "--json")
    (found,) = json.loads(out)["datasets"]
    assert code == 0
    always = ("dataset", "raw", "curated", "quarantined", "duplicates", "pending", "raw_version", "curated_version")
    assert list(found)[:8] == list(always)
    assert {"unknown_date", "holds", "last_batch"} < found.keys()
    dates = {date["event_date"]: date for date in found["completeness"]["dates"]}
    assert (len(dates), dates["1970-01-01"]["state"], dates["1970-01-01"]["closes_at"]) == (21, "unknown", None)
    assert [dates[f"2026-11-{day}"]["state"] for day in ("01", "02", "20")] == ["closed", "late", "open"]
    assert dates["2026-11-02"]["landed_by_day_after"] == {"0": 1, "1": 0, "2": 1, "3+": 0}
    assert found["completeness"]["watermark"] == "2026-11-20T12:00:00.000+00:00"


def test_it_says_where_the_newest_batch_s_report_is(status: Status) -> None:
    (found,) = json.loads(status("orders", "--json")[1])["datasets"]
    page = Path(found["report"])
    assert page.name == f"{found['last_batch']['raw_version']:020}.html"
    assert "orders, batch" in page.read_text()
    assert str(page) in status("orders")[2].replace("\n", "")


def test_without_a_dataset_no_date_is_told(status: Status) -> None:
    assert "completeness" not in json.loads(status("--json")[1])["datasets"][0]
    assert "event_date" not in status()[1]
    code, _, err = status("--all-dates")
    assert (code, "of which dataset?" in err) == (2, True)


def test_in_a_pipe_each_date_is_a_line_of_tab_separated_fields(status: Status) -> None:
    """However narrow the terminal is said to be; words go to stderr."""
    _, out, err = status("orders", "--all-dates")
    totals, dates = out.split("\n\n")
    assert len(totals.splitlines()) == 2
    lines = [line.split("\t") for line in dates.splitlines()]
    assert {len(line) for line in lines} == {11}
    assert [line[0] for line in lines[1:4]] == ["1970-01-01", "2026-11-01", "2026-11-02"]
    assert lines[3] == ["2026-11-02", "late", "2", "2", "0", "0", "0", "0", "1", "0", "+36h"]
    assert len(lines) == 22
    assert "closed is an estimate" in err
    assert "see --all-dates" not in err


def test_on_a_terminal_of_80_columns_the_last_14_dates_are_a_table(status: Status) -> None:
    _, out, err = status("orders", is_terminal=True)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    dates = [line.split()[0] for line in lines if line.startswith(("19", "20"))]
    assert dates == ["1970-01-01", *(f"2026-11-{day:02}" for day in range(7, 21))]
    assert "6 more dates: see --all-dates" in err
    assert "events have landed up to 2026-11-20 12:00 UTC" in err


def test_a_dataset_of_the_catalogue_that_was_never_landed_is_left_out(status: Status) -> None:
    code, out, _ = status("--json")
    assert code == 0
    assert [one["dataset"] for one in json.loads(out)["datasets"]] == ["orders"]

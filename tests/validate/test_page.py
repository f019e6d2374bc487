"""The report of a batch as a page: read by people, made of messages that nobody has to trust."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from html.parser import HTMLParser
from typing import Any

import pyarrow as pa
import pytest

from ingest.model.contract import Contract
from ingest.model.expectation import Expectation
from ingest.model.ports import Batch
from ingest.validate import Suite, great
from ingest.validate import page as module
from ingest.validate import suite as suites
from tests.contracts import column, contract

_BATCH = Batch("orders", after=3, until=7, digest="0" * 64)
_IN_SET = "expect_column_values_to_be_in_set"
_BETWEEN = "expect_column_values_to_be_between"
_EVIL = '<script>alert(1)</script> & "b" $x {{7*7}}'


def _contract(*expectations: Expectation) -> Contract:
    private = dataclasses.replace(column("note", "string"), classification="pii")
    inside = dataclasses.replace(column("street", "string"), classification="pii")
    columns = (
        column("status", "string"),
        column("n", "integer"),
        private,
        column("home", "object", children=(inside,)),
    )
    return contract(columns, expectations)


def _report(rows: dict[str, Any], *expectations: Expectation) -> tuple[dict[str, Any], str]:
    """The report and its page; the report as it comes back from JSON."""
    mine = _contract(*expectations)
    report = json.loads(json.dumps(Suite().rows(pa.table(rows), mine).report))
    return report, Suite().page(report, mine, _BATCH)


class _Text(HTMLParser):
    """What a reader sees, and what the page would load or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.loads: list[str] = []
        self._hidden = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag == "style"
        self.words.append(" ")
        if tag in {"script", "link", "img", "iframe"} or any(name in {"src", "href"} for name, _ in attrs):
            self.loads.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def _expect(kind: str, **kwargs: Any) -> Expectation:
    return Expectation(kind, kwargs)


def test_a_page_says_what_was_judged_by_whom_and_what_broke() -> None:
    rows = {"status": ["placed", "lost", "lost", None], "n": [1, 2, 900, 3]}
    broken = _expect(_IN_SET, column="status", value_set=["placed"])
    report, page = _report(rows, broken, _expect(_BETWEEN, column="n", max_value=1_000, mostly=0.9))
    found = _Text(page)
    for said in (
        "orders, batch 7",
        "1 of 2 expectations are broken",
        "raw versions 4 to 7",
        f"Great Expectations {great.version()}",
        "so many rows break and are 2 rows expect_column_values_to_be_in_set(status) rejected",
        "values must belong to this set: placed",
        "2 unexpected values found. 50% of 4 total rows.",
        "Sampled Unexpected Values lost",
        "at least 90 % of the time",
    ):
        assert said in found.text, said
    assert report["expectations"][0]["examples"] == ["lost"]
    assert found.loads == []
    assert "sample of" not in found.text


def test_what_a_message_holds_is_text_and_never_markup() -> None:
    _, page = _report({"status": [_EVIL]}, _expect(_IN_SET, column="status", value_set=["<b>placed</b>"]))
    found = _Text(page)
    assert _EVIL in found.text
    assert "<b>placed</b>" in found.text
    assert (found.loads, "<script" in page) == ([], False)
    assert "default-src 'none'" in page


@pytest.mark.parametrize("name", ["note", "home"])
def test_no_value_of_a_classified_column_is_in_report_or_page(name: str) -> None:
    values: list[Any] = ["very private"] if name == "note" else [{"street": "very private"}]
    report, page = _report({name: values}, _expect("expect_column_values_to_be_null", column=name))
    assert report["expectations"][0]["examples"] is None
    assert report["expectations"][0]["broken"] == 1
    assert "very private" not in json.dumps(report) + page
    assert "100% unexpected" in _Text(page).text or "0% null" in _Text(page).text


def test_a_page_of_a_sample_says_so_and_counts_all_rows_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suites, "EVALUATED_ROWS", 50)
    report, page = _report({"n": list(range(1_200))}, _expect(_BETWEEN, column="n", max_value=99))
    text = _Text(page).text
    assert "over a sample of 50 rows" in text
    assert "1,100 rows" in text
    (entry,) = report["expectations"]
    assert (entry["broken"], entry["element_count"]) == (1_100, 50)


def test_a_page_is_bounded_whatever_breaks_and_broken_ones_come_first() -> None:
    values = [f"{number:05}" + "x" * 5_000 for number in range(200)]
    met = [_expect("expect_column_value_lengths_to_be_between", column="status", min_value=n) for n in range(150)]
    long = _expect(_IN_SET, column="status", value_set=[f"member-{n}" for n in range(5_000)])
    report, page = _report({"status": values}, *met, long)
    text = _Text(page).text
    assert len(report["expectations"][-1]["examples"]) == 20
    assert all(len(value) == 200 for value in report["expectations"][-1]["examples"])
    assert "and 4950 more" in text
    assert "51 more expectations are in the JSON" in text
    assert text.index("member-1") < text.index("greater than or equal to")
    assert len(page) < 400_000


def test_a_page_without_rows_or_without_expectations_is_a_page() -> None:
    _, page = _report({"n": pa.array([], pa.int64())}, _expect(_BETWEEN, column="n", max_value=1))
    assert "there was nothing to judge" in _Text(page).text
    _, page = _report({"n": [1]})
    assert "No row breaks any" in _Text(page).text


def test_a_renderer_that_fails_costs_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_entries: object) -> list[str]:
        raise RuntimeError("<no>")

    monkeypatch.setattr(great, "sections", fails)
    _, page = _report({"n": [1]}, _expect(_BETWEEN, column="n", max_value=0))
    assert "could not render its part: <no>" in _Text(page).text


def test_what_great_expectations_could_not_compute_is_told() -> None:
    _, page = _report(
        {"status": ["a"]}, _expect("expect_column_values_to_match_regex", column="status", regex="^a{1001}$")
    )
    text = _Text(page).text
    assert "repetition" in text
    assert "does NOT agree" in text


def test_rendering_takes_less_than_a_third_of_a_second() -> None:
    mine = [_expect(_BETWEEN, column="n", max_value=bound) for bound in range(module.SHOWN)]
    report, _ = _report({"n": [1, 50]}, *mine)  # also compiles GX's templates, once per process
    took = []
    for _ in range(3):  # a collection of garbage may fall into one
        begun = time.process_time()
        Suite().page(report, _contract(*mine), _BATCH)
        took.append(time.process_time() - begun)
    assert min(took) < 0.3

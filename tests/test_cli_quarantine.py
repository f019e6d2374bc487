"""`lakepost quarantine`: what it says, as text and as JSON, and what a stranger gets wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest import catalog
from ingest.lake import DeltaLake, LocalStorage
from tests.command import Command
from tests.steps.shop import Shop, order


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    target = tmp_path / "schemas" / "orders"
    target.mkdir(parents=True)
    source = Path(__file__).resolve().parents[1] / "schemas" / "orders"
    for name in ("contract.odcs.yaml", "suite.json"):
        (target / name).write_text((source / name).read_text())
    return target.parent


@pytest.fixture
def shop(tmp_path: Path, schemas: Path) -> Shop:
    shop = Shop(DeltaLake(LocalStorage(tmp_path / "lake")), catalog.load(schemas, "orders"))
    shop.land(order("good"), order("neg", total=-1), order("neg2", total=-1, day=21), order("raw", raw=b"\xff\x1b[2J"))
    shop.land(order("long", raw=b"x" * 9_000))
    shop.curate()
    return shop


@pytest.fixture
def lakepost(
    shop: Shop, schemas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    environment = {"LAKEPOST_LAKE_URL": (tmp_path / "lake").as_uri(), "LAKEPOST_SCHEMAS_DIR": str(schemas)}
    return Command(monkeypatch, capsys, tmp_path, environment)


def of(lakepost: Command, *arguments: str) -> dict[str, Any]:
    code, told = lakepost.json("quarantine", *arguments)
    assert code == 0
    return told


def mend(schemas: Path) -> None:
    suite = json.loads((schemas / "orders" / "suite.json").read_text())
    suite["expectations"] = [one for one in suite["expectations"] if one["kwargs"].get("column") != "total"]
    (schemas / "orders" / "suite.json").write_text(json.dumps(suite))


def test_list_groups_by_why(lakepost: Command) -> None:
    groups = of(lakepost, "list", "orders")["groups"]
    assert [(group["rows"], group["reason"]) for group in groups] == [
        (2, "expectation"),
        (1, "encoding"),
        (1, "malformed"),
    ]
    first = groups[0]
    assert (first["column"], first["first_date"], first["last_date"]) == ("total", "2026-11-20", "2026-11-21")
    window, row = first["example"].split(":")
    (shown,) = of(lakepost, "show", "orders", "--window", window, "--row", row)["rows"]
    assert (shown["event_id"], shown["value"]) == ("neg", "-1.00")
    code, out, _ = lakepost("quarantine", "list", "orders")
    assert code == 0
    assert out.splitlines()[1].startswith("2\texpectation\texpect_column_values_to_be_between\ttotal\t")


def test_show_filters_limits_and_says_that_there_are_more(lakepost: Command) -> None:
    told = of(lakepost, "show", "orders", "--column", "total", "--limit", "1")
    assert ([row["event_id"] for row in told["rows"]], told["more"]) == (["neg"], True)
    assert json.loads(told["rows"][0]["body"])["total"] == -1
    assert of(lakepost, "show", "orders", "--reason", "it's none")["rows"] == []
    assert "only the first 1 rows" in lakepost("quarantine", "show", "orders", "--limit", "1")[2]


def test_show_escapes_bytes_and_cuts_a_long_body(lakepost: Command) -> None:
    code, out, _ = lakepost("quarantine", "show", "orders", "--reason", "encoding")
    assert code == 0
    assert "\\xff\\x1b[2J" in out
    (row,) = of(lakepost, "show", "orders", "--reason", "malformed")["rows"]
    assert (row["body_bytes"], len(row["body"])) == (9_000, 2_001)
    (row,) = of(lakepost, "show", "orders", "--window", row["window"], "--row", str(row["row"]))["rows"]
    assert len(row["body"]) == 9_000


def test_replay_says_what_it_would_do_then_does_it_once(lakepost: Command, schemas: Path, shop: Shop) -> None:
    mend(schemas)
    would = of(lakepost, "replay", "orders", "--dry-run")
    assert (would["dry_run"], would["curated"], would["quarantined"]) == (True, 2, 2)
    assert shop.curated() == ["good"]
    code, out, _ = lakepost("quarantine", "replay", "orders")
    assert code == 0
    assert "judged 4 rows" in out
    assert "2 to curated (2026-11-20, 2026-11-21)" in out
    assert "2 stay in quarantine: encoding (1), malformed (1)" in out
    assert shop.curated() == ["good", "neg", "neg2"]
    assert of(lakepost, "replay", "orders")["curated"] == 0
    assert shop.lake.totals("orders").holds


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("list", "nope"), "the catalogue has: orders"),
        (("show", "orders", "--row", "1"), "--window and --row name one row together"),
        (("show", "orders", "--window", "w", "--row", "1"), "row w:1 is not in quarantine"),
        (("replay",), "Missing argument"),
        (("show", "orders", "--limit", "0"), "limit"),
    ],
)
def test_what_a_stranger_gets_wrong(lakepost: Command, arguments: tuple[str, ...], says: str) -> None:
    code, _, err = lakepost("quarantine", *arguments)
    assert code == 2
    assert says in err
    assert "Traceback" not in err

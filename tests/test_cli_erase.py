"""`lakepost erase` by the command and a real broker: exit codes, words, and a redelivery that changes nothing."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.lake import DeltaLake, LocalStorage
from ingest.model.points import Point
from tests.command import Command
from tests.live import Live
from tests.reading import rows_of
from tests.steps.shop import order

CHILD = Path(__file__).with_name("crash") / "child.py"
GONE = "c-666666"
KEYS = "k1:" + "b29v" * 16


@pytest.fixture
def lakepost(
    live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    return Command(monkeypatch, capsys, tmp_path, {**live.environment, "LAKEPOST_PII_KEYS": KEYS})


def test_erased_while_killed_and_run_again_and_redelivered(
    live: Live, lakepost: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed by SIGKILL between curated and quarantine; afterwards the same events come again from the broker."""
    theirs = [order("a", customer_id=GONE), order("bad", customer_id=GONE, total=-1), order("b", customer_id=GONE)]
    live.publish([*theirs, order("other")])
    assert lakepost("ingest", "orders")[0] == 0
    child = [sys.executable, str(CHILD), "erase", GONE, Point.ERASURE_COMMITTED, "1"]
    killed = subprocess.run(child, env={**os.environ}, capture_output=True, text=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{GONE}\n"))
    code, out, err = lakepost("erase", "orders", "--key", "-", "--json")
    told = json.loads(out)
    assert (code, told["erased"], told["found"], told["proved"]) == (0, 3, 0, True)
    assert GONE not in out + err

    live.publish(theirs)
    account = json.loads(lakepost("ingest", "orders", "--json")[1])
    assert (account["landed"], account["curated"], account["quarantined"], account["pending"]) == (3, 0, 0, 0)
    assert live.waiting() == 0
    lake = DeltaLake(LocalStorage(live.lake))
    assert rows_of(lake.uri("curated", "orders"))["event_id"].to_pylist() == ["other"]
    raw = rows_of(lake.uri("raw", "orders")).to_pylist()
    assert sorted((row["operation"] or "", row["body"] == b"") for row in raw) == [("", False)] + [("erased", True)] * 6
    status = json.loads(lakepost("status", "orders", "--json")[1])["datasets"][0]
    assert (status["holds"], status["erased"], status["raw"]) == (True, 6, 7)
    assert lakepost("doctor")[0] == 0

    code, out, _ = lakepost("erase", "orders", "--key", GONE)
    assert (code, "no row was this person's" in out, "proved" in out) == (0, True, True)
    monkeypatch.setenv("LAKEPOST_PII_KEYS", "")
    code, _, err = lakepost("land", "orders")
    assert (code, "no key k1" in err) == (2, True)
    code, out, _ = lakepost("doctor")
    assert (code, "no key k1" in out) == (1, True)


def test_exit_codes_tell_what_was_found_and_what_is_missing(
    live: Live, lakepost: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.publish([order("a", customer_id=GONE), order("mentions", note=f"for {GONE}")])
    assert lakepost("ingest", "orders")[0] == 0
    monkeypatch.setenv("LAKEPOST_PII_KEYS", "")
    code, _, err = lakepost("erase", "orders", "--key", GONE)
    assert (code, "openssl rand" in err) == (2, True)
    monkeypatch.setenv("LAKEPOST_PII_KEYS", KEYS)
    code, out, _ = lakepost("erase", "orders", "--key", GONE, "--dry-run")
    assert (code, "would erase 1 rows of raw, 1 of curated" in out) == (0, True)
    code, out, _ = lakepost("erase", "orders", "--key", GONE)
    assert (code, "still in raw/orders/event_date=" in out) == (1, True)

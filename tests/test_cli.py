"""The command: exit codes, one JSON object, messages that say what to do, secrets that never show."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from tests.command import Command
from tests.live import Live
from tests.steps.shop import order

LAKEPOST = str(Path(sys.executable).with_name("lakepost"))


@pytest.fixture
def lakepost(
    live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    return Command(monkeypatch, capsys, tmp_path, live.environment)


def test_from_an_empty_lake_to_an_answer(lakepost: Command, live: Live) -> None:
    assert lakepost("lake", "init")[0] == 0
    live.publish([order("a"), order("a"), order("b"), order("bad", total=-1), order("broken", raw=b"{")])
    code, account = lakepost.json("ingest", "orders")
    assert code == 0
    counts = {key: account[key] for key in ("landed", "curated", "quarantined", "duplicates", "pending")}
    assert counts == {"landed": 5, "curated": 2, "quarantined": 2, "duplicates": 1, "pending": 0}
    assert list(account) == [
        *("dataset", "landed", "curated", "quarantined", "duplicates", "pending"),
        *("raw_version", "curated_version", "partitions", "seconds", "lost", "request_units"),
        "request_units_used_up",
    ]
    _, status = lakepost.json("status", "orders")
    assert status["datasets"][0]["holds"] is True
    assert status["datasets"][0]["last_batch"]["curated"] == 2
    _, found = lakepost.json("sql", "SELECT reason, count(*) AS n FROM quarantine.orders GROUP BY 1 ORDER BY 1")
    assert found["rows"] == [{"reason": "expectation", "n": 1}, {"reason": "malformed", "n": 1}]
    code, said = lakepost.json("doctor")
    assert (code, said["ok"]) == (0, True), said


def test_the_glob_and_the_log_agree(lakepost: Command, live: Live) -> None:
    """Invariant 4."""
    live.publish([order(f"e{number}", day=1 + number % 5) for number in range(20)])
    lakepost("ingest", "orders")
    glob = f"{live.lake}/curated/orders/event_date=*/*.parquet"
    by_glob = f"SELECT * FROM read_parquet('{glob}', hive_partitioning=true, union_by_name=true)"
    for one, other in ((by_glob, "FROM curated.orders"), ("FROM curated.orders", by_glob)):
        columns = "event_id, event_date, total, occurred_at, items"
        _, found = lakepost.json("sql", f"SELECT {columns} FROM ({one}) EXCEPT SELECT {columns} FROM ({other})")
        assert found["rows"] == []
    _, found = lakepost.json("sql", f"SELECT count(*) AS n FROM ({by_glob})")
    assert found["rows"] == [{"n": 20}]


def test_status_exits_1_when_the_account_does_not_hold(lakepost: Command, live: Live) -> None:
    live.publish([order("a"), order("b")])
    lakepost("ingest", "orders")
    DeltaTable(str(live.lake / "curated" / "orders")).delete("event_id = 'a'")
    code, status = lakepost.json("status")
    assert code == 1
    assert status["datasets"][0]["holds"] is False
    code, out, _ = lakepost("doctor")
    assert code == 1
    assert "2 rows in raw, 1 accounted for" in out


def test_a_gate_exits_3_and_names_what_broke(lakepost: Command, live: Live) -> None:
    live.rewrite("minRows: 1000", "minRows: 2")
    live.publish([order("a"), order("bad", total=-1)])
    code, told = lakepost.json("ingest", "orders")
    assert code == 3
    assert told["error"] == "GateClosed"
    assert told["pending"] == 2
    assert told["expectations"] == {"expect_column_values_to_be_between(total)": 1}
    assert lakepost.json("curate", "orders", "--accept")[1]["quarantined"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("land", "nope"), 2, "the catalogue has: orders"),
        (("land",), 2, "Missing argument"),
        (("land", "orders", "--max-messages", "0"), 2, "max-messages"),
        (("status", "orders"), 2, "lakepost lake init"),
        (("sql", "SELECT * FROM curated.orders"), 1, "lakepost lake init"),
        (("frobnicate",), 2, "No such command"),
    ],
)
def test_what_a_stranger_gets_wrong(lakepost: Command, arguments: tuple[str, ...], code: int, says: str) -> None:
    found, _, err = lakepost(*arguments)
    assert found == code
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "value", "code", "says"),
    [
        ("LAKEPOST_LAKE_URL", "lake", 2, "file:///absolute/path"),
        ("LAKEPOST_RABBITMQ_URL", "", 2, "amqp://USER:PASSWORD@HOST:PORT/VHOST"),
        ("LAKEPOST_WINDOW_ROWS", "many", 2, "LAKEPOST_WINDOW_ROWS"),
        ("LAKEPOST_RABBITMQ_URL", "amqp://guest:tops3cret@127.0.0.1:1/", 75, "127.0.0.1:1"),
    ],
)
def test_a_wrong_setting_is_named(
    lakepost: Command, monkeypatch: pytest.MonkeyPatch, name: str, value: str, code: int, says: str
) -> None:
    monkeypatch.setenv(name, value)
    found, _, err = lakepost("land", "orders")
    assert found == code
    assert says in err
    assert "tops3cret" not in err


def test_doctor_says_what_is_wrong_with_the_queue(lakepost: Command, live: Live) -> None:
    live.publish([])
    live.rewrite("queueType: quorum", "queueType: classic")
    lakepost("lake", "init")
    code, out, _ = lakepost("doctor")
    assert code == 1
    assert "x-queue-type" in out


@pytest.fixture
def landing(live: Live) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `lakepost land` in a session of its own, which ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(**settings: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [LAKEPOST, "land", "orders", "--max-seconds", "600", "--json"],
            env={**os.environ, **live.environment, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def held(live: Live, process: subprocess.Popen[str]) -> None:
    """Wait until `process` holds all that waits."""
    deadline = time.monotonic() + 60
    while live.waiting() and process.poll() is None and time.monotonic() < deadline:
        pass  # each look asks the broker


def test_two_signals_leave_the_window_to_the_next_run(landing: Callable[..., Any], live: Live) -> None:
    live.publish([order(f"e{number}", note="x" * 2_000) for number in range(3_000)])
    process = landing(LAKEPOST_WINDOW_SECONDS="900")
    held(live, process)
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.004)  # within the commit, which takes longer than this
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert process.returncode in {0, 75}, err
    told = json.loads(out)
    assert "landed" in told if process.returncode == 0 else told["error"] == "SourceUnavailable"
    # What had left the broker and not arrived yet at the first signal is given back: all is landed or waits.
    assert told.get("landed", 0) + live.waiting() == 3_000


def test_sigterm_commits_the_window_under_way_and_ends(landing: Callable[..., Any], live: Live) -> None:
    live.publish([order(f"e{number}") for number in range(50)])
    process = landing(LAKEPOST_WINDOW_SECONDS="900")
    held(live, process)
    assert not (live.lake / "raw" / "orders" / "event_date=2026-11-20").exists()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["landed"] == 50
    assert live.waiting() == 0

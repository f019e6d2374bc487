"""A stream by the command: landed, read again, replaced, and what it lost."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import aiormq
import pytest

from tests.command import Command
from tests.live import Live
from tests.steps.shop import order


@pytest.fixture
def lakepost(
    live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    return Command(monkeypatch, capsys, tmp_path, live.environment)


@pytest.fixture
def stream(live: Live) -> Live:
    """`orders` in a stream that keeps about 300 KB."""
    short = "{x-max-length-bytes: 300000, x-stream-max-segment-size-bytes: 100000}"
    live.rewrite("queueType: quorum", f"queueType: stream\n          arguments: {short}")
    return live


def test_a_second_reading_adds_nothing_to_curated_and_moves_nothing(lakepost: Command, stream: Live) -> None:
    stream.publish([order(f"e{n}", order_id=f"o-{n:08d}") for n in range(10)])
    _, first = lakepost.json("ingest", "orders")
    assert (first["landed"], first["curated"], first["lost"]) == (10, 10, 0)
    stream.publish([order("new", order_id="o-00000010")])
    hour = dt.timedelta(hours=1)
    for since, count in (
        (("--from-offset", "6"), 4),
        (("--from-time", (dt.datetime.now(dt.UTC) - hour).isoformat()), 10),
        (("--from-time", str(int((dt.datetime.now(dt.UTC) - hour).timestamp()))), 10),
        (("--from-offset", "6", "--max-messages", "1"), 1),
        (("--from-offset", "10"), 0),  # beyond where land has come
    ):
        code, again = lakepost.json("land", "orders", *since)
        assert (code, again["landed"]) == (0, count), since
    _, curated = lakepost.json("ingest", "orders")
    assert (curated["landed"], curated["curated"], curated["duplicates"]) == (1, 1, 25)
    _, status = lakepost.json("status", "orders")
    assert status["datasets"][0]["holds"] is True


def test_a_first_landing_may_begin_anywhere(lakepost: Command, stream: Live) -> None:
    stream.publish([order(f"e{n}") for n in range(10)])
    assert lakepost.json("land", "orders", "--from-offset", "7")[1]["landed"] == 3
    assert lakepost.json("land", "orders")[1]["landed"] == 0
    assert lakepost.json("land", "orders", "--from-offset", "0")[1]["landed"] == 10


def test_what_the_stream_no_longer_had_is_told_by_land_and_by_status(lakepost: Command, stream: Live) -> None:
    stream.publish([order(f"e{n}") for n in range(10)])
    assert lakepost.json("land", "orders")[1]["lost"] == 0
    stream.publish([order(f"e{n}", note="x" * 2_000) for n in range(10, 500)])
    code, account = lakepost.json("land", "orders")
    assert code == 0
    assert account["lost"] > 0
    assert 490 - 20 <= account["lost"] + account["landed"] <= 490 + 20  # the broker has an offset in each segment, too
    _, status = lakepost.json("status", "orders")
    (loss,) = status["datasets"][0]["losses"]
    assert (loss["first"], loss["last"]) == (10, 9 + account["lost"])
    _, _, err = lakepost("status", "orders")
    assert f"LOST: the stream {loss['stream']} no longer had offsets 10 to {loss['last']}" in err
    assert lakepost.json("land", "orders")[1]["lost"] == 0


def test_a_replaced_stream_is_told_and_once_adopted_its_messages_are_new_events(
    lakepost: Command, stream: Live
) -> None:
    stream.publish([order(f"e{n}") for n in range(2)])
    stream.publish_nameless([order(None)])
    assert lakepost("land", "orders", "--adopt-replaced")[0] == 2  # no tables yet
    lakepost("land", "orders")
    code, told = lakepost.json("land", "orders", "--adopt-replaced")
    assert (code, told["message"]) == (2, "no stream of orders was replaced")

    async def delete() -> None:
        connection = await aiormq.connect(stream.broker.url)
        await (await connection.channel()).queue_delete(stream.contract.queues[0].queue)
        await connection.close()

    asyncio.run(delete())
    stream.publish([order("e0")])
    stream.publish_nameless(order(None, total=n) for n in range(4))
    for again in ((), ("--from-offset", "0")):
        code, told = lakepost.json("land", "orders", *again)
        assert (code, told["error"]) == (1, "SourceReplaced")
        assert "--adopt-replaced" in told["remedy"]
    assert lakepost.json("land", "orders", "--adopt-replaced")[1]["landed"] == 5
    stream.publish([order("e9")])
    assert lakepost.json("land", "orders")[1]["landed"] == 1
    assert lakepost.json("land", "orders", "--from-offset", "4")[1]["landed"] == 2
    _, account = lakepost.json("curate", "orders")
    assert (account["curated"], account["duplicates"]) == (9, 2)
    _, found = lakepost.json("sql", "SELECT event_id FROM curated.orders WHERE event_id LIKE '%offset%'")
    queue = stream.contract.queues[0].queue
    assert sorted(row["event_id"] for row in found["rows"]) == sorted(
        [f"lakepost:offset:{queue}/2", *(f"lakepost:offset:{queue}@1/{n}" for n in range(1, 5))]
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from-offset", "1", "--from-time", "5"), "give one of them"),
        (("--from-time", "2026-11-20T08:00:00"), "2026-11-20T08:00:00Z, or seconds"),
        (("--from-time", "yesterday"), "2026-11-20T08:00:00Z, or seconds"),
        (("--from-time", "99999999999999999"), "2026-11-20T08:00:00Z, or seconds"),
        (("--from-offset", "1"), "is no stream"),
    ],
)
def test_where_to_begin_must_be_sayable(arguments: tuple[str, ...], says: str, lakepost: Command) -> None:
    code, _, err = lakepost("land", "orders", *arguments)
    assert code == 2
    assert says in err


def test_doctor_tells_the_offsets(lakepost: Command, stream: Live) -> None:
    lakepost("lake", "init")
    stream.publish([order(f"e{n}") for n in range(3)])
    _, said = lakepost.json("doctor")
    (offsets,) = [finding for finding in said["findings"] if finding["name"] == "offsets"]
    assert offsets["says"].startswith("0 to 2 in the stream")

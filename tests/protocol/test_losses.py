"""Each sentence of the commit protocol that names a loss: the loss, and that Lakepost does not have it.

Every test has two halves. The first breaks the sentence by hand, with the libraries Lakepost uses, and
shows what is lost or doubled: if a library mends that one day, the test says so. The second goes the way
Lakepost goes.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

import ingest.lake.commit
from ingest.errors import CommitFailed, LakeUnavailable, SchemaMismatch
from ingest.lake import raw
from ingest.lake.commit import Entry, commit, numbered
from ingest.model.tables import RAW
from tests.reading import count, rows_of

SCHEMA = pa.schema([pa.field("id", pa.int64()), pa.field("event_date", pa.date32(), nullable=False)])
DAY = dt.date(2026, 11, 20)


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": list(ids), "event_date": [DAY] * len(ids)}, schema=SCHEMA)


def window(name: str, count: int) -> pa.Table:
    now = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    fixed = {"window": name, "body": b"{}", "source": "s", "redelivered": False, "landed_at": now, "event_date": DAY}
    return pa.Table.from_pylist([{**fixed, "row": row, "event_id": f"{name}-{row}"} for row in range(count)], RAW)


def ids(uri: str) -> list[int]:
    return sorted(rows_of(uri)["id"].to_pylist())


def numbered_entry(application: str, number: int) -> Entry:
    return Entry(application, number, numbered(application, number))


def transaction(application: str, number: int) -> CommitProperties:
    return CommitProperties(app_transactions=[Transaction(application, number)])


@pytest.fixture
def uri(tmp_path: Path) -> str:
    path = str(tmp_path / "table")
    DeltaTable.create(path, SCHEMA, partition_by=["event_date"])
    return path


@pytest.fixture
def raw_uri(tmp_path: Path) -> str:
    path = str(tmp_path / "raw")
    DeltaTable.create(path, RAW, partition_by=["event_date"], configuration={"delta.enableChangeDataFeed": "true"})
    return path


@pytest.fixture
def answers_lost(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The next write commits and its answer is lost: the caller sees an error."""
    left = [1]

    def write(*args: Any, **kwargs: Any) -> None:
        write_deltalake(*args, **kwargs)
        if left[0] > 0:
            left[0] -= 1
            raise OSError("the answer was lost")

    monkeypatch.setattr(ingest.lake.commit, "write_deltalake", write)
    return left


class TestARetryOnAFreshHandleDoublesRows:
    """Delta does not refuse an old application-transaction number on a fresh handle."""

    def test_the_loss(self, uri: str) -> None:
        for _ in range(2):
            write_deltalake(DeltaTable(uri), rows(1), mode="append", commit_properties=transaction("app", 7))
        assert ids(uri) == [1, 1]

    def test_a_lower_number_even_moves_the_position_back(self, uri: str) -> None:
        for number in (7, 3):
            write_deltalake(DeltaTable(uri), rows(1), mode="append", commit_properties=transaction("app", number))
        assert DeltaTable(uri).transaction_version("app") == 3

    def test_commit_skips_what_the_log_already_holds(self, uri: str) -> None:
        for number in (7, 7, 3):
            commit(uri, rows(1), numbered_entry("app", number))
        assert ids(uri) == [1]
        assert DeltaTable(uri).transaction_version("app") == 7


class TestAnErrorDoesNotMeanThatNothingWasCommitted:
    """Reopen and decide again."""

    def test_the_loss(self, uri: str, answers_lost: list[int]) -> None:
        write = vars(ingest.lake.commit)["write_deltalake"]
        with pytest.raises(OSError, match="lost"):
            write(DeltaTable(uri), rows(1), mode="append")
        write(DeltaTable(uri), rows(1), mode="append")
        assert ids(uri) == [1, 1]

    def test_commit_finds_its_number(self, uri: str, answers_lost: list[int]) -> None:
        commit(uri, rows(1), numbered_entry("app", 1))
        assert answers_lost == [0]
        assert ids(uri) == [1]

    def test_also_when_every_answer_is_lost(self, uri: str, answers_lost: list[int]) -> None:
        answers_lost[0] = 100
        commit(uri, rows(1), numbered_entry("app", 1))
        assert ids(uri) == [1]


class TestAQueuesWindowIsLookedForBeforeItIsWrittenAgain:
    """A queue has no position: the next number is free whether or not the window was committed."""

    def test_the_loss(self, raw_uri: str, answers_lost: list[int]) -> None:
        def never(_table: DeltaTable, _attempt: int) -> bool:
            return False

        commit(raw_uri, window("w", 3), Entry("land:q", None, never))
        assert DeltaTable(raw_uri).count() == 6

    def test_append_finds_its_window(self, raw_uri: str, answers_lost: list[int]) -> None:
        raw.append(raw_uri, window("w", 3), window="w", application="land:q", position=None)
        assert answers_lost == [0]
        assert DeltaTable(raw_uri).count() == 3

    def test_the_number_of_another_land_is_not_taken_for_its_own(self, raw_uri: str) -> None:
        """Two lands of one queue: deciding by number alone would drop the second one's window."""
        other = numbered("land:q", 0)
        raw.append(raw_uri, window("a", 3), window="a", application="land:q", position=None)
        assert other(DeltaTable(raw_uri), 2)
        raw.append(raw_uri, window("b", 2), window="b", application="land:q", position=None)
        assert DeltaTable(raw_uri).count() == 5


class TestWriteWithTheHandleNeverByPath:
    """A replacement by path erases a row that was appended after its rows were computed."""

    def test_the_loss(self, uri: str) -> None:
        commit(uri, rows(1), numbered_entry("app", 1))
        recomputed = rows(10)
        commit(uri, rows(2), numbered_entry("app", 2))
        write_deltalake(uri, recomputed, mode="overwrite", predicate=f"event_date = '{DAY}'")
        assert ids(uri) == [10]

    def test_the_pinned_handle_conflicts_instead(self, uri: str) -> None:
        commit(uri, rows(1), numbered_entry("app", 1))
        pinned = DeltaTable(uri)
        commit(uri, rows(2), numbered_entry("app", 2))
        with pytest.raises(CommitFailedError):
            write_deltalake(pinned, rows(10), mode="overwrite", predicate=f"event_date = '{DAY}'")
        assert ids(uri) == [1, 2]


class TestSchemasAreEqualBeforeEachWrite:
    """`write_deltalake` casts silently."""

    def test_the_loss(self, uri: str) -> None:
        wrong = pa.table({"id": [1.5], "event_date": pa.array([DAY], pa.date32())})
        write_deltalake(uri, wrong, mode="append")
        assert ids(uri) == [1]

    def test_commit_refuses(self, uri: str) -> None:
        wrong = pa.table({"id": [1.5], "event_date": pa.array([DAY], pa.date32())})
        with pytest.raises(SchemaMismatch, match="id: table int64, rows double"):
            commit(uri, wrong, numbered_entry("app", 1))
        assert ids(uri) == []


class TestReadingWhatIsNew:
    """`load_cdf` from the last version + 1 is an error unless it is told that this may be out of range."""

    def test_the_loss(self, raw_uri: str) -> None:
        table = DeltaTable(raw_uri)
        with pytest.raises(DeltaError):
            table.load_cdf(table.version() + 1)

    def test_nothing_new_is_no_rows(self, raw_uri: str) -> None:
        assert count(raw.pieces(raw_uri, 0, 0)) == 0

    def test_an_optimised_table_gives_its_inserts_once(self, raw_uri: str) -> None:
        for name in ("a", "b"):
            raw.append(raw_uri, window(name, 2), window=name, application="land:q", position=None)
        DeltaTable(raw_uri).optimize.compact()
        assert count(raw.pieces(raw_uri, 0, DeltaTable(raw_uri).version())) == 4

    def test_a_deleted_row_is_not_read_as_a_new_one(self, raw_uri: str) -> None:
        raw.append(raw_uri, window("a", 3), window="a", application="land:q", position=None)
        DeltaTable(raw_uri).delete("row = 1")
        assert count(raw.pieces(raw_uri, 1, DeltaTable(raw_uri).version())) == 0


class TestTheLogIsKeptUntilItWasRead:
    """A commit's own clean-up of the log would take away versions that a paused curate has not read."""

    @pytest.fixture
    def short_log(self, tmp_path: Path) -> str:
        path = str(tmp_path / "raw")
        properties = {
            "delta.enableChangeDataFeed": "true",
            "delta.checkpointInterval": "2",
            "delta.logRetentionDuration": "interval 0 seconds",
        }
        DeltaTable.create(path, RAW, partition_by=["event_date"], configuration=dict(properties))
        return path

    def test_the_loss(self, short_log: str) -> None:
        for name in "abcdef":
            write_deltalake(DeltaTable(short_log), window(name, 1), mode="append")
        assert not (Path(short_log) / "_delta_log" / f"{1:020d}.json").exists()

    def test_commit_leaves_the_log(self, short_log: str) -> None:
        for name in "abcdef":
            raw.append(short_log, window(name, 1), window=name, application="land:q", position=None)
        assert count(raw.pieces(short_log, 0, 6)) == 6


class TestErrorsSayWhoseTheyAre:
    def test_other_writers_first_on_every_attempt(self, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_args: Any, **_kwargs: Any) -> None:
            raise CommitFailedError("another writer")

        monkeypatch.setattr(ingest.lake.commit, "_ATTEMPTS", 2)
        monkeypatch.setattr(ingest.lake.commit, "write_deltalake", refuse)
        with pytest.raises(CommitFailed):
            commit(uri, rows(1), numbered_entry("app", 1))

    def test_storage_that_refuses(self, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_args: Any, **_kwargs: Any) -> None:
            raise OSError("No space left on device")

        monkeypatch.setattr(ingest.lake.commit, "_ATTEMPTS", 2)
        monkeypatch.setattr(ingest.lake.commit, "write_deltalake", refuse)
        with pytest.raises(LakeUnavailable, match="No space left"):
            commit(uri, rows(1), numbered_entry("app", 1))

    def test_a_table_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(LakeUnavailable, match="lake init"):
            commit(str(tmp_path / "none"), rows(1), numbered_entry("app", 1))

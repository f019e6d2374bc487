"""The items as they are now: whatever the history, and however it came, they are what a plain fold of it says."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ingest import envelope
from ingest.errors import CommitFailed
from ingest.lake import DeltaLake, LocalStorage
from ingest.lake.query import query
from ingest.model.contract import Column, LogicalType
from ingest.model.points import OF_ITEMS, Point, passing
from ingest.model.status import Items
from ingest.sources.memory import CrashAt, SimulatedCrash
from ingest.steps import Limits
from ingest.steps.maintain import compact, vacuum
from tests.reading import rows_of
from tests.steps.histories import Change, History

OPERATIONS = ("create", "delete", "replace", "delete (inferred)", "upsert", "delete", "snapshot")


def change(item: str, lsn: int, index: int, generation: int) -> Change:
    """What is said twice is the same twice."""
    operation = OPERATIONS[(ord(item) + 3 * lsn + index + 2 * generation) % len(OPERATIONS)]
    return Change(item, operation, lsn, index, generation)


CHANGES = st.builds(change, st.sampled_from("abcd"), st.integers(0, 4), st.integers(0, 1), st.integers(0, 1))
STEPS = st.lists(
    st.one_of(
        st.lists(CHANGES, max_size=6),
        st.lists(CHANGES, max_size=6),
        st.sampled_from(["derive", "derive", "erase a", "compact"]),
    ),
    min_size=2,
    max_size=7,
)
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # each example makes tables: shrinking takes minutes


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(DeltaLake(LocalStorage(tmp_path / "lake")))


def any_history(steps: list[list[Change] | str], rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = History(DeltaLake(LocalStorage(Path(folder))), limits=Limits(rows=rows))
        history.derive()
        for step in steps:
            if step == "derive":
                history.derive()
                assert history.holds
            elif step == "erase a":
                history.erase("a")
            elif step == "compact":
                compact("orders", history.lake)
            else:
                history.append(*[one for one in step if isinstance(one, Change)])
        history.derive()
        assert history.holds
        increments = history.table("current"), history.table("deleted")
        history.derive(anew=True)
        assert (history.table("current"), history.table("deleted")) == increments


@settings(max_examples=8, deadline=None, phases=PHASES)
@given(STEPS, st.sampled_from([2, 1_000]))
def test_any_history_is_what_a_plain_fold_of_it_says(steps: list[list[Change] | str], rows: int) -> None:
    any_history(steps, rows)


@pytest.mark.soak
@settings(max_examples=150, deadline=None, phases=PHASES)
@given(STEPS, st.sampled_from([1, 2, 3, 1_000]))
def test_many_histories_are_what_a_plain_fold_of_them_says(steps: list[list[Change] | str], rows: int) -> None:
    any_history(steps, rows)


def ids(history: History, stage: str = "current") -> list[str]:
    return [row["key"][2:-2] for row in history.table(stage)]


BEFORE = (
    Change("kept"),
    Change("changed"),
    Change("dropped"),
    Change("back", "delete", 2),
    Change("gone", "delete", 2),
)
"""`back` will be made again, `gone` stays deleted."""
THEN = (
    Change("changed", lsn=3),
    Change("dropped", "delete", 3),
    Change("back", "create", 3),
    Change("gone", lsn=1),  # late
    Change("new", "create", 3),
    Change("short", "create", 3),
    Change("short", "delete", 4),
)
AFTER = ["back", "changed", "kept", "new"], ["dropped", "gone", "short"]


@pytest.mark.parametrize("point", OF_ITEMS)
@pytest.mark.parametrize("rows", [3, 1_000])
def test_a_killed_run_is_finished_by_the_next_and_nothing_deleted_comes_back(
    history: History, point: Point, rows: int
) -> None:
    history.append(*BEFORE)
    history.derive()
    history.limits = Limits(rows=rows)
    history.append(*THEN)
    for nth in (1, 2) if rows == 3 and point is not Point.ITEMS_SETTLED else (1,):
        with pytest.raises(SimulatedCrash):
            history.derive(reached=CrashAt(point, nth))
        assert "gone" not in ids(history)
    history.derive()
    assert history.holds
    assert (ids(history), ids(history, "deleted")) == AFTER


@pytest.mark.parametrize("point", [Point.DELETED_COMMITTED, Point.ITEMS_COMMITTED])
def test_killed_while_all_is_made_anew_the_next_run_makes_it_anew(history: History, point: Point) -> None:
    history.append(*BEFORE)
    history.derive()
    history.append(*THEN)
    history.erase("kept")
    with pytest.raises(SimulatedCrash):
        history.derive(reached=CrashAt(point))
    history.derive()
    assert history.holds
    assert "kept" not in ids(history)


def appended(history: History) -> None:
    history.append(Change("changed", "delete", 9), Change("dropped", "create", 9), Change("new", lsn=9))
    history.derive()


def erased(history: History) -> None:
    history.erase("new")
    history.derive()


def made_anew(history: History) -> None:
    history.derive(anew=True)


def compacted(history: History) -> None:
    compact("orders", history.lake)


def vacuumed(history: History) -> None:
    vacuum("orders", history.lake)


@pytest.mark.parametrize("meanwhile", [appended, erased, made_anew, compacted, vacuumed])
@pytest.mark.parametrize("point", OF_ITEMS)
def test_what_others_do_meanwhile_neither_loses_an_item_nor_doubles_it(
    history: History, point: Point, meanwhile: Callable[[History], None]
) -> None:
    """One has brought in a part when another is faster: with more of the history, or after an erasure."""
    history.append(*BEFORE)
    history.derive()
    history.append(Change("small"))
    history.derive()  # two files, so that there is something to compact
    history.append(*THEN)
    left = 1

    def reached(at: Point) -> None:
        nonlocal left
        if at is point and left:
            left = 0
            meanwhile(history)

    history.derive(reached=reached)
    history.derive()
    assert (left, history.holds) == (0, True)
    assert len(ids(history)) == len(set(ids(history)))


def test_whoever_has_less_of_the_history_than_another_gets_nothing_in(history: History) -> None:
    """Neither the item nor the tombstone: also where the other had nothing to write to the deleted ones."""
    history.append(Change("a"))
    history.derive()
    history.append(Change("a", "delete", 5))
    late = history.lake.pin_items("orders")
    history.append(Change("a", "create", 6))
    history.derive()
    with pytest.raises(CommitFailed):
        late.merge(pa.Table.from_batches(late.history()), passing)
    history.derive()
    assert history.holds


def test_files_that_are_gone_meanwhile_are_told_as_another_commit_is(history: History) -> None:
    """An erasure's search, or a vacuum with nobody active, has removed what was replaced since."""
    history.append(Change("a"))
    history.derive()
    history.append(Change("a", lsn=2), Change("b"))
    late = history.lake.pin_items("orders")
    history.derive()
    vacuum("orders", history.lake, older_than=0, nobody_is_active=True)
    with pytest.raises(CommitFailed, match="others have replaced"):
        late.merge(pa.Table.from_batches(late.history()), passing)


def test_others_who_are_always_first_are_told(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.steps.current._ATTEMPTS", 2)
    history.append(*BEFORE)

    def reached(at: Point) -> None:
        if at is Point.DELETED_COMMITTED:
            table = DeltaTable(history.lake.uri("current", "orders"))
            table.alter.set_table_properties({"delta.logRetentionDuration": "interval 3 days"})

    with pytest.raises(CommitFailed, match="run the same command again"):
        history.derive(reached=reached)
    history.derive()
    assert history.holds


def test_deriving_twice_writes_nothing_and_upkeep_of_the_history_changes_no_item(history: History) -> None:
    history.append(*BEFORE)
    history.derive()
    before = versions(history)
    history.derive()
    assert versions(history) == before
    history.append(*THEN)
    history.derive()
    compact("orders", history.lake)
    vacuum("orders", history.lake, older_than=0, nobody_is_active=True)
    history.contract = history.lake.learn(history.contract, [Column("points", "points", LogicalType.INTEGER)])
    table = DeltaTable(history.lake.uri("curated", "orders"))
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 3 days"})
    history.append(Change("new", lsn=7))
    pinned = history.lake.pin_items("orders")
    assert (pinned.anew, sum(batch.num_rows for batch in pinned.history())) == (False, 1)
    history.derive()
    assert "new 0.7.0" in [row["name"] for row in history.table("current")]


def versions(history: History) -> list[int]:
    return [DeltaTable(history.lake.uri(stage, "orders")).version() for stage in ("current", "deleted")]


def test_only_files_that_hold_something_older_are_written_anew(history: History) -> None:
    for item in "abc":
        history.append(Change(item))
        history.derive()
    files = set(DeltaTable(history.lake.uri("current", "orders")).file_uris())
    history.append(Change("b", lsn=2))
    history.derive()
    assert len(files & set(DeltaTable(history.lake.uri("current", "orders")).file_uris())) == 2
    assert history.holds


def test_columns_that_the_history_gains_are_the_items_too(history: History) -> None:
    """In place, as it learns them; and wider, when it was rewritten."""
    history.append(Change("a"))
    history.derive()
    points = Column("points", "points", LogicalType.INTEGER)
    history.contract = history.lake.learn(history.contract, [points])
    history.append(Change("b"))
    history.derive()
    assert [row["points"] for row in history.table("current")] == [None, None]
    wider = dataclasses.replace(history.contract, learned=(), columns=(*history.contract.columns, number(points)))
    history.lake.widen(wider, history.account("rewrite", 0))
    history.contract = wider
    history.append(Change("a", lsn=2))
    history.derive()
    history.lake.prepare(wider)  # it is the table that the lake knows still
    assert str(rows_of(history.lake.uri("current", "orders")).schema.field("points").type) == "double"
    assert [row["name"] for row in history.table("current")] == ["a 0.2.0", "b 0.1.0"]


def test_an_object_that_gains_a_field_has_it_in_the_items_of_before_too(history: History) -> None:
    history.append(Change("a"), Change("b"))
    history.derive()
    first, second, address = history.contract.columns
    wider = dataclasses.replace(address, children=(*address.children, Column("floor", "floor", LogicalType.INTEGER)))
    history.contract = dataclasses.replace(history.contract, columns=(first, second, wider))
    history.lake.prepare(history.contract)
    history.append(Change("a", lsn=2))
    history.derive()
    assert [row["address"] for row in history.table("current")] == [{"city": "Köln", "floor": None}] * 2
    assert [row["lsn"] for row in history.table("current")] == [2, 1]


def number(column: Column) -> Column:
    return dataclasses.replace(column, type=LogicalType.NUMBER)


def test_the_files_of_the_items_are_the_items_after_a_vacuum_with_nobody_active(history: History) -> None:
    for changes in (BEFORE, THEN, (Change("new", lsn=5),)):
        history.append(*changes)
        history.derive()
    vacuum("orders", history.lake, older_than=0, nobody_is_active=True)
    glob = f"{history.lake.uri('current', 'orders').removeprefix('file://')}/*.parquet"
    connection = duckdb.connect()
    found = connection.execute(f"SELECT id FROM read_parquet('{glob}', union_by_name=true) ORDER BY id").fetchall()
    connection.close()
    assert [name for (name,) in found] == AFTER[0]
    assert history.holds


def test_items_are_views_of_their_own_and_counted(history: History) -> None:
    history.append(*BEFORE)
    history.append(*THEN)
    history.derive()
    assert history.lake.items("orders") == Items(now=4, deleted=3)
    wanted = "SELECT (SELECT count(*) FROM curated.orders), (SELECT count(*) FROM curated.orders_changes)"
    _, rows, _ = query(history.lake.storage, f"{wanted}, (SELECT count(*) FROM deleted.orders)")
    assert rows == [(4, 12, 3)]


def test_a_search_finds_the_deleted_in_their_table_and_removes_what_nobody_needs(history: History) -> None:
    """Their table stands among the small files of the lake, and is none."""
    history.append(Change("c-9", "delete"), Change("c-8"))
    history.derive()
    column = history.contract.columns[0]

    def search() -> tuple[str, ...]:
        found = history.lake.prove("orders", "c-9", column, [], opened=envelope.opened, nobody_is_active=True).found
        return tuple(sorted(file.rsplit("/", 1)[0] for file in found))

    assert search().count("_lakepost/deleted/orders") == 1
    history.erase("c-9")
    history.lake.write_accounts("orders")
    history.derive()
    assert search() == ()
    assert history.holds

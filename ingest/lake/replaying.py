"""replay's side of the lake: rows go from quarantine to curated by two commits under one number.

Which rows leave quarantine is written beside the tables first (the intent), under a number of its own, and is
inert until a curated commit names that number as its `replay` transaction. That commit is the point of truth.
Quarantine's commit carries the same number: while it is behind, the rows of that intent are out of quarantine
though they still stand in it, and whoever comes next removes them. At most one replay is unfinished: a curated
commit is written on top of the very version that was read, and only when quarantine has caught up with it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from ingest.errors import LakeUnavailable, Overtaken
from ingest.lake import paths
from ingest.lake.commit import KEEP_LOG, Entry, aligned, commit, history, numbered, open_table, scan, streamed
from ingest.lake.published import ACCOUNT, position
from ingest.lake.search import holds_rows
from ingest.lake.storage import Storage
from ingest.model.replay import Chunk
from ingest.model.tables import MOST_DATES, QUARANTINE, ROW_ORDER, VERDICT, row_names

__all__ = [
    "NUMBER",
    "REPLAY",
    "DeltaChunk",
    "Tables",
    "chunks",
    "finish",
    "is_behind",
    "quarantined",
    "settled",
    "standing",
]

REPLAY = "replay"
NUMBER = "lakepost.replay"
_JUDGED = [*VERDICT, "contract_version", "contract_digest"]
_SIZES = pa.schema([QUARANTINE.field(name) for name in ("window", "batch", "event_date", "body", "headers")])


class Tables:
    """Where a dataset's curated, quarantine and intents are."""

    def __init__(self, storage: Storage, dataset: str, *, history: bool = False) -> None:
        self.storage, self.dataset = storage, dataset
        self.curated = storage.table_uri(paths.table("curated", dataset, history=history))
        self.quarantine = storage.table_uri(paths.table("quarantine", dataset))

    def record(self, curated: DeltaTable, gone: list[str]) -> int:
        """Write which rows (`window:row`) leave quarantine under the next free number; returns it."""
        content = json.dumps(gone).encode()
        number = _number(curated) + 1
        while not self.storage.put_if_absent(paths.replay(self.dataset, number), content):
            number += 1  # another replay's, under way or given up
        return number

    def gone(self, number: int) -> pa.Array:
        """The rows that replay `number` takes out of quarantine."""
        path = paths.replay(self.dataset, number)
        content = self.storage.get(path)
        if content is None:
            told = f"the lake does not hold {path}, which an unfinished replay of {self.dataset} needs"
            raise LakeUnavailable(told, remedy="restore that file")
        return pa.array(json.loads(content), pa.string())


def _number(table: DeltaTable) -> int:
    return table.transaction_version(REPLAY) or 0


def settled(tables: Tables) -> tuple[DeltaTable, DeltaTable]:
    """Curated and quarantine, opened so that no replay has left quarantine that is not in curated yet."""
    while True:
        curated, quarantine = open_table(tables.curated), open_table(tables.quarantine)
        if _number(quarantine) <= _number(curated):
            return curated, quarantine


def is_behind(curated: DeltaTable, quarantine: DeltaTable) -> bool:
    """Whether rows that curated's commit took have still to leave quarantine: until then nobody begins another."""
    return _number(quarantine) < _number(curated)


def standing(
    tables: Tables, curated: DeltaTable, quarantine: DeltaTable, schema: pa.Schema, where: str = ""
) -> Iterator[pa.Table]:
    """Quarantine's rows of the batches that `curated` holds, as accounted for: without those that left already."""
    number = _number(curated)
    gone = tables.gone(number) if is_behind(curated, quarantine) else None
    wanted = schema if gone is None else pa.unify_schemas([schema, _named()])
    predicate = f"batch <= {position(curated)}" + (f" AND {where}" if where else "")
    for batch in scan(quarantine, wanted, predicate):
        rows = pa.Table.from_batches([batch])
        if gone is not None:
            rows = rows.filter(pc.invert(pc.is_in(row_names(rows), value_set=gone)))
        yield rows.select(schema.names)


def quarantined(tables: Tables, curated: DeltaTable, quarantine: DeltaTable) -> int:
    """Rows in quarantine as accounted for in `curated`, as it was opened."""
    column = pa.schema([QUARANTINE.field("batch")])
    return sum(rows.num_rows for rows in standing(tables, curated, quarantine, column))


def _named() -> pa.Schema:
    return pa.schema([QUARANTINE.field("window"), QUARANTINE.field("row")])


def chunks(tables: Tables, *, max_rows: int, max_bytes: int) -> list[Chunk]:
    """What stands in quarantine, in chunks of whole windows within both limits and `MOST_DATES`, oldest first.

    A single window is never split.
    """
    windows = _windows(tables)
    found: list[list[str]] = []
    rows = size = 0
    dates: set[dt.date] = set()
    for name in sorted(windows):
        one = windows[name]
        within = rows + one.rows <= max_rows and size + one.bytes <= max_bytes and len(dates | one.dates) <= MOST_DATES
        if not found or not within:
            found.append([])
            rows, size, dates = 0, 0, set()
        found[-1].append(name)
        rows, size, dates = rows + one.rows, size + one.bytes, dates | one.dates
    above = ["", *(group[-1] for group in found)]
    return [_chunk(tables.dataset, low, group, [windows[name] for name in group])
            for low, group in zip(above, found, strict=False)]  # fmt: skip


@dataclass(slots=True)
class _Window:
    """What quarantine has of a window of raw."""

    batch: int
    rows: int = 0
    bytes: int = 0
    dates: set[dt.date] = field(default_factory=set)


def _windows(tables: Tables) -> dict[str, _Window]:
    windows: dict[str, _Window] = {}
    names = ["window", "batch", "event_date"]
    for rows in standing(tables, *settled(tables), _SIZES):
        sizes = pc.add(pc.binary_length(rows["body"]), pc.fill_null(pc.binary_length(rows["headers"]), 0))
        grouped = rows.select(names).append_column("bytes", sizes).group_by(names)
        for one in grouped.aggregate([("bytes", "sum"), ("bytes", "count")]).to_pylist():
            window = windows.setdefault(one["window"], _Window(one["batch"]))
            window.rows, window.bytes = window.rows + one["bytes_count"], window.bytes + one["bytes_sum"]
            window.dates.add(one["event_date"])
    return windows


def _chunk(dataset: str, above: str, names: list[str], windows: list[_Window]) -> Chunk:
    batches = [one.batch for one in windows]
    return Chunk(dataset, above, names[-1], min(batches), max(batches), sum(one.rows for one in windows))


def _where(chunk: Chunk) -> str:
    windows = f"\"window\" > '{chunk.above}' AND \"window\" <= '{chunk.upto}'"
    return f"batch >= {chunk.first} AND batch <= {chunk.last} AND {windows}"


class DeltaChunk:
    """Implements `ports.PinnedChunk`: a chunk read as of one version of curated, whose move goes on top of it."""

    def __init__(self, tables: Tables, chunk: Chunk) -> None:
        self._tables, self._chunk = tables, chunk
        self._curated, quarantine = settled(tables)
        self._version = self._curated.version()
        self.position = position(self._curated)
        self._behind = is_behind(self._curated, quarantine)
        found = list(standing(tables, self._curated, quarantine, QUARANTINE, _where(chunk)))
        rows = pa.concat_tables(found) if found else QUARANTINE.empty_table()
        self.rows = rows.sort_by(ROW_ORDER)
        self.there = holds_rows(self._curated, self.rows)

    def narrow(self, kept: pa.Array) -> None:
        """Go on with these of the rows (boolean): the others stay as they are."""
        self.rows, self.there = self.rows.filter(kept), self.there.filter(kept)

    def move(self, rows: pa.Table, gone: pa.Table, account: Mapping[str, Any], recorded: Any) -> tuple[int, int]:
        """Append `rows` to curated with the account; returns the replay's number and curated's version."""
        if self._behind:
            raise Overtaken(f"another replay of {self._chunk.dataset} is under way", remedy="run it again")
        rows = aligned(self._curated, rows)
        number = self._tables.record(self._curated, row_names(gone).to_pylist())
        recorded()
        properties = CommitProperties(
            custom_metadata={ACCOUNT: json.dumps(account, sort_keys=True), NUMBER: str(number)},
            app_transactions=[Transaction(REPLAY, number)],
            max_commit_retries=0,  # an append would not conflict with what came between: a rebuild, a curate
        )
        try:
            write_deltalake(
                self._curated,
                streamed(rows),
                mode="append",
                commit_properties=properties,
                post_commithook_properties=KEEP_LOG,
            )
        except (DeltaError, OSError) as error:
            return number, self._decided(number, error)
        return number, self._curated.version()

    def _decided(self, number: int, error: Exception) -> int:
        """An error does not mean that nothing was committed: the log says."""
        for version, commit_info in history(self._tables.curated, self._version):
            if commit_info.get(NUMBER) == str(number):
                return version
        if isinstance(error, CommitFailedError):
            told = f"curated of {self._chunk.dataset} changed while its quarantine was replayed"
            raise Overtaken(told, remedy="run the same command again") from error
        raise LakeUnavailable(f"{self._tables.curated}: {error}", remedy="run the same command again") from error

    def remove(self, number: int, kept: pa.Table) -> None:
        """Take the rows of replay `number` out of quarantine, and write the new verdicts of `kept`."""
        _take_out(self._tables, number, _where(self._chunk), kept)

    def rewrite(self, gone: pa.Table, kept: pa.Table) -> None:
        """Quarantine alone: take out `gone`, which others brought to curated, and write new verdicts."""
        names = row_names(gone)
        where = _where(self._chunk)

        def rows(table: DeltaTable) -> pa.Table:
            return _updated(_read(table, where), names, kept)

        # Made from what stands there at each attempt, so that doing it twice does it once; the number stays.
        number = _number(open_table(self._tables.quarantine))
        entry = Entry(REPLAY, number, lambda table, _attempt: _number(table) > number, where, alone=True)
        commit(self._tables.quarantine, rows, entry)


def finish(tables: Tables) -> int:
    """Take out of quarantine what a killed replay has moved; returns how many rows those are."""
    curated, quarantine = settled(tables)
    number = _number(curated)
    if _number(quarantine) >= number:
        return 0
    gone = tables.gone(number)
    windows = ", ".join(
        f"'{window}'" for window in pc.list_element(pc.split_pattern(gone, ":"), 0).unique().to_pylist()
    )
    where = f'"window" IN ({windows}) AND batch <= {position(curated)}'
    _take_out(tables, number, where, QUARANTINE.empty_table())
    return len(gone)


def _take_out(tables: Tables, number: int, where: str, kept: pa.Table) -> None:
    gone = tables.gone(number)

    def rows(table: DeltaTable) -> pa.Table:
        return _updated(_read(table, where), gone, kept)

    commit(tables.quarantine, rows, Entry(REPLAY, number, numbered(REPLAY, number), where, alone=True))


def _read(quarantine: DeltaTable, where: str) -> pa.Table:
    return pa.Table.from_batches(scan(quarantine, QUARANTINE, where), schema=QUARANTINE)


def _updated(rows: pa.Table, gone: pa.Array, kept: pa.Table) -> pa.Table:
    """`rows` without `gone`, with the verdicts of `kept`; when a row came to quarantine stays as it is."""
    rows = rows.filter(pc.invert(pc.is_in(row_names(rows), value_set=gone)))
    place = pc.index_in(row_names(rows), value_set=row_names(kept))
    for name in _JUDGED:
        new = pc.if_else(pc.is_valid(place), kept[name].take(place), rows[name])
        rows = rows.set_column(rows.schema.get_field_index(name), QUARANTINE.field(name), new)
    return rows

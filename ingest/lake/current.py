"""The items of a container as they are now, and those that were deleted: two tables that follow from their history.

Whoever brings them up to date opens the deleted ones, the items and the history, in this order, commits to the first
before each commit to the second, and always as the very next version of what was opened. So whoever has written with
less of the history than another gets nothing more in: what was deleted does not come back, and what is newer stays. How
much of the history the items have is an application transaction of theirs, committed last: what a killed run has done
by half is done again, and a change that is there already changes nothing.

Files are replaced by hand. delta-rs's merge holds about a gigabyte to bring 10,000 changes into a million items.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from ingest.errors import CommitFailed, LakeUnavailable
from ingest.lake.commit import KEEP_LOG, open_table, scan, schema_of
from ingest.lake.datafiles import still_there, written
from ingest.lake.evolving import evolve
from ingest.lake.growth import Growth, conformed, growth
from ingest.lake.log import commits, files_in
from ingest.lake.places import storage_errors
from ingest.lake.published import ACCOUNT
from ingest.model.batches import gathered
from ingest.model.container import DELETES
from ingest.model.points import Point, Reached
from ingest.model.tables import CHANGE, DELETED

__all__ = ["Pinned", "some_key"]

_TAKEN = "items"
"""The application transaction of the items; its number is the version of the history that they have."""

_UPKEEP = {"OPTIMIZE", "VACUUM START", "VACUUM END", "ADD COLUMN", "SET TBLPROPERTIES", "CREATE TABLE"}
"""Operations that change no row."""

_ORDER = ("generation", "lsn", "index")
_KEYS = pa.schema([CHANGE.field(name) for name in ("key", *_ORDER)])
_KEYS_AND_BATCH = _KEYS.append(pa.field("batch", pa.int64(), nullable=False))
"""Of the same change twice the one that was curated first is kept, in whatever order they come."""

_SEARCHED_ROWS = 250_000
"""Rows searched at once: each search builds a hash of all that is wanted."""

_READ_ROWS = 32_768


@dataclass(slots=True)
class _Found:
    """What a table has of some items (n).

    `old`: by file (its path in the log), the numbers of its rows that are older. `beaten` (n): those of which the
    table has the same change or a newer one.
    """

    old: dict[str, npt.NDArray[np.int64]]
    beaten: npt.NDArray[np.bool_]


class Pinned:
    """Implements `ports.PinnedItems`. `uris` are the dataset's tables by stage; `anew` whatever happened.

    `taken`: the version of the history that the items have; null: of none.
    """

    def __init__(self, uris: Mapping[str, str], *, anew: bool) -> None:
        evolve(uris["current"], schema_of(open_table(uris["curated"])))
        self._deleted, self._items = open_table(uris["deleted"]), open_table(uris["current"])
        self._history = open_table(uris["curated"])
        self.schema = schema_of(self._history)
        self.taken, until = self._items.transaction_version(_TAKEN), self._history.version()
        others = growth(schema_of(self._items), self.schema) is not Growth.SAME
        self._batches = None if anew or others else _appended(uris["curated"], self.taken, until)
        self.anew = self._batches is None
        self.is_settled = not self.anew and self.taken == until

    def history(self) -> Iterator[pa.RecordBatch]:
        """The changes that the items lack, all of them when `anew`, in no order."""
        if self._batches is None:
            return scan(self._history, self.schema, "key IS NOT NULL")
        if not self._batches:
            return iter(())
        first, last = self._batches[0], self._batches[-1]
        return scan(self._history, self.schema, f"key IS NOT NULL AND batch >= {first} AND batch <= {last}")

    def merge(self, rows: pa.Table, reached: Reached) -> None:
        """Bring in the changes `rows`, one of an item, where they are newer than what stands there."""
        with storage_errors():
            self._merge(rows, reached)

    def _merge(self, rows: pa.Table, reached: Reached) -> None:
        deleted, there = _found(self._deleted, rows, _KEYS), _found(self._items, rows, _KEYS_AND_BATCH)
        newest = ~(deleted.beaten | there.beaten)
        gone = pc.is_in(rows["operation"], value_set=pa.array(DELETES)).to_numpy()
        tombstones = rows.filter(pa.array(gone & newest)).select(DELETED.names)
        _exchange(self._deleted, deleted.old, conformed(tombstones, DELETED))
        reached(Point.DELETED_COMMITTED)
        _exchange(self._items, there.old, rows.filter(pa.array(~gone & newest)))
        reached(Point.ITEMS_COMMITTED)

    def settle(self) -> None:
        """Keep how much of the history the items have."""
        _commit(self._items, [], schema_of(self._items), taken=self._history.version())

    def replace(
        self, items: Iterable[pa.RecordBatch], deleted: Callable[[], Iterable[pa.RecordBatch]], reached: Reached
    ) -> None:
        """Put `items` and then `deleted`, which is asked for after the last item, in their place."""
        with storage_errors():
            files = [*written(files_in(self._items.table_uri), items)]
            tombstones = [*written(files_in(self._deleted.table_uri), deleted())]
        _commit(self._deleted, tombstones, DELETED, mode="overwrite")
        reached(Point.DELETED_COMMITTED)
        _commit(self._items, files, self.schema, mode="overwrite", taken=self._history.version())
        reached(Point.ITEMS_COMMITTED)


def some_key(table: DeltaTable) -> str | None:
    """The `key` of any row; null when there is none."""
    rows = (batch for path in _paths(table) for batch in _read(table, path, _KEYS) if batch.num_rows)
    first = next(rows, None)
    return None if first is None else first["key"][0].as_py()


def _appended(uri: str, taken: int | None, until: int) -> list[int] | None:
    """The batches that curate appended in versions (`taken`, `until`] of the history.

    Null: something else came in between, or is not known, so that no row can be told to be new.
    """
    if taken is None or taken > until:
        return None
    batches = []
    try:
        for _, info in commits(uri, taken, until):
            account = json.loads(info.get(ACCOUNT, "null"))
            if account is None and info.get("operation") in _UPKEEP:
                continue
            if account is None or (account["kind"] != "curate" and not _moves_nothing(account)):
                return None
            if account["kind"] == "curate":
                batches.append(account["batch"])
    except LakeUnavailable:  # the log was cleaned meanwhile
        return None
    return batches


def _moves_nothing(account: Mapping[str, object]) -> bool:
    """Of an erasure or a replay, which only take rows away and only add some, the balance tells."""
    return account["kind"] in {"erase", "replay"} and account["curated"] == 0


def _found(table: DeltaTable, rows: pa.Table, columns: pa.Schema) -> _Found:
    keys, order = rows["key"].combine_chunks(), _order(rows.select(columns.names))
    found = _Found({}, np.zeros(rows.num_rows, np.bool_))
    for path in _paths(table):
        first, old = 0, []
        for there in gathered(_read(table, path, columns), rows=_SEARCHED_ROWS):
            at = pc.index_in(there["key"].combine_chunks(), value_set=keys)
            mine = np.flatnonzero(at.is_valid())
            given = at.drop_null().to_numpy()
            older = _older(_order(there)[:, mine], order[:, given])
            found.beaten[given[~older]] = True
            old.append(mine[older] + first)
            first += there.num_rows
        if sum(map(len, old)):
            found.old[path] = np.concatenate(old)
    return found


def _order(rows: pa.Table) -> npt.NDArray[np.int64]:
    """`_ORDER` of each row, and its batch where there is one, the first being the last, (3 or 4, n)."""
    order = [pc.fill_null(rows[name], -1).to_numpy() for name in _ORDER]
    return np.stack([*order, *([-rows["batch"].to_numpy()] if "batch" in rows.column_names else [])])


def _older(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """For each (n) of two orders (m, n): is `one` before `other`?"""
    before = np.zeros(one.shape[1], np.bool_)
    for mine, its in zip(one[::-1], other[::-1], strict=True):
        before = (mine < its) | ((mine == its) & before)
    return before


def _paths(table: DeltaTable) -> list[str]:
    """Its files, as the log names them."""
    return [str(path) for path in pa.table(table.get_add_actions(flatten=True))["path"].to_pylist()]


def _read(table: DeltaTable, path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The columns of `schema` of one file's rows, in their order; a column that it does not have is null."""
    with _opened(table, path) as source:
        file = pq.ParquetFile(source)
        columns = [name for name in schema.names if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):  # one by one: what is asked for is fetched before it is given out
            for batch in file.iter_batches(_READ_ROWS, row_groups=[group], columns=columns):
                yield conformed(batch, schema)


def _opened(table: DeltaTable, path: str) -> pa.NativeFile:
    try:
        return files_in(table.table_uri).open_input_file(unquote(path))
    except FileNotFoundError as error:
        told = f"{table.table_uri} lacks a file of version {table.version()}: others have replaced and removed it"
        raise CommitFailed(told, remedy="run the same command again") from error


def _exchange(table: DeltaTable, old: Mapping[str, npt.NDArray[np.int64]], new: pa.Table) -> None:
    """Commit `new` in the place of the rows `old`: files that hold none of them stay as they are.

    It is committed if there is nothing to exchange, too: others shall notice.
    """
    schema, folder = schema_of(table), files_in(table.table_uri)

    def rows() -> Iterator[pa.RecordBatch]:
        for path, numbers in old.items():
            yield from _without(_read(table, path, schema), numbers)
        yield from conformed(new, schema).to_batches()

    moment = time.time_ns() // 10**6
    known = pa.table(table.get_add_actions(flatten=True))
    sizes = dict(zip(known["path"].to_pylist(), known["size_bytes"].to_pylist(), strict=True))
    removed = [RemoveAction(path, True, moment, sizes[path], {}) for path in old]  # noqa: FBT003 - data_change
    _commit(table, [*written(folder, rows()), *removed], schema)


def _without(batches: Iterable[pa.RecordBatch], numbers: npt.NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
    """The rows but those with these numbers, which ascend from 0."""
    first = 0
    for batch in batches:
        low, high = np.searchsorted(numbers, [first, first + batch.num_rows])
        kept = np.ones(batch.num_rows, np.bool_)
        kept[numbers[low:high] - first] = False
        yield batch.filter(pa.array(kept))
        first += batch.num_rows


def _commit(
    table: DeltaTable,
    actions: Sequence[AddAction | RemoveAction],
    schema: pa.Schema,
    *,
    mode: Literal["append", "overwrite"] = "append",
    taken: int | None = None,
) -> None:
    """Commit the files as the very next version of `table`, which the handle then is at.

    Raises:
        CommitFailed: another commit took that version; pin again.
        LakeUnavailable: the storage refused. Whether it was committed does not matter to whoever pins again.
    """
    version = table.version() + 1
    try:
        still_there(files_in(table.table_uri), [one for one in actions if isinstance(one, AddAction)])
        table.create_write_transaction(
            [*actions],
            mode=mode,
            schema=Schema.from_arrow(schema),
            commit_properties=CommitProperties(
                app_transactions=[] if taken is None else [Transaction(_TAKEN, taken)],
                max_commit_retries=0,  # without any, delta-rs does not rebase onto commits that it takes for harmless
            ),
            post_commithook_properties=KEEP_LOG,
        )
        table.load_as_version(version)
    except CommitFailedError as error:
        raise CommitFailed(f"{table.table_uri}: {error}", remedy="run the same command again") from error
    except (DeltaError, OSError) as error:
        raise LakeUnavailable(
            f"{table.table_uri}: {error}", remedy="check the lake's storage, then run again"
        ) from error

"""One event date pinned for a rebuild: read as of one version of curated, written only on top of that version.

Delta's own conflict check lets two writers pass that touched different dates. A rebuild also read the ids of the
days around its own, so that is not enough: two rebuilds that each bring in one event under another date would both
commit. So every write here takes the very next version of what was pinned, or fails.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from ingest.errors import CommitFailed, LakeUnavailable
from ingest.lake import published, raw, search
from ingest.lake.commit import KEEP_LOG, aligned, open_table, scan, schema_of
from ingest.model.contract import Contract
from ingest.model.tables import QUARANTINE, RAW, curated_schema, occurrences

__all__ = ["Pinned", "dates"]


class Pinned:
    """Implements `ports.PinnedDate`. `uris` are the dataset's tables by stage."""

    def __init__(self, uris: Mapping[str, str], contract: Contract, date: dt.date) -> None:
        self._date = f"event_date = DATE '{date}'"
        self._day = date
        self._contract = contract
        # Curated first: what is read after it can only be newer than its position, and the newer is left out.
        self._curated = open_table(uris["curated"])
        self.position = published.position(self._curated)
        self._quarantine = open_table(uris["quarantine"])
        self._raw = open_table(uris["raw"])
        self.raw_bytes = _bytes(self._raw, date)
        counts = (published.by_date(uris["accounts"], self._curated, name) for name in ("duplicates", "erased"))
        self.duplicates, self.erased = (rows.get(date, 0) for rows in counts)
        # A row of a window that was appended beyond the position is pending. By window, and not by time travel: an
        # erased row must not come back, and compacted files of the old version may be vacuumed.
        self._pending = pa.array(raw.pending_windows(uris["raw"], self.position), pa.string())

    def windows(self) -> dict[str, int]:
        """The windows of which raw holds rows of the date up to the position, and how many."""
        found: Counter[str] = Counter()
        for batch in self._read(pa.schema([RAW.field("window")]), self._pending):
            found.update(occurrences(batch["window"]))
        return dict(found)

    def read_raw(self, but_for: Collection[str] = ()) -> Iterator[pa.RecordBatch]:
        """Raw's rows of the date up to the position, `RAW`, without those of the windows `but_for`."""
        return self._read(RAW, pa.concat_arrays([self._pending, pa.array(list(but_for), pa.string())]))

    def _read(self, columns: pa.Schema, without: pa.Array) -> Iterator[pa.RecordBatch]:
        for batch in scan(self._raw, columns, self._date):
            rows = batch.filter(pc.invert(pc.is_in(batch["window"], value_set=without)))
            if rows.num_rows:
                yield rows

    def curated(self) -> Iterator[pa.RecordBatch]:
        """Curated's rows of the date."""
        return scan(self._curated, curated_schema(self._contract), self._date)

    def quarantine(self) -> Iterator[pa.RecordBatch]:
        """The quarantine rows that are this rebuild's: those of a batch under way belong to its curate."""
        return scan(self._quarantine, QUARANTINE, f"{self._date} AND batch <= {self.position}")

    def neighbours(self) -> Iterator[pa.RecordBatch]:
        """`KEYS` of what curated, as pinned, holds within `dedupe_days` of the date, under other dates."""
        return search.near(self._curated, [self._day], self._contract.dedupe_days, but_for=self._day)

    def known(self, keys: pa.Table, among: Iterable[pa.RecordBatch]) -> pa.Array:
        """For each of `keys`: is it one of `among`, which are all its neighbours, within `dedupe_days`?"""
        return search.among(keys, among, self._contract.dedupe_days)

    def write_quarantine(self, rows: pa.RecordBatchReader) -> None:
        """Replace the date's quarantine rows of batches up to the position."""
        _replace(self._quarantine, rows, f"event_date = '{self._day}' AND batch <= {self.position}", {})

    def write_curated(self, rows: pa.RecordBatchReader, account: Mapping[str, Any]) -> int:
        """Replace the date's curated rows, with the account in the same commit; returns curated's version."""
        metadata = {published.ACCOUNT: json.dumps(account, sort_keys=True)}
        return _replace(self._curated, rows, f"event_date = '{self._day}'", metadata)


def dates(uris: Mapping[str, str]) -> dict[str, set[dt.date]]:
    """The event dates that each of raw, curated and quarantine has files of."""
    return {
        stage: set(_files(open_table(uris[stage]))["partition.event_date"].to_pylist())
        for stage in ("raw", "curated", "quarantine")
    }


def _files(table: DeltaTable) -> pa.Table:
    return pa.table(table.get_add_actions(flatten=True))


def _bytes(table: DeltaTable, date: dt.date) -> int:
    files = _files(table)
    mine = files.filter(pc.equal(files["partition.event_date"], pa.scalar(date, pa.date32())))
    return pc.sum(mine["size_bytes"]).as_py() or 0


def _replace(table: DeltaTable, rows: pa.RecordBatchReader, predicate: str, metadata: Mapping[str, str]) -> int:
    """Replace what `predicate` matches as the very next version of `table`.

    Raises:
        SchemaMismatch: the rows are not the table's.
        CommitFailed: another commit took that version; pin again.
        LakeUnavailable: the storage refused. Whether it was committed is seen by whoever pins again.
    """
    aligned(table, rows.schema.empty_table())  # refused here, and not as the storage's error from inside the write
    batches = (aligned(table, pa.Table.from_batches([batch])).to_batches() for batch in rows)
    rows = pa.RecordBatchReader.from_batches(schema_of(table), itertools.chain.from_iterable(batches))
    # Without retries delta-rs does not rebase onto commits that it takes for harmless.
    properties = CommitProperties(custom_metadata=dict(metadata), max_commit_retries=0)
    try:
        write_deltalake(
            table,
            rows,
            mode="overwrite",
            predicate=predicate,
            commit_properties=properties,
            post_commithook_properties=KEEP_LOG,
        )
    except CommitFailedError as error:
        raise CommitFailed(f"{table.table_uri}: {error}", remedy="run the same command again") from error
    except (DeltaError, OSError) as error:
        raise LakeUnavailable(
            f"{table.table_uri}: {error}", remedy="check the lake's storage, then run again"
        ) from error
    return table.version()

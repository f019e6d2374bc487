"""One event date pinned for a rebuild: read as of one version of curated, written only on top of that version.

Delta's own conflict check lets two writers pass that touched different dates. A rebuild also read the ids of the
days around its own, so that is not enough: two rebuilds that each bring in one event under another date would both
commit. So every write here takes the very next version of what was pinned, or fails.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from ingest.errors import CommitFailed, LakeUnavailable
from ingest.lake import published, raw
from ingest.lake.commit import KEEP_LOG, aligned, open_table, scan
from ingest.model.contract import Contract
from ingest.model.tables import QUARANTINE, RAW, curated_schema

__all__ = ["Pinned", "dates"]

_ORDER = [("window", "ascending"), ("row", "ascending")]


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
        self.duplicates = published.duplicates_of(uris["accounts"], self._curated, date)
        self.curated = _sorted(scan(self._curated, curated_schema(contract), self._date), curated_schema(contract))
        self.quarantine = _sorted(scan(self._quarantine, QUARANTINE, self._rejects), QUARANTINE)

    @property
    def _rejects(self) -> str:
        """The quarantine rows that are this rebuild's: those of a batch under way belong to its curate."""
        return f"{self._date} AND batch <= {self.position}"

    def read_raw(self) -> pa.Table:
        """Raw's rows of the date up to the position, `RAW`, in (`window`, `row`) order.

        From the newest version without the windows appended beyond the position, and not by time travel to it: an
        erased row must not come back, and compacted files of the old version may be vacuumed.
        """
        pending = pa.array(raw.pending_windows(self._raw.table_uri, self.position), pa.string())
        batches = scan(self._raw, RAW, self._date)
        read = (batch.filter(pc.invert(pc.is_in(batch["window"], value_set=pending))) for batch in batches)
        return _sorted(read, RAW)

    def known(self, keys: pa.Table) -> pa.Array:
        """For each of `keys`: does it stand in curated, as pinned, under another date within `dedupe_days`?"""
        return published.known(self._curated, keys, dedupe_days=self._contract.dedupe_days, but_for=self._day)

    def write_quarantine(self, rows: pa.Table) -> None:
        """Replace the date's quarantine rows of batches up to the position."""
        _replace(self._quarantine, rows, f"event_date = '{self._day}' AND batch <= {self.position}", {})

    def write_curated(self, rows: pa.Table, account: Mapping[str, Any]) -> int:
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


def _sorted(batches: Any, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_batches(batches, schema=schema).sort_by(_ORDER)


def _replace(table: DeltaTable, rows: pa.Table, predicate: str, metadata: Mapping[str, str]) -> int:
    """Replace what `predicate` matches as the very next version of `table`.

    Raises:
        CommitFailed: another commit took that version; pin again.
        LakeUnavailable: the storage refused. Whether it was committed is seen by whoever pins again.
    """
    rows = aligned(table, rows)
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

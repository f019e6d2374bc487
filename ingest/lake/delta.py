"""The lake as the steps see it: tables under the commit function, small files beside them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from ingest.errors import LakeUnavailable, SchemaMismatch, TableReplaced
from ingest.lake import (
    completeness,
    drift,
    evolving,
    paths,
    published,
    raw,
    rebuilding,
    rejected,
    replaying,
    search,
    upkeep,
)
from ingest.lake.commit import open_table
from ingest.lake.erasures import Erasures
from ingest.lake.items import ItemTables
from ingest.lake.offsets import Offsets
from ingest.lake.places import as_json, storage_errors
from ingest.lake.properties import OF_EVERY, OF_RAW, STATISTICS, keep_up
from ingest.lake.tokens import Tokens
from ingest.model.account import Account
from ingest.model.completeness import Completeness
from ingest.model.contract import UNKNOWN_DATE, Column, Contract
from ingest.model.drift import UnknownField
from ingest.model.finding import Finding
from ingest.model.ports import Batch, Totals
from ingest.model.replay import Chunk, Filter
from ingest.model.tables import ACCOUNTS, DELETED, OF_ITEMS, QUARANTINE, RAW, curated_schema, searched_columns
from ingest.model.upkeep import Compacted, Vacuumed

__all__ = ["DeltaLake"]


class DeltaLake(Erasures, ItemTables, Offsets, Tokens):
    """Implements `ports.Lake` on delta-rs and a `Storage`."""

    def prepare(self, contract: Contract) -> None:
        """Create the dataset's tables where absent and keep the contract under its digest.

        Tables that lack nullable columns gain them, all but raw: its change feed cannot be read across such a commit.
        """
        self._same_kind(contract)
        self._none_gone(contract.dataset)
        contract = self.learned(contract)
        searched = {STATISTICS: ",".join(searched_columns(contract))}
        schemas: dict[str, tuple[pa.Schema, list[str] | None, dict[str, str]]] = {
            "raw": (RAW, ["event_date"], OF_RAW),
            "curated": (curated_schema(contract), ["event_date"], searched),
            "quarantine": (QUARANTINE, ["event_date"], {STATISTICS: "batch,quarantined_at"}),
            "accounts": (ACCOUNTS, None, {}),
        }
        if contract.keeps_history:
            schemas |= {
                "current": (curated_schema(contract), None, searched),
                "deleted": (DELETED, None, {STATISTICS: "event_time"}),
            }
        with storage_errors():
            for stage, (schema, partition_by, properties) in schemas.items():
                uri = self.uri(stage, contract.dataset)
                if not DeltaTable.is_deltatable(uri):
                    _create(uri, schema, partition_by, {**OF_EVERY, **properties})
                keep_up(uri, properties)
        self._same_tables(contract.dataset)
        with storage_errors():
            for stage, (schema, _, _) in schemas.items():
                if stage != "raw":
                    evolving.evolve(self.uri(stage, contract.dataset), schema)
        kept = {"contract": contract.document, "suite": contract.suite_document}
        self.storage.put_if_absent(paths.contract(contract.dataset, contract.digest), as_json(kept))

    def _same_kind(self, contract: Contract) -> None:
        """The kind of the dataset's source is settled when its tables are made: their folders follow from it."""
        known = self.read(paths.tables(contract.dataset))
        if known is not None and (OF_ITEMS[0] in known) is not contract.keeps_history:
            one, other = ("queues", "a container") if contract.keeps_history else ("a container", "queues")
            told = f"the tables of {contract.dataset} were made for {one}, and its contract names {other} now"
            raise SchemaMismatch(told, remedy="add a new dataset, or restore the contract")
        self._histories[contract.dataset] = contract.keeps_history

    def _none_gone(self, dataset: str) -> None:
        """A table that the lake knows and does not have is not made again: it may be a volume that is not mounted."""
        known = self.read(paths.tables(dataset)) or {}
        gone = [stage for stage in known if not DeltaTable.is_deltatable(self.uri(stage, dataset))]
        if gone:
            raise TableReplaced(f"{', '.join(gone)} of {dataset} is gone from the lake", remedy=_anew(dataset))

    def _same_tables(self, dataset: str) -> None:
        """Positions are versions of logs: beside a table that was made again they would skip its rows in silence."""
        with storage_errors():
            found = {stage: str(open_table(self.uri(stage, dataset)).metadata().id) for stage in self.stages(dataset)}
        self.storage.put_if_absent(paths.tables(dataset), as_json(found))
        known = self.read(paths.tables(dataset)) or {}
        replaced = [stage for stage in self.stages(dataset) if known.get(stage) != found[stage]]
        if replaced:
            raise TableReplaced(
                f"{', '.join(replaced)} of {dataset} is not the table that this lake knows: it was made again",
                remedy=_anew(dataset),
            )

    def fits(self, contract: Contract, *, older: bool = False, widened: bool = False) -> None:
        """Raise `SchemaMismatch` unless the curated table has the contract's columns, or gains them in place."""
        table = open_table(self.uri("curated", contract.dataset))
        evolving.fits(table, curated_schema(contract), contract.dataset, older=older, widened=widened)

    def learned(self, contract: Contract) -> Contract:
        """The contract with the columns that curated has learned beyond it."""
        uri = self.uri("curated", contract.dataset)
        return evolving.learned(open_table(uri), contract) if DeltaTable.is_deltatable(uri) else contract

    def learn(self, contract: Contract, columns: Sequence[Column]) -> Contract:
        """Give curated these columns; returns the contract with all that curated has learned then."""
        wanted = dataclasses.replace(contract, learned=(*contract.learned, *columns))
        with storage_errors():
            evolving.evolve(self.uri("curated", contract.dataset), curated_schema(wanted))
        return self.learned(contract)

    def widen(self, contract: Contract, account: Mapping[str, Any]) -> None:
        """Rewrite the curated table to wider types where the contract has them."""
        with storage_errors():
            evolving.widen(self.uri("curated", contract.dataset), curated_schema(contract), account)

    def exists(self, dataset: str) -> bool:
        """Whether the dataset's tables were created."""
        known = self.read(paths.tables(dataset)) is not None  # without it, whether these are all is not settled
        return known and all(DeltaTable.is_deltatable(uri) for uri in self.uris(dataset).values())

    def examine(self) -> Finding:
        """Whether a file can be written to the lake and read back."""
        probe = "_lakepost/probe.json"
        self.storage.put(probe, b"{}")
        ok = self.storage.get(probe) == b"{}"
        says = "can be written and read" if ok else "gave back something else than was written"
        return Finding("lake", ok=ok, says=says, remedy="" if ok else "check the lake's storage")

    def examine_dataset(self, contract: Contract) -> Finding:
        """Whether the dataset's tables are there, have the contract's columns, and the account holds."""
        name = f"tables of {contract.dataset}"
        if not self.exists(contract.dataset):
            return Finding(name, ok=False, says="not all are there", remedy="run `lakepost lake init`")
        try:
            self.fits(self.learned(contract))
        except SchemaMismatch as mismatch:
            return Finding(name, ok=False, says=mismatch.message, remedy=mismatch.remedy)
        totals = self.totals(contract.dataset)
        says = f"{totals.raw} rows in raw, {totals.accounted} accounted for, {totals.pending} pending"
        remedy = "" if totals.holds else "rows are missing or doubled: keep the lake as it is and report it"
        return Finding(name, ok=totals.holds, says=says, remedy=remedy)

    def position(self, dataset: str, application: str) -> int | None:
        """The application transaction's last number in raw, or null."""
        return open_table(self.uri("raw", dataset)).transaction_version(application)

    def append_raw(
        self,
        dataset: str,
        rows: pa.Table,
        *,
        window: str,
        application: str,
        position: int | None,
        tried: bool = False,
    ) -> int:
        """Commit one window to raw; returns raw's version."""
        uri = self.uri("raw", dataset)
        return raw.append(uri, rows, window=window, application=application, position=position, tried=tried)

    def next_batch(
        self, contract: Contract, *, max_rows: int, max_bytes: int, after: int | None = None
    ) -> Batch | None:
        """The batch that stands recorded after curated's position, else a new one; null when all is read.

        With `after` the one that follows when curated has been read to there.
        """
        dataset = contract.dataset
        with storage_errors():
            if after is None:
                after = published.position(open_table(self.uri("curated", dataset)))
            if (recorded := self._recorded(dataset, after)) is not None:
                return recorded
            until = raw.limit(self.uri("raw", dataset), after, max_rows=max_rows, max_bytes=max_bytes)
        return None if until is None else Batch(dataset, after, until, contract.digest)

    def contract_text(self, dataset: str, digest: str) -> tuple[str, str]:
        """Contract and suite documents that were kept under `digest`."""
        kept = self.read(paths.contract(dataset, digest))
        if kept is None:
            raise LakeUnavailable(
                f"the lake does not hold contract {digest} of {dataset}, which a recorded batch needs",
                remedy=f"restore {paths.contract(dataset, digest)} in the lake",
            )
        return kept["contract"], kept["suite"]

    def read_raw(self, batch: Batch) -> Iterator[pa.Table]:
        """The batch's inserts, `tables.RAW`, piece by piece, in no order."""
        with storage_errors():
            yield from raw.pieces(self.uri("raw", batch.dataset), batch.after, batch.until)

    def known(self, dataset: str, keys: pa.Table, *, dedupe_days: int) -> pa.Array:
        """For each of `keys` (`source`, `event_id`, `event_date`): is it in curated within `dedupe_days`?"""
        with storage_errors():
            return search.known(open_table(self.uri("curated", dataset)), keys, dedupe_days=dedupe_days)

    def record_batch(self, batch: Batch) -> Batch:
        """Put the batch under its `after` if nothing stands there; returns what stands there now."""
        content = as_json({key: value for key, value in dataclasses.asdict(batch).items() if key != "recorded"})
        self.storage.put_if_absent(paths.batch(batch.dataset, batch.after), content)
        recorded = self._recorded(batch.dataset, batch.after)
        if recorded is None:
            raise LakeUnavailable(f"the record of batch {batch.until} vanished", remedy="run the same command again")
        return recorded

    def _recorded(self, dataset: str, after: int) -> Batch | None:
        kept = self.read(paths.batch(dataset, after))
        return None if kept is None else Batch(**kept, recorded=True)

    def curated_until(self, dataset: str) -> int:
        """The raw version that curated has been read to."""
        with storage_errors():
            return published.position(open_table(self.uri("curated", dataset)))

    def write_quarantine(self, batch: Batch, rows: pa.Table) -> None:
        """Replace the batch's quarantine rows."""
        curated = self.uri("curated", batch.dataset)
        with storage_errors():
            published.replace_quarantine(self.uri("quarantine", batch.dataset), curated, batch, rows)

    def curated_version(self, dataset: str) -> int:
        """Curated's newest version."""
        return open_table(self.uri("curated", dataset)).version()

    def write_curated(
        self, batch: Batch, rows: pa.Table, account: Mapping[str, Any], *, seen: int | None = None
    ) -> int:
        """Append the batch's rows, the point of truth; returns curated's version."""
        with storage_errors():
            return published.append_curated(self.uri("curated", batch.dataset), batch, rows, account, seen)

    def replay_chunks(self, dataset: str, *, max_rows: int, max_bytes: int) -> list[Chunk]:
        """What stands in quarantine, in chunks of whole windows within both limits, oldest first."""
        with storage_errors():
            return replaying.chunks(self.tables(dataset), max_rows=max_rows, max_bytes=max_bytes)

    def pin_chunk(self, chunk: Chunk) -> replaying.DeltaChunk:
        """The chunk's rows as of one version of curated."""
        with storage_errors():
            return replaying.DeltaChunk(self.tables(chunk.dataset), chunk)

    def finish_replay(self, dataset: str) -> int:
        """Take out of quarantine what a killed replay has moved; returns how many rows."""
        with storage_errors():
            return replaying.finish(self.tables(dataset))

    def quarantine_groups(self, dataset: str) -> list[dict[str, Any]]:
        """Quarantine by reason, expectation, column and contract version, most rows first."""
        with storage_errors():
            return rejected.groups(self.tables(dataset))

    def quarantine_rows(self, dataset: str, wanted: Filter, limit: int) -> tuple[pa.Table, bool]:
        """The first `limit` rows of quarantine that `wanted` lets through, and whether there are more."""
        with storage_errors():
            return rejected.rows(self.tables(dataset), wanted, limit)

    def write_accounts(self, dataset: str) -> None:
        """Write the account rows that curated's log holds and `accounts` does not yet."""
        with storage_errors():
            published.write_accounts(self.uri("accounts", dataset), self.uri("curated", dataset))

    def pin(self, contract: Contract, date: dt.date) -> rebuilding.Pinned:
        """Pin one event date for a rebuild."""
        with storage_errors():
            return rebuilding.Pinned(self.uris(contract.dataset), contract, date)

    def dates(self, dataset: str) -> dict[str, set[dt.date]]:
        """The event dates that each of raw, curated and quarantine holds."""
        with storage_errors():
            return rebuilding.dates(self.uris(dataset))

    def write_report(self, batch: Batch, report: Mapping[str, Any], page: str) -> str:
        """Keep the validation report of a batch as JSON and as HTML; returns where the page is."""
        self.storage.put(paths.report(batch.dataset, batch.until), as_json(report))
        self.storage.put(paths.page(batch.dataset, batch.until), page.encode())
        return self.storage.table_uri(paths.page(batch.dataset, batch.until))

    def page(self, dataset: str, until: int) -> str | None:
        """Where the report of the batch that ends with raw version `until` is; null when there is none."""
        path = paths.page(dataset, until)
        return None if self.storage.get(path) is None else self.storage.table_uri(path)

    def totals(self, dataset: str) -> Totals:
        """Rows per table, consistent while a curate runs: all is counted as of one version of curated.

        Pending counts the log's appends, so that the sum can fail to add up.
        """
        with storage_errors():
            curated, quarantine = replaying.settled(self.tables(dataset))
            until = published.position(curated)
            raw_table = open_table(self.uri("raw", dataset))
            files = pa.table(raw_table.get_add_actions(flatten=True))
            unknown = files.filter(pc.equal(files["partition.event_date"], pa.scalar(UNKNOWN_DATE, pa.date32())))
            return Totals(
                raw=raw_table.count(),
                curated=curated.count(),
                quarantined=replaying.quarantined(self.tables(dataset), curated, quarantine),
                duplicates=published.counted(self.uri("accounts", dataset), curated, "duplicates"),
                erased=published.counted(self.uri("accounts", dataset), curated, "erased"),
                pending=raw.pending_rows(self.uri("raw", dataset), until, raw_table.version()),
                raw_version=raw_table.version(),
                curated_version=curated.version(),
                unknown_date=pc.sum(unknown["num_records"]).as_py() or 0,
            )

    def completeness(self, contract: Contract) -> Completeness:
        """Each event date's rows and whether more are expected."""
        with storage_errors():
            return completeness.tell(self.tables(contract.dataset), self.uris(contract.dataset), contract)

    def compact(self, dataset: str, table: str, *, dry_run: bool) -> Compacted:
        """Rewrite the table's partitions that have several small files."""
        with storage_errors():
            return upkeep.compact(table, self.uri(table, dataset), dry_run=dry_run)

    def vacuum(self, dataset: str, table: str, *, hours: int, dry_run: bool) -> Vacuumed:
        """Remove the table's files older than `hours` that no version and no reader by version needs."""
        with storage_errors():
            uri, read = self.uri(table, dataset), self.read_until(dataset, table)
            return upkeep.vacuum(table, uri, unread_after=read, keep_files=table == "raw", hours=hours, dry_run=dry_run)

    def partitions_since(self, dataset: str, version: int) -> tuple[list[str], int]:
        """The event dates (ISO, ascending) touched after curated's `version`, and the newest accounted version."""
        with storage_errors():
            newer = published.accounts(self.uri("accounts", dataset), version).to_pylist()
        dates = sorted({date for row in newer for date in json.loads(row["partitions"])})
        return dates, newer[-1]["curated_version"] if newer else version

    def unknown_fields(self, dataset: str) -> list[UnknownField]:
        """Each field that bodies had and the contract did not name, most rows first."""
        with storage_errors():
            return drift.unknown_fields(self.uri("accounts", dataset))

    def last_account(self, dataset: str) -> Account | None:
        """The account of the newest batch, or null."""
        with storage_errors():
            accounts = published.accounts(self.uri("accounts", dataset)).to_pylist()
        rows = [row for row in accounts if row["kind"] == "curate"]
        if not rows:
            return None
        row = rows[-1]
        return Account(
            dataset=dataset,
            landed=row["records"],
            curated=row["curated"],
            quarantined=row["quarantined"],
            duplicates=row["duplicates"],
            raw_version=row["batch"],
            curated_version=row["curated_version"],
            partitions=tuple(json.loads(row["partitions"])),
        )


def _anew(dataset: str) -> str:
    return (
        f"restore it; or, to begin anew, remove all tables of {dataset}, the folders"
        f" _lakepost/adopted/{dataset}, batches/{dataset}, contracts/{dataset}, feeds/{dataset}, gaps/{dataset},"
        f" lost/{dataset}, reports/{dataset} and"
        f" {paths.tables(dataset)}"
    )


def _create(uri: str, schema: pa.Schema, partition_by: list[str] | None, properties: dict[str, str]) -> None:
    """Create a table; that another process was first is as good."""
    try:
        DeltaTable.create(uri, schema, mode="ignore", partition_by=partition_by, configuration=dict(properties))
    except DeltaError:
        if not DeltaTable.is_deltatable(uri):
            raise

"""Orders for a benchmark, as many as wanted: in raw of a new lake, or as NDJSON for readers that know no lake.

A pool of up to 500,000 of the shop's messages (4 % invalid in the demo's kinds, 1 % duplicates, about 600 bytes each;
without the one body of a megabyte) is repeated in rounds. Each round has order numbers and event ids of its own. Event
dates are spread evenly and follow from the event id, so that a duplicate has the date of its original; some clocks
cannot be right, and their rows are filed under 1970-01-01. What must become of a row follows from how it is built.

usage: orders.py --rows N [--dates N] [--lake FOLDER] [--ndjson FOLDER]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import uuid6
from rich.console import Console
from rich.progress import track

import shop
from ingest import envelope
from ingest.catalog import load
from ingest.lake import DeltaLake, open_storage
from ingest.model.contract import UNKNOWN_DATE, Contract, LogicalType
from ingest.model.delivery import Delivery, Window
from ingest.model.tables import RAW, arrow_type
from ingest.steps.land import raw_rows

__all__ = ["FILE_ROWS", "Pool", "ndjson", "raw", "reading_schema"]

ROOT = Path(__file__).resolve().parents[2]
FILE_ROWS = 500_000
"""Rows of an NDJSON file: those of a batch of curate."""

_POOL = 500_000
_PIECE = 50_000
_WINDOW_ROWS = 50_000
_APPLICATION = "land:lakepost.orders"
_SOURCE = "shop.events/lakepost.orders"
_NUMBER = '"o-[0-9]{3}'  # how an order number begins in a body; a round puts its own number there


@dataclass(frozen=True)
class Pool:
    """Messages as rows of raw (n), and what must become of each (n): curated, quarantined or duplicate."""

    contract: Contract
    rows: pa.Table
    outcomes: tuple[shop.Outcome, ...]

    @classmethod
    def of(cls, contract: Contract, rows: int, dates: int) -> Pool:
        """A pool for `rows` rows over `dates` event dates: the same for the same arguments."""
        size = min(rows, _POOL)

        pieces: list[pa.Table] = []
        outcomes: list[shop.Outcome] = []
        stream = islice((one for one in shop.messages(size + 1, seed=1) if one.kind is not shop.Kind.BIG), size)
        while sent := list(islice(stream, _PIECE)):
            window = Window([_delivery(one) for one in sent], _nobody_waits)
            pieces.append(_spread(raw_rows(window, contract, events=envelope.events), dates))
            outcomes += [one.outcome for one in sent]
        return cls(contract, pa.concat_tables(pieces).combine_chunks(), tuple(outcomes))

    def expected(self, rows: int) -> dict[str, int]:
        """How many of `rows` rows end where."""
        rounds, rest = divmod(rows, len(self.outcomes))
        whole, part = Counter(self.outcomes), Counter(self.outcomes[:rest])
        return {outcome.value: rounds * whole[outcome] + part[outcome] for outcome in shop.Outcome}

    def rounds(self, rows: int) -> Iterator[tuple[int, pa.Table]]:
        """`rows` rows of raw, round by round: the round's number and its rows."""
        for number, begin in enumerate(range(0, rows, self.rows.num_rows)):
            yield number, self.rows.slice(0, rows - begin)


async def _nobody_waits() -> None:
    """A window of a benchmark is acknowledged to nobody."""


def _delivery(sent: shop.Sent) -> Delivery:
    return Delivery(
        sent.body,
        _SOURCE,
        sent.routing_key,
        sent.headers,
        "application/json",
        message_id=sent.message_id,
        type=sent.type,
        timestamp=sent.timestamp,
    )


def _spread(rows: pa.Table, dates: int) -> pa.Table:
    """`rows` over so many event dates, but for those whose date is unknown."""
    days = [zlib.crc32(one.encode()) % dates for one in rows["event_id"].to_pylist()]
    spread = pa.array([shop.BASE_DATE - dt.timedelta(days=day) for day in days])
    known = pc.not_equal(rows["event_date"], pa.scalar(UNKNOWN_DATE))
    return _set(rows, "event_date", pc.if_else(known, spread, rows["event_date"]))


def _set(rows: pa.Table, name: str, values: object) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), RAW.field(name), values)


def _bodies(bodies: pa.ChunkedArray, number: int) -> pa.ChunkedArray:
    return pc.replace_substring_regex(bodies, pattern=_NUMBER, replacement=f'"o-{number:03d}')


def raw(lake: DeltaLake, pool: Pool, rows: int) -> None:
    """Land `rows` rows in windows of 50,000."""
    contract = pool.contract
    lake.prepare(contract)
    waiting = RAW.empty_table()
    for number, drawn in track(list(pool.rounds(rows)), description="raw", console=Console(stderr=True)):
        ids = pc.utf8_replace_slice(drawn["event_id"], -3, 1 << 30, f"{number:03x}")
        own = _set(_set(drawn, "body", _bodies(drawn["body"], number)), "event_id", ids)
        waiting = pa.concat_tables([waiting, own])
        while waiting.num_rows >= _WINDOW_ROWS:
            _land(lake, contract, waiting.slice(0, _WINDOW_ROWS))
            waiting = waiting.slice(_WINDOW_ROWS)
    if waiting.num_rows:
        _land(lake, contract, waiting)


def _land(lake: DeltaLake, contract: Contract, rows: pa.Table) -> None:
    window = str(uuid6.uuid7())
    rows = _set(rows, "window", pa.repeat(window, rows.num_rows))
    rows = _set(rows, "row", pa.array(range(rows.num_rows), pa.int32()))
    lake.append_raw(contract.dataset, rows, window=window, application=_APPLICATION, position=None)


def ndjson(folder: Path, pool: Pool, rows: int) -> None:
    """Write the pool's valid bodies, repeated to `rows` rows, one a line, in files of 500,000; and their schema."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schema").write_bytes(reading_schema(pool.contract).serialize())
    valid = pa.array([outcome is not shop.Outcome.QUARANTINED for outcome in pool.outcomes])
    lines = [_line(body) for body in pool.rows["body"].filter(valid).to_pylist()]
    given = Pool(pool.contract, pa.table({"body": pa.array(lines, pa.binary())}), ())
    waiting: list[bytes] = []
    written = 0
    for number, drawn in given.rounds(rows):
        waiting += _bodies(drawn["body"], number).to_pylist()
        while len(waiting) >= FILE_ROWS or (waiting and written + len(waiting) == rows):
            part, waiting = waiting[:FILE_ROWS], waiting[FILE_ROWS:]
            (folder / f"{written // FILE_ROWS:03d}.ndjson").write_bytes(b"\n".join(part) + b"\n")
            written += len(part)


def _line(body: bytes) -> bytes:
    return msgspec.json.format(body, indent=-1) if b"\n" in body else body


def reading_schema(contract: Contract) -> pa.Schema:
    """The contract's columns for a bare `read_json`, which reads neither dates nor seven fractional digits: as text."""
    temporal = {LogicalType.DATE, LogicalType.TIMESTAMP}
    return pa.schema([(c.field, pa.string() if c.type in temporal else arrow_type(c)) for c in contract.columns])


def main() -> None:
    """Write what is asked for; print as JSON how many rows must end where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--dates", type=int, default=3)
    parser.add_argument("--lake", type=Path)
    parser.add_argument("--ndjson", type=Path)
    arguments = parser.parse_args()
    pool = Pool.of(load(ROOT / "schemas", "orders"), arguments.rows, arguments.dates)
    if arguments.lake is not None:
        raw(DeltaLake(open_storage(arguments.lake.resolve().as_uri())), pool, arguments.rows)
    if arguments.ndjson is not None:
        ndjson(arguments.ndjson, pool, arguments.rows)
    print(json.dumps(pool.expected(arguments.rows)))  # noqa: T201 - the answer to whoever started this


if __name__ == "__main__":
    main()

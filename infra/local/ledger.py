"""The generator's own book: what was sent, what must become of it, and whether the lake agrees.

The lake is read by DuckDB (`delta_scan` for what the Delta log says, `read_parquet` for what a glob
sees), never through the product.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import duckdb
import msgspec

from ledger_checks import CHECKS, LOST, TABLES, Check
from shop import BASE_DATE, Sent, mix

__all__ = ["LedgerWriter", "Verdict", "check", "connect"]

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the lake holds against the ledger. Counts are rows; `differences` are sentences.

    `redelivered` is how many copies raw holds beyond what was sent: allowed, the broker delivers at
    least once. `lost` counts messages that stand in raw fewer times than they were sent, or of which
    neither curated nor quarantine knows.
    """

    sent: int
    landed: int
    curated: int
    quarantined: int
    duplicates: int
    redelivered: int
    lost: int
    differences: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True when nothing is lost and nothing differs."""
        return not self.differences and self.lost == 0


class LedgerWriter:
    """Writes `ledger.jsonl`: a header line with the seed and the planned mix, then a line per message sent."""

    def __init__(self, path: Path, *, messages: int, seed: int, base: dt.date = BASE_DATE) -> None:
        self._path = path
        self._header = {"seed": seed, "messages": messages, "base": base.isoformat(), "mix": mix(messages)}
        self._file: IO[bytes]

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("wb")
        self._file.write(msgspec.json.encode(self._header) + b"\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def record(self, messages: Iterable[Sent]) -> None:
        """One line for each message that the broker confirmed."""
        self._file.writelines(msgspec.json.encode(_line(sent)) + b"\n" for sent in messages)


def _line(sent: Sent) -> dict[str, object]:
    return {
        "n": sent.n,
        "message_id": sent.message_id,
        "sha256": sent.sha256,
        "event_date": sent.event_date,
        "kind": sent.kind,
        "outcome": sent.outcome,
        "reason": sent.reason,
        "expectation": sent.expectation,
        "column": sent.column,
        "order_id": sent.order_id,
        "total": sent.total,
        "note_sha256": _sha256(sent.note),
        "rescued_sha256": _sha256(sent.rescued),
    }


def _sha256(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def connect() -> duckdb.DuckDBPyConnection:
    """DuckDB with its Delta reader, taken from the installed package; nothing is downloaded."""
    import duckdb_extension_delta  # noqa: PLC0415 -- 60 MB that only a connection needs

    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    extension = next(Path(duckdb_extension_delta.__file__).parent.rglob("delta.duckdb_extension"))
    connection.load_extension(str(extension))
    return connection


def check(ledger: Path, lake: Path, dataset: str = "orders") -> Verdict:
    """Compare every message of the ledger with the lake's tables, and the tables with what was sent."""
    with connect() as lines:
        differences = list(_load(lines, ledger, lake, dataset))
        for rule in CHECKS:
            differences += _apply(lines, rule)
        sent, landed, curated, quarantined = (
            _count(lines, f"SELECT count(*) FROM {table}") for table in ("sent", "raw", "curated", "quarantine")
        )
        return Verdict(
            sent=sent,
            landed=landed,
            curated=curated,
            quarantined=quarantined,
            duplicates=_count(lines, "SELECT coalesce(sum(duplicates), 0) FROM accounts"),
            redelivered=max(landed - sent, 0),
            lost=_count(lines, LOST),
            differences=tuple(differences),
        )


def _load(lines: duckdb.DuckDBPyConnection, ledger: Path, lake: Path, dataset: str) -> Iterable[str]:
    """Read the ledger and the four tables; a table that cannot be read is empty and a difference."""
    lines.execute("SET VARIABLE ledger = ?", [str(ledger)])
    for stage in ("raw", "curated", "quarantine", "accounts"):
        lines.execute(f"SET VARIABLE {stage} = ?", [str(lake / stage / dataset)])
    lines.execute("SET VARIABLE files = ?", [str(lake / "curated" / dataset / "event_date=*" / "*.parquet")])
    for name, table in TABLES.items():
        try:
            lines.execute(f"CREATE TABLE {name} AS {table.query}")
        except duckdb.Error as error:
            yield f"{name} cannot be read: {str(error).splitlines()[0]}"
            lines.execute(f"CREATE TABLE {name} ({table.columns})")
    with ledger.open("rb") as file:
        planned = msgspec.json.decode(file.readline())["messages"]
    written = _count(lines, "SELECT count(*) FROM sent")
    if written != planned:
        yield f"the ledger has {written} of {planned} messages: publishing did not finish"


def _apply(lines: duckdb.DuckDBPyConnection, rule: Check) -> Iterable[str]:
    try:
        found = lines.execute(f"SELECT what, count(*) OVER () FROM ({rule.query}) LIMIT {_EXAMPLES}").fetchall()
    except duckdb.Error as error:
        return [f"not checked, {rule.words}: {str(error).splitlines()[0]}"]
    if not found:
        return []
    examples = "; ".join(str(what) for what, _ in found)
    return [f"{rule.words} ({found[0][1]}): {examples}{' …' if found[0][1] > len(found) else ''}"]


def _count(lines: duckdb.DuckDBPyConnection, query: str) -> int:
    row = lines.execute(query).fetchone()
    return int(row[0]) if row else 0

"""The ledger: a correct lake passes, and each way of being wrong is found and put into words."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ledger
import shop
from ingest.model import tables

Rows = list[dict[str, Any]]
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
SENT = [message for message in shop.messages(600, seed=3) if message.kind is not shop.Kind.BIG]
CURATED = pa.schema(
    [
        pa.field("order_id", pa.string()),
        pa.field("total", pa.decimal128(12, 2)),
        pa.field("note", pa.string()),
        pa.field("_rescued", pa.string()),
        *(tables.RAW.field(name) for name in ("event_id", "window", "row", "event_date")),
    ]
)


@dataclasses.dataclass
class Lake:
    """The rows of a lake before it is written, so that a test can break them."""

    raw: Rows
    curated: Rows
    quarantine: Rows
    accounts: Rows

    def write(self, folder: Path) -> Path:
        schemas = {"raw": tables.RAW, "curated": CURATED, "quarantine": tables.QUARANTINE, "accounts": tables.ACCOUNTS}
        for stage, schema in schemas.items():
            rows = pa.Table.from_pylist(getattr(self, stage), schema=schema)
            parts = ["event_date"] if "event_date" in schema.names else None
            deltalake.write_deltalake(str(folder / stage / "orders"), rows, partition_by=parts)
        return folder


def correct() -> Lake:
    """What the product should make of `SENT`, written down by hand."""
    lake = Lake([], [], [], [])
    for row, sent in enumerate(SENT):
        raw = {
            "window": "01", "row": row, "body": sent.body, "event_id": sent.message_id or f"hash of {row}",
            "source": "shop.events/lakepost.orders", "redelivered": False, "landed_at": NOW,
            "event_date": dt.date.fromisoformat(sent.event_date),
        }  # fmt: skip
        lake.raw.append(raw)
        if sent.outcome is shop.Outcome.CURATED:
            values = {"order_id": sent.order_id, "total": decimal.Decimal(sent.total or 0), "note": sent.note}
            values["_rescued"] = sent.rescued
            lake.curated.append({name: raw[name] for name in ("event_id", "window", "row", "event_date")} | values)
        elif sent.outcome is shop.Outcome.QUARANTINED:
            expectation = sent.expectation and f"{sent.expectation}({sent.column})"
            why = {"reason": sent.reason, "expectation": expectation, "column": sent.column, "detail": "…"}
            about = {"contract_version": "1", "contract_digest": "d", "batch": 1, "quarantined_at": NOW}
            lake.quarantine.append(raw | why | about)
    counts = {"records": len(SENT), "curated": len(lake.curated), "quarantined": len(lake.quarantine)}
    counts["duplicates"] = len(SENT) - len(lake.curated) - len(lake.quarantine)
    about = {"accepted": False, "contract_version": "1", "contract_digest": "d", "partitions": "[]", "rejected": "{}"}
    numbers = {"kind": "curate", "curated_version": 1, "batch": 1, "after": 0}
    lake.accounts.append(numbers | {"committed_at": NOW} | counts | about)
    return lake


def write_ledger(folder: Path, messages: Iterable[shop.Sent] = SENT) -> Path:
    with ledger.LedgerWriter(folder / "ledger.jsonl", messages=len(SENT), seed=3) as book:
        book.record(messages)
    return folder / "ledger.jsonl"


def verdict(folder: Path, lake: Lake) -> ledger.Verdict:
    return ledger.check(write_ledger(folder), lake.write(folder / "lake"))


def of(rows: Rows, message_id: str | None) -> dict[str, Any]:
    return next(row for row in rows if row["event_id"] == message_id)


def first(outcome: shop.Outcome, reason: str | None = None) -> shop.Sent:
    """The first message of that fate that has an id."""
    fits = (sent for sent in SENT if sent.outcome is outcome and reason in (None, sent.reason))
    return next(sent for sent in fits if sent.message_id)


def test_a_correct_lake_passes(tmp_path: Path) -> None:
    found = verdict(tmp_path, correct())
    assert found.differences == ()
    assert found.ok
    assert (found.sent, found.landed, found.lost, found.redelivered) == (len(SENT), len(SENT), 0, 0)
    assert found.curated + found.quarantined + found.duplicates == found.landed
    assert min(found.curated, found.quarantined, found.duplicates) > 0


def test_a_redelivery_that_was_dropped_as_a_duplicate_passes(tmp_path: Path) -> None:
    lake = correct()
    again = of(lake.raw, first(shop.Outcome.CURATED).message_id)
    lake.raw.append(again | {"row": len(SENT), "redelivered": True})
    lake.accounts[0]["records"] += 1
    lake.accounts[0]["duplicates"] += 1
    found = verdict(tmp_path, lake)
    assert found.differences == ()
    assert found.redelivered == 1


def no_raw_row(lake: Lake) -> None:
    lake.raw.remove(of(lake.raw, first(shop.Outcome.CURATED).message_id))


def no_curated_row(lake: Lake) -> None:
    lake.curated.remove(of(lake.curated, first(shop.Outcome.CURATED).message_id))


def no_quarantine_row(lake: Lake) -> None:
    lake.quarantine.remove(of(lake.quarantine, first(shop.Outcome.QUARANTINED).message_id))


def doubled_curated_row(lake: Lake) -> None:
    lake.curated.append(of(lake.curated, first(shop.Outcome.CURATED).message_id) | {"row": 9999})


def doubled_quarantine_row(lake: Lake) -> None:
    lake.quarantine.append(of(lake.quarantine, first(shop.Outcome.QUARANTINED).message_id))


def wrong_partition(lake: Lake) -> None:
    of(lake.curated, first(shop.Outcome.CURATED).message_id)["event_date"] = dt.date(2026, 11, 23)


def wrong_raw_partition(lake: Lake) -> None:
    of(lake.raw, first(shop.Outcome.CURATED).message_id)["event_date"] = dt.date(2026, 11, 23)


def wrong_quarantine_partition(lake: Lake) -> None:
    of(lake.quarantine, first(shop.Outcome.QUARANTINED).message_id)["event_date"] = dt.date(2026, 11, 23)


def wrong_total(lake: Lake) -> None:
    of(lake.curated, first(shop.Outcome.CURATED).message_id)["total"] += decimal.Decimal("0.01")


def wrong_note(lake: Lake) -> None:
    of(lake.curated, first(shop.Outcome.CURATED).message_id)["note"] = "�"


def wrong_unknown_field(lake: Lake) -> None:
    next(row for row in lake.curated if row["_rescued"])["_rescued"] += " "


def lost_unknown_field(lake: Lake) -> None:
    next(row for row in lake.curated if row["_rescued"])["_rescued"] = None


def wrong_reason(lake: Lake) -> None:
    of(lake.quarantine, first(shop.Outcome.QUARANTINED, "malformed").message_id)["reason"] = "wrong_type"


def wrong_expectation(lake: Lake) -> None:
    of(lake.quarantine, first(shop.Outcome.QUARANTINED, "expectation").message_id)["expectation"] = "expect_other(x)"


def wrong_column(lake: Lake) -> None:
    of(lake.quarantine, first(shop.Outcome.QUARANTINED, "wrong_type").message_id)["column"] = "batch"


def altered_raw_body(lake: Lake) -> None:
    of(lake.raw, first(shop.Outcome.CURATED).message_id)["body"] += b" "


def altered_quarantine_body(lake: Lake) -> None:
    of(lake.quarantine, first(shop.Outcome.QUARANTINED).message_id)["body"] += b" "


def altered_anonymous_body(lake: Lake) -> None:
    next(row for row in lake.quarantine if row["reason"] == "no_identity")["body"] += b" "


def extra_raw_row(lake: Lake) -> None:
    lake.raw.append(lake.raw[0] | {"event_id": "nobody's", "body": b"{}", "row": 9999})


def extra_curated_row(lake: Lake) -> None:
    lake.curated.append(lake.curated[0] | {"event_id": "nobody's"})


def extra_quarantine_row(lake: Lake) -> None:
    lake.quarantine.append(lake.quarantine[0] | {"event_id": "nobody's", "body": b"{}"})


def reject_in_curated(lake: Lake) -> None:
    lake.curated.append(lake.curated[0] | {"event_id": first(shop.Outcome.QUARANTINED).message_id})


def valid_in_quarantine(lake: Lake) -> None:
    valid = of(lake.raw, first(shop.Outcome.CURATED).message_id)
    lake.quarantine.append(lake.quarantine[0] | valid)


def duplicates_off_by_one(lake: Lake) -> None:
    lake.accounts[0]["duplicates"] -= 1
    lake.accounts[0]["records"] -= 1


def account_off_by_one(lake: Lake) -> None:
    lake.accounts[0]["curated"] -= 1


@pytest.mark.parametrize(
    ("spoil", "words", "lost"),
    [
        (no_raw_row, "sent, but not as often in raw (1): message", 1),
        (no_curated_row, "missing in curated (1): message", 1),
        (no_quarantine_row, "missing in quarantine (1): message", 1),
        (doubled_curated_row, "more than once in curated (1): ", 0),
        (doubled_quarantine_row, "in quarantine more or less often than in raw (1): ", 0),
        (wrong_partition, "in curated under another date (1): ", 0),
        (wrong_raw_partition, "in raw under another date (1): ", 0),
        (wrong_quarantine_partition, "in quarantine under another date (1): ", 0),
        (wrong_total, "in curated with other values (1): ", 0),
        (wrong_note, ", another note instead of ", 0),
        (wrong_unknown_field, "in curated with other unknown fields than were sent (1): ", 0),
        (lost_unknown_field, "in curated with other unknown fields than were sent (1): ", 0),
        (wrong_reason, "wrong_type instead of malformed", 0),
        (wrong_expectation, "in quarantine for another column or expectation (1): ", 0),
        (wrong_column, "in quarantine for another column or expectation (1): ", 0),
        (altered_raw_body, "in raw, but never sent (1): ", 1),
        (altered_quarantine_body, "in quarantine with another body (1): ", 0),
        (altered_anonymous_body, "in quarantine, but not expected there (1): ", 1),
        (extra_raw_row, "in raw, but never sent (1): ", 0),
        (extra_curated_row, "in curated, but not expected there (1): nobody's: never sent", 0),
        (extra_quarantine_row, "in quarantine, but not expected there (1): ", 0),
        (reject_in_curated, ": expected in quarantine as ", 0),
        (valid_in_quarantine, "in quarantine, but not expected there (1): ", 0),
        (duplicates_off_by_one, "wrong number of duplicates in the accounts (1): 5 instead of 6", 0),
        (account_off_by_one, "accounts that do not hold (1): ", 0),
    ],
)
def test_a_broken_lake_is_reported_in_words(
    tmp_path: Path, spoil: Callable[[Lake], None], words: str, lost: int
) -> None:
    lake = correct()
    spoil(lake)
    found = verdict(tmp_path, lake)
    assert not found.ok
    assert words in "\n".join(found.differences)
    assert found.lost == lost


def test_a_file_that_only_the_glob_sees_is_reported(tmp_path: Path) -> None:
    folder = correct().write(tmp_path / "lake")
    file = next((folder / "curated" / "orders").glob("event_date=*/*.parquet"))
    pq.write_table(pq.ParquetFile(file).read().slice(0, 1), file.with_name("orphan.parquet"))
    found = ledger.check(write_ledger(tmp_path), folder)
    assert [words.split(" (")[0] for words in found.differences] == ["seen by the glob, but not by the Delta log"]


def test_a_row_that_the_glob_does_not_see_is_reported(tmp_path: Path) -> None:
    folder = correct().write(tmp_path / "lake")
    file = next((folder / "curated" / "orders").glob("event_date=2026-11-20/*.parquet"))
    table = pq.ParquetFile(file).read()
    hidden = file.with_name("hidden")
    file.rename(hidden)
    pq.write_table(table.slice(1), file)  # the log still names the file
    words = "\n".join(ledger.check(write_ledger(tmp_path), folder).differences)
    assert "missing in curated" in words


def test_a_lake_that_is_not_there_loses_everything(tmp_path: Path) -> None:
    found = ledger.check(write_ledger(tmp_path), tmp_path / "lake")
    assert found.lost == len(SENT)
    assert any(words.startswith("raw cannot be read") for words in found.differences)


def test_a_ledger_that_is_not_complete_is_reported(tmp_path: Path) -> None:
    path = write_ledger(tmp_path, SENT[:-1])
    found = ledger.check(path, correct().write(tmp_path / "lake"))
    assert any("publishing did not finish" in words for words in found.differences)

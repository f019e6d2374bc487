"""The ledger's questions about customers: whether the lake has every change once, in order, and what is there now.

The lake is read by DuckDB, the container through the SDK; protected values are hashed here, not by the product.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from ledger import connect
from ledger_checks import Check

__all__ = ["CustomersVerdict", "check_customers"]

_EXAMPLES = 3
_VALUES = {
    "city": pa.string(),
    "country": pa.string(),
    "segment": pa.string(),
    "consent": pa.bool_(),
    "credit": pa.decimal128(10, 2),
    "registered": pa.string(),
    "email": pa.string(),
    "street": pa.string(),
    "postcode": pa.string(),
    "floor": pa.int64(),
    "rescued": pa.string(),
}
_ITEM = pa.schema([pa.field("id", pa.string()), *(pa.field(name, kind) for name, kind in _VALUES.items())])
_TOLD = ("change", "operation", "expired", "outcome", "reason", "expectation", "column")
_SENT = pa.schema(
    [
        pa.field("change", pa.int64()),
        *(pa.field(name, pa.string()) for name in ("operation", "outcome", "reason", "expectation", "column", "mail")),
        pa.field("expired", pa.bool_()),
        *_ITEM,
    ]
)
_COLUMNS = ", ".join(_VALUES)


@dataclass(frozen=True, slots=True)
class CustomersVerdict:
    """What the lake has of the customers against ledger and container. Counts are rows; `differences` are sentences.

    `current` are the customers who are there, `deleted` the tombstones of those who are not.
    """

    sent: int
    landed: int
    curated: int
    quarantined: int
    duplicates: int
    current: int
    deleted: int
    lost: int
    differences: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True when nothing is lost and nothing differs."""
        return not self.differences and self.lost == 0


_LAKE = {
    "raw": """
        SELECT event_id, operation, position AS lsn, split_part(event_id, ':', -1)::BIGINT AS "index",
            json_extract_string(key, '$[0]') AS id, json_extract_string(decode(body), '$.email') AS mail, event_date,
            row_number() OVER (PARTITION BY key ORDER BY operation <> 'snapshot', lsn, "index") AS turn
        FROM delta_scan(getvariable('lake') || '/raw/customers')
    """,
    "history": """
        SELECT event_id, operation, expired, event_date, lsn, customer_id AS id, {values}
        FROM delta_scan(getvariable('lake') || '/curated/customers_changes')
    """,
    "quarantine": """
        SELECT event_id, reason, split_part(expectation, '(', 1) AS expectation, "column"
        FROM delta_scan(getvariable('lake') || '/quarantine/customers')
    """,
    "accounts": """
        SELECT records, curated, quarantined, duplicates, erased
        FROM delta_scan(getvariable('lake') || '/accounts/customers')
    """,
    "there": """
        SELECT customer_id AS id, {values} FROM delta_scan(getvariable('lake') || '/curated/customers')
    """,
    "gone": "SELECT key FROM delta_scan(getvariable('lake') || '/_lakepost/deleted/customers')",
}
_READ = """city, country, segment, marketing_consent AS consent, credit_limit AS credit,
            strftime(registered_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%f') AS registered,
            email, address.street AS street, address.postcode AS postcode, address.floor AS floor,
            _rescued AS rescued"""
_DERIVED = {
    "written": "SELECT *, row_number() OVER (PARTITION BY id ORDER BY change) AS turn FROM sent",
    # The change of each customer that is last, and the last that is valid.
    "last": "SELECT * FROM written QUALIFY row_number() OVER (PARTITION BY id ORDER BY turn DESC) = 1",
    "valid": """
        SELECT * FROM written WHERE outcome = 'curated'
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY turn DESC) = 1
    """,
    "paired": """
        SELECT w.*, r.event_id, r.operation AS landed_as, r.mail AS landed_mail, r.id AS landed_id
        FROM written w FULL JOIN raw r ON w.id = r.id AND w.turn = r.turn
    """,
}


def _of(table: str) -> str:
    return ", ".join(f"{table}.{name}" for name in _VALUES)


CHECKS = (
    Check(
        "written, but not in raw",
        "SELECT id || ', change ' || change || ' (' || operation || ')' AS what FROM paired WHERE event_id IS NULL",
    ),
    Check(
        "in raw, but never written", "SELECT landed_id || ' (' || landed_as || ')' AS what FROM paired WHERE id IS NULL"
    ),
    Check(
        "in raw as another change than was written",
        """
        SELECT id || ': ' || landed_as || ' instead of ' || operation AS what FROM paired
        WHERE event_id IS NOT NULL AND (operation <> landed_as OR mail IS DISTINCT FROM landed_mail)
        """,
    ),
    Check(
        "more than once in raw, history or quarantine",
        """
        SELECT event_id AS what FROM raw GROUP BY ALL HAVING count(*) > 1
        UNION ALL SELECT event_id FROM (SELECT event_id FROM history UNION ALL SELECT event_id FROM quarantine)
        GROUP BY ALL HAVING count(*) > 1
        """,
    ),
    Check(
        "missing in the history, or there with other values",
        f"""
        SELECT p.id || ', change ' || p.change AS what FROM paired p LEFT JOIN history h USING (event_id)
        WHERE p.outcome = 'curated' AND (h.event_id IS NULL OR (h.operation, h.expired) <> (p.operation, p.expired)
            OR (p.operation = 'delete') <> (h.city IS NULL)
            OR ({_of("h")}) IS DISTINCT FROM ({_of("p")}))
        """,
    ),
    Check(
        "in the history, but not expected there",
        """
        SELECT event_id AS what FROM history
        ANTI JOIN (SELECT * FROM paired WHERE outcome = 'curated') USING (event_id)
        """,
    ),
    Check(
        "missing in quarantine, or there for another reason",
        """
        SELECT p.id || ', change ' || p.change || ': ' || coalesce(q.reason || ' ' || q."column", 'not there')
            || ' instead of ' || p.reason || ' ' || p."column" AS what
        FROM paired p LEFT JOIN quarantine q USING (event_id)
        WHERE p.outcome = 'quarantined' AND (q.event_id IS NULL
            OR (q.reason, q."column", coalesce(q.expectation, ''))
                <> (p.reason, p."column", coalesce(p.expectation, '')))
        """,
    ),
    Check(
        "in quarantine, but not expected there",
        """
        SELECT event_id AS what FROM quarantine
        ANTI JOIN (SELECT * FROM paired WHERE outcome = 'quarantined') USING (event_id)
        """,
    ),
    Check(
        "accounts that do not hold",
        """
        SELECT 'accounts say ' || t.curated || ' + ' || t.quarantined || ' + ' || t.duplicates || ' of ' || t.records
            || ', the tables have ' || h.n || ' in the history, ' || q.n || ' quarantined, ' || r.n || ' in raw' AS what
        FROM (SELECT coalesce(sum(records), 0) AS records, coalesce(sum(curated), 0) AS curated,
                coalesce(sum(quarantined), 0) AS quarantined, coalesce(sum(duplicates), 0) AS duplicates
            FROM accounts) t,
            (SELECT count(*) AS n FROM history) h, (SELECT count(*) AS n FROM quarantine) q,
            (SELECT count(*) AS n FROM raw) r
        WHERE (t.records, t.curated, t.quarantined, t.duplicates) <> (r.n, h.n, q.n, 0)
        """,
    ),
    Check(
        "not among the customers as the ledger has them, or with other values",
        f"""
        SELECT id AS what FROM (SELECT id, {_COLUMNS} FROM valid WHERE operation <> 'delete'
            EXCEPT ALL SELECT id, {_COLUMNS} FROM there)
        """,
    ),
    Check(
        "among the customers, and not in the ledger, or deleted, or with other values",
        f"""
        SELECT id AS what FROM (SELECT id, {_COLUMNS} FROM there
            EXCEPT ALL SELECT id, {_COLUMNS} FROM valid WHERE operation <> 'delete')
        """,
    ),
    Check(
        "not the same in the container and among the customers",
        f"""
        WITH judged AS (SELECT id FROM last WHERE outcome = 'curated'),
            mine AS (SELECT id, {_COLUMNS} FROM there SEMI JOIN judged USING (id)),
            theirs AS (SELECT id, {_COLUMNS} FROM container SEMI JOIN judged USING (id))
        SELECT id AS what FROM ((FROM mine EXCEPT ALL FROM theirs) UNION ALL (FROM theirs EXCEPT ALL FROM mine))
        """,
    ),
    Check(
        "in the container otherwise than in the ledger",
        """
        SELECT coalesce(c.id, l.id) AS what
        FROM container c FULL JOIN (SELECT id FROM last WHERE operation <> 'delete') l ON c.id = l.id
        WHERE c.id IS NULL OR l.id IS NULL
        """,
    ),
    Check(
        "tombstones otherwise than customers who were deleted",
        """
        SELECT t.n || ' instead of ' || w.n AS what FROM (SELECT count(*) AS n, count(DISTINCT key) AS d FROM gone) t,
            (SELECT count(*) AS n FROM valid WHERE operation = 'delete') w WHERE (t.n, t.d) <> (w.n, w.n)
        """,
    ),
)


def check_customers(
    ledger: Path, lake: Path, container: Iterable[Mapping[str, Any]], *, keys: str
) -> CustomersVerdict:  # fmt: skip
    """Compare the ledger's changes and the items that the container has with the lake's tables."""
    with connect() as lines:
        lines.execute("SET VARIABLE lake = ?", [str(lake)])
        lines.execute("SET TimeZone = 'UTC'")
        changes = pa.Table.from_pylist(list(_changes(ledger, keys)), schema=_SENT)
        items = [{"id": one["id"]} | _values(one, keys) for one in container]
        lines.register("sent", changes)
        lines.register("container", pa.Table.from_pylist(items, schema=_ITEM))
        differences = list(_load(lines))
        for rule in CHECKS if not differences else ():
            differences += _apply(lines, rule)
        if differences and "cannot be read" in differences[0]:
            return CustomersVerdict(changes.num_rows, 0, 0, 0, 0, 0, 0, changes.num_rows, tuple(differences))
        counts = {name: _count(lines, f"SELECT count(*) FROM {name}") for name in _LAKE}
        return CustomersVerdict(
            sent=changes.num_rows,
            landed=counts["raw"],
            curated=counts["history"],
            quarantined=counts["quarantine"],
            duplicates=_count(lines, "SELECT coalesce(sum(duplicates), 0) FROM accounts"),
            current=counts["there"],
            deleted=counts["gone"],
            lost=_count(
                lines,
                """
                SELECT count(*) FROM paired p WHERE id IS NOT NULL AND (event_id IS NULL OR event_id NOT IN
                    (SELECT event_id FROM history UNION ALL SELECT event_id FROM quarantine))
                """,
            ),
            differences=tuple(differences),
        )


def _changes(ledger: Path, keys: str) -> Iterator[dict[str, Any]]:
    """The changes, their documents as the lake must have them."""
    with ledger.open("rb") as file:
        for line in file:
            told = msgspec.json.decode(line)
            document = told["document"]
            yield {name: told[name] for name in _TOLD} | {
                "id": told["id"],
                "mail": document and document.get("email"),
                **_values(document or {}, keys),
            }


def _values(document: Mapping[str, Any], keys: str) -> dict[str, Any]:
    """What the lake must have of a document; of one without members, nulls."""
    address, credit = document.get("address") or {}, document.get("creditLimit")
    email, registered, expiry = document.get("email"), document.get("registeredAt"), document.get("ttl")
    return {
        "city": document.get("city"),
        "country": document.get("country"),
        "segment": document.get("segment"),
        "consent": _if(bool, document.get("marketingConsent")),
        "credit": None if credit is None else Decimal(str(credit)),
        "registered": registered and registered[:26],
        "email": None if email is None else _hashed(email, keys),
        "street": address.get("street"),
        "postcode": address.get("postcode"),
        "floor": _if(int, address.get("floor")),
        "rescued": None if expiry is None else f'{{"ttl":{expiry}}}',
    }


def _if(kind: type, value: Any) -> Any:
    """The value, if it is of that type: of an invalid document it need not be."""
    return value if type(value) is kind else None


def _hashed(text: str, keys: str) -> str:
    name, _, secret = keys.partition(",")[0].partition(":")
    return f"{name}:{hmac.digest(base64.b64decode(secret), text.encode(), hashlib.sha256).hex()}"


def _load(lines: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Read the tables; one that cannot be read is a difference."""
    for name, query in _LAKE.items():
        try:
            lines.execute(f"CREATE TABLE {name} AS {query.replace('{values}', _READ)}")
        except duckdb.Error as error:
            yield f"customers: {name} cannot be read: {str(error).splitlines()[0]}"
            return
    for name, query in _DERIVED.items():
        lines.execute(f"CREATE TABLE {name} AS {query}")


def _apply(lines: duckdb.DuckDBPyConnection, rule: Check) -> Iterator[str]:
    try:
        found = lines.execute(f"SELECT what, count(*) OVER () FROM ({rule.query}) LIMIT {_EXAMPLES}").fetchall()
    except duckdb.Error as error:
        yield f"customers: not checked, {rule.words}: {str(error).splitlines()[0]}"
        return
    if found:
        examples = "; ".join(str(what) for what, _ in found)
        yield f"customers: {rule.words} ({found[0][1]}): {examples}{' …' if found[0][1] > len(found) else ''}"


def _count(lines: duckdb.DuckDBPyConnection, query: str) -> int:
    row = lines.execute(query).fetchone()
    return int(row[0]) if row else 0

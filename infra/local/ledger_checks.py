"""The questions that the ledger asks of the lake, as SQL: each lists what is wrong, one sentence a row.

A message is known by its id; one that was sent without an id by the hash of its body (`key`).
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CHECKS", "LOST", "TABLES", "Check", "Table"]


class Table(NamedTuple):
    """A table of the check: how it is read, and its columns for when it cannot be."""

    query: str
    columns: str


class Check(NamedTuple):
    """`query` yields one text column `what`; no row means that all is well."""

    words: str
    query: str


_KEY = "CASE WHEN event_id IN (SELECT message_id FROM sent) THEN event_id ELSE 'body:' || sha256(body) END AS key"

TABLES = {
    "sent": Table(
        """
        SELECT *, coalesce(message_id, 'body:' || sha256) AS key
        FROM read_json(getvariable('ledger'), format = 'newline_delimited', columns = {
            n: 'BIGINT', message_id: 'VARCHAR', sha256: 'VARCHAR', event_date: 'DATE', kind: 'VARCHAR',
            outcome: 'VARCHAR', reason: 'VARCHAR', expectation: 'VARCHAR', "column": 'VARCHAR',
            order_id: 'VARCHAR', total: 'DECIMAL(12,2)', note_sha256: 'VARCHAR',
            rescued_sha256: 'VARCHAR'})
        WHERE n IS NOT NULL
        """,
        """n BIGINT, message_id VARCHAR, sha256 VARCHAR, event_date DATE, kind VARCHAR, outcome VARCHAR,
        reason VARCHAR, expectation VARCHAR, "column" VARCHAR, order_id VARCHAR, total DECIMAL(12,2),
        note_sha256 VARCHAR, rescued_sha256 VARCHAR, key VARCHAR""",
    ),
    "messages": Table(  # duplicates folded into the message that they repeat
        """
        SELECT key, sha256, count(*) AS sends, min(n) AS n, arg_min(outcome, n) AS outcome,
               any_value(event_date) AS event_date, any_value(reason) AS reason, any_value(expectation) AS expectation,
               any_value("column") AS "column", any_value(order_id) AS order_id, any_value(total) AS total,
               any_value(note_sha256) AS note_sha256, any_value(rescued_sha256) AS rescued_sha256
        FROM sent GROUP BY key, sha256
        """,
        "",
    ),
    "raw": Table(
        f"""
        SELECT {_KEY}, sha256(body) AS sha256, event_date, "window", "row"
        FROM delta_scan(getvariable('raw'))
        """,
        'key VARCHAR, sha256 VARCHAR, event_date DATE, "window" VARCHAR, "row" INTEGER',
    ),
    "copies": Table("SELECT key, sha256, count(*) AS copies FROM raw GROUP BY ALL", ""),
    "curated": Table(
        """
        SELECT event_id AS key, event_date, order_id, total, sha256(note) AS note_sha256,
               sha256(_rescued) AS rescued_sha256
        FROM delta_scan(getvariable('curated'))
        """,
        """key VARCHAR, event_date DATE, order_id VARCHAR, total DECIMAL(12,2), note_sha256 VARCHAR,
        rescued_sha256 VARCHAR""",
    ),
    "quarantine": Table(
        f"""
        SELECT {_KEY}, sha256(body) AS sha256, event_date, reason, split_part(expectation, '(', 1) AS expectation,
               split_part(split_part("column", '.', 1), '[', 1) AS "column"
        FROM delta_scan(getvariable('quarantine'))
        """,
        'key VARCHAR, sha256 VARCHAR, event_date DATE, reason VARCHAR, expectation VARCHAR, "column" VARCHAR',
    ),
    "accounts": Table(
        "SELECT records, curated, quarantined, duplicates, erased FROM delta_scan(getvariable('accounts'))",
        "records BIGINT, curated BIGINT, quarantined BIGINT, duplicates BIGINT, erased BIGINT",
    ),
}

_MESSAGE = "'message ' || m.n || ' (' || m.key || ')'"
_TOTALS = """
    (SELECT coalesce(sum(records), 0) AS records, coalesce(sum(curated), 0) AS curated,
            coalesce(sum(quarantined), 0) AS quarantined, coalesce(sum(duplicates), 0) AS duplicates,
            coalesce(sum(erased), 0) AS erased FROM accounts)
"""

_LOG = "(FROM delta_scan(getvariable('curated')))"
_GLOB = """
    ((FROM delta_scan(getvariable('curated')) LIMIT 0) UNION ALL BY NAME
     (FROM read_parquet(getvariable('files'), hive_partitioning = true, union_by_name = true)))
"""  # the empty part gives both sides one order of columns

CHECKS = (
    Check(
        "sent, but not as often in raw",
        f"""
        SELECT {_MESSAGE} || ': ' || coalesce(c.copies, 0) || ' of ' || m.sends AS what
        FROM messages m LEFT JOIN copies c USING (key, sha256) WHERE coalesce(c.copies, 0) < m.sends
        """,
    ),
    Check(
        "in raw, but never sent",
        """
        SELECT 'row ' || r.row || ' of window ' || r.window || ' (' || r.key || ')' AS what
        FROM raw r ANTI JOIN messages m USING (key, sha256)
        """,
    ),
    Check(
        "in raw under another date",
        f"""
        SELECT {_MESSAGE} || ': ' || r.event_date || ' instead of ' || m.event_date AS what
        FROM messages m JOIN raw r USING (key, sha256) WHERE r.event_date <> m.event_date
        """,
    ),
    Check(
        "missing in curated",
        f"SELECT {_MESSAGE} AS what FROM messages m ANTI JOIN curated c USING (key) WHERE m.outcome = 'curated'",
    ),
    Check(
        "more than once in curated",
        "SELECT key || ': ' || count(*) || ' rows' AS what FROM curated GROUP BY key HAVING count(*) > 1",
    ),
    Check(
        "in curated under another date",
        f"""
        SELECT {_MESSAGE} || ': ' || c.event_date || ' instead of ' || m.event_date AS what
        FROM messages m JOIN curated c USING (key) WHERE m.outcome = 'curated' AND c.event_date <> m.event_date
        """,
    ),
    Check(
        "in curated with other values",
        f"""
        SELECT {_MESSAGE} || ': order_id ' || coalesce(c.order_id, 'null') || ', total '
            || coalesce(c.total::VARCHAR, 'null')
            || CASE WHEN c.note_sha256 IS DISTINCT FROM m.note_sha256 THEN ', another note' ELSE '' END
            || ' instead of ' || m.order_id || ', ' || m.total AS what
        FROM messages m JOIN curated c USING (key)
        WHERE m.outcome = 'curated'
            AND (c.order_id, c.total, c.note_sha256) IS DISTINCT FROM (m.order_id, m.total, m.note_sha256)
        """,
    ),
    Check(
        "in curated with other unknown fields than were sent",
        f"""
        SELECT {_MESSAGE} AS what FROM messages m JOIN curated c USING (key)
        WHERE m.outcome = 'curated' AND c.rescued_sha256 IS DISTINCT FROM m.rescued_sha256
        """,
    ),
    Check(
        "in curated, but not expected there",
        """
        SELECT c.key || coalesce(': expected in quarantine as ' || m.reason, ': never sent') AS what
        FROM curated c LEFT JOIN messages m USING (key) WHERE m.outcome IS DISTINCT FROM 'curated'
        """,
    ),
    Check(
        "missing in quarantine",
        f"""
        SELECT {_MESSAGE} || ', ' || m.reason AS what
        FROM messages m ANTI JOIN quarantine q USING (key) WHERE m.outcome = 'quarantined'
        """,
    ),
    Check(
        "in quarantine more or less often than in raw",
        """
        SELECT key || ': ' || count(*) || ' rows, ' || coalesce(any_value(c.copies), 0) || ' in raw' AS what
        FROM (SELECT key FROM quarantine)
            LEFT JOIN (SELECT key, sum(copies)::BIGINT AS copies FROM copies GROUP BY key) c USING (key)
        GROUP BY key HAVING count(*) <> coalesce(any_value(c.copies), 0)
        """,
    ),
    Check(
        "in quarantine for another reason",
        f"""
        SELECT {_MESSAGE} || ': ' || q.reason || ' instead of ' || m.reason AS what
        FROM messages m JOIN quarantine q USING (key) WHERE m.outcome = 'quarantined' AND q.reason <> m.reason
        """,
    ),
    Check(
        "in quarantine for another column or expectation",
        f"""
        SELECT {_MESSAGE} || ': ' || coalesce(q.expectation, '') || '(' || coalesce(q.column, '') || ') instead of '
            || coalesce(m.expectation, '') || '(' || m.column || ')' AS what
        FROM messages m JOIN quarantine q USING (key)
        WHERE m.outcome = 'quarantined' AND (q.column IS DISTINCT FROM coalesce(m.column, q.column)
            OR q.expectation IS DISTINCT FROM coalesce(m.expectation, q.expectation))
        """,
    ),
    Check(
        "in quarantine with another body",
        f"""
        SELECT {_MESSAGE} AS what
        FROM messages m JOIN quarantine q USING (key) WHERE m.outcome = 'quarantined' AND q.sha256 <> m.sha256
        """,
    ),
    Check(
        "in quarantine under another date",
        f"""
        SELECT {_MESSAGE} || ': ' || q.event_date || ' instead of ' || m.event_date AS what
        FROM messages m JOIN quarantine q USING (key) WHERE m.outcome = 'quarantined' AND q.event_date <> m.event_date
        """,
    ),
    Check(
        "in quarantine, but not expected there",
        """
        SELECT q.key || ' (' || q.reason || ')' || if(m.key IS NULL, ': never sent', ': valid') AS what
        FROM quarantine q LEFT JOIN messages m USING (key) WHERE m.outcome IS DISTINCT FROM 'quarantined'
        """,
    ),
    Check(
        "wrong number of duplicates in the accounts",
        f"""
        SELECT t.duplicates || ' instead of ' || e.expected AS what
        FROM {_TOTALS} t, (
            SELECT coalesce(sum(greatest(m.sends, coalesce(c.copies, 0)) - 1), 0) AS expected
            FROM messages m LEFT JOIN copies c USING (key, sha256) WHERE m.outcome = 'curated') e
        WHERE t.duplicates <> e.expected
        """,
    ),
    Check(
        "accounts that do not hold",
        f"""
        SELECT 'accounts say ' || t.curated || ' + ' || t.quarantined || ' + ' || t.duplicates || ' of ' || t.records
            || ' records, the tables have ' || c.curated || ' curated, ' || q.quarantined || ' quarantined, '
            || r.raw || ' raw' AS what
        FROM {_TOTALS} t, (SELECT count(*) AS curated FROM curated) c,
            (SELECT count(*) AS quarantined FROM quarantine) q, (SELECT count(*) AS raw FROM raw) r
        WHERE (t.records, t.curated, t.quarantined) <> (r.raw, c.curated, q.quarantined)
            OR t.records <> t.curated + t.quarantined + t.duplicates + t.erased
        """,
    ),
    Check(
        "seen by the glob, but not by the Delta log",
        f"SELECT event_id || ' under ' || event_date AS what FROM ({_GLOB} EXCEPT ALL {_LOG})",
    ),
    Check(
        "seen by the Delta log, but not by the glob",
        f"SELECT event_id || ' under ' || event_date AS what FROM ({_LOG} EXCEPT ALL {_GLOB})",
    ),
)

LOST = """
    SELECT coalesce(sum(CASE WHEN k.key IS NULL THEN m.sends ELSE greatest(m.sends - coalesce(c.copies, 0), 0) END), 0)
    FROM messages m LEFT JOIN copies c USING (key, sha256)
    LEFT JOIN (SELECT key FROM curated UNION SELECT key FROM quarantine) k USING (key)
"""
"""How many messages are nowhere: not in raw as often as sent, or in neither curated nor quarantine."""

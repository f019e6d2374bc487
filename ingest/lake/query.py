"""SQL over the lake: each table a view that DuckDB reads by its Delta log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from ingest.errors import ConfigurationError, TerminalError
from ingest.lake import paths
from ingest.lake.storage import Storage
from ingest.model.tables import STAGES

__all__ = ["query"]


def query(storage: Storage, sql: str, *, max_rows: int | None = None) -> tuple[list[str], list[tuple[Any, ...]], bool]:
    """Run `sql`; returns column names, rows (at most `max_rows`) and whether there were more.

    Views are named after the lake's folders: `curated.orders`, `raw.orders`, `quarantine.orders`,
    `accounts.orders`; of a container's items `curated.customers` are those that there are, `deleted.customers` those
    that were deleted, `curated.customers_changes` what was done to them.

    Raises:
        ConfigurationError: DuckDB is not installed.
        TerminalError: DuckDB refuses the statement; the message is DuckDB's, the remedy lists the views.
    """
    try:
        import duckdb
        import duckdb_extension_delta
    except ImportError as error:
        raise ConfigurationError(
            f"`lakepost sql` needs DuckDB ({error})", remedy="pip install 'lakepost[sql]'"
        ) from error
    found = Path(duckdb_extension_delta.__file__).parent.rglob("delta.duckdb_extension")
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    views: list[str] = []
    try:
        connection.execute(f"LOAD '{next(iter(found))}'")
        for stage in (*STAGES, "deleted"):
            for dataset in storage.folders(paths.tables_of(stage)):
                uri = storage.table_uri(f"{paths.tables_of(stage)}/{dataset}")
                if DeltaTable.is_deltatable(uri):
                    views.append(f"{stage}.{dataset}")
                    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {stage}")
                    escaped = uri.replace("'", "''")
                    connection.execute(f"""CREATE VIEW {stage}."{dataset}" AS FROM delta_scan('{escaped}')""")
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchall() if max_rows is None else cursor.fetchmany(max_rows + 1)
    except duckdb.Error as error:
        says = f"the views are {', '.join(views)}" if views else "the lake has no tables yet: run `lakepost lake init`"
        raise TerminalError(str(error).strip(), remedy=says) from error
    finally:
        connection.close()
    return names, rows if max_rows is None else rows[:max_rows], max_rows is not None and len(rows) > max_rows

"""What producers send that the contract does not name, as curate's accounts tell it."""

from __future__ import annotations

import json
from typing import Any

from ingest.lake.published import accounts
from ingest.model.drift import UnknownField

__all__ = ["unknown_fields"]


def unknown_fields(uri: str) -> list[UnknownField]:
    """Each field that no column of the contract took, most rows first, from the accounts at `uri`."""
    found: dict[str, dict[str, Any]] = {}
    for account in accounts(uri).select(["unknown_fields", "committed_at", "contract_version"]).to_pylist():
        for path, rows in json.loads(account["unknown_fields"] or "{}").items():
            field = found.setdefault(path, {"rows": 0, "first_seen": account["committed_at"]})
            field["rows"] += rows
            field["last_seen"] = account["committed_at"]
            field["contract_version"] = account["contract_version"]
    fields = [UnknownField(path, **told) for path, told in found.items()]
    return sorted(fields, key=lambda field: (-field.rows, field.path))

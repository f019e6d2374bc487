"""The account of rows that moved: a rebuild's, a replay's or an erasure's, which read nothing new of raw."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ingest.model.contract import Contract

__all__ = ["moved_account"]


def moved_account(
    kind: str,
    contract: Contract,
    *,
    position: int,
    curated: int,
    partitions: Sequence[str],
    duplicates_by_date: Mapping[str, int] = MappingProxyType({}),
    erased_by_date: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Any]:
    """A row of `tables.ACCOUNTS`, as JSON values, but for the version that its commit will have.

    No records, and signed differences that sum to 0: what curated, the duplicates and the erased gain, quarantine
    loses. `position` is the raw version that curated has been read to, dates are ISO.
    """
    duplicates, erased = sum(duplicates_by_date.values()), sum(erased_by_date.values())
    return {
        "kind": kind,
        "batch": position,
        "after": position,
        "records": 0,
        "curated": curated,
        "quarantined": -(curated + duplicates + erased),
        "duplicates": duplicates,
        "accepted": False,
        "contract_version": contract.version,
        "contract_digest": contract.digest,
        "partitions": json.dumps(partitions),
        "duplicates_by_date": json.dumps(dict(duplicates_by_date)),
        "erased": erased,
        "erased_by_date": json.dumps(dict(erased_by_date)),
        "rejected": json.dumps({}),
        "committed_at": dt.datetime.now(dt.UTC).isoformat(),
    }

"""Whether a row can be told from its copy."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ingest.model.contract import Contract, Identity
from ingest.model.delivery import CONTENT_PREFIX

__all__ = ["has_identity"]


def has_identity(event_id: pa.ChunkedArray, contract: Contract) -> pa.ChunkedArray:
    """True where a row has an identity of its own, or the contract identifies by content."""
    if contract.identity is Identity.CONTENT:
        return pc.is_valid(event_id)
    return pc.invert(pc.starts_with(event_id, CONTENT_PREFIX))

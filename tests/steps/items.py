"""Changes of customers for tests, as the source of a container gives them."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from ingest import catalog
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.container import CHANGE_PREFIX, DELETES, INFERRED, SNAPSHOT, fingerprint
from ingest.model.delivery import Delivery
from tests.steps.erasing import KEYS
from tests.steps.shop import Shop

__all__ = ["RID", "SCHEMAS", "change", "customer", "customers"]

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
RID = "9b8PAKjTU5A="


def customers(folder: Path) -> Shop:
    """The shop's customers, whose source is a list of changes."""
    return Shop(DeltaLake(LocalStorage(folder)), catalog.load(SCHEMAS, "customers"), KEYS)


def customer(name: str, **fields: Any) -> dict[str, Any]:
    """A valid customer's document, with `fields` over it."""
    return {
        "id": name,
        "name": "Jana Køhler",
        "email": f"{name}@example.org",
        "city": "Köln",
        "country": "DE",
        "segment": "household",
        "marketingConsent": True,
        "creditLimit": 250.5,
        "registeredAt": "2024-03-01T09:30:00Z",
        "address": {"street": "Lindenstraße 12", "postcode": "50674", "floor": 2},
        **fields,
    }


def change(
    name: str,
    lsn: int,
    operation: str = "replace",
    *,
    index: int = 0,
    generation: int = 0,
    expired: bool = False,
    day: int = 20,
    **fields: Any,
) -> Delivery:
    """What was done to the customer of that id. A delete's body has nothing but the id."""
    key = json.dumps([name, name], separators=(",", ":"), ensure_ascii=False)
    kind = {SNAPSHOT: f"snapshot-{generation}:", INFERRED: f"inferred-{generation}:"}.get(operation, "")
    document = {"id": name} if operation in DELETES else customer(name, **fields) | {"_ts": 1_795_190_769, "_lsn": lsn}
    return Delivery(
        body=json.dumps(document).encode(),
        source="shop/customers",
        routing_key="-FF",
        headers={"container_rid": RID, "generation": generation} | ({"ttl_expired": True} if expired else {}),
        content_type="application/json",
        message_id=f"{CHANGE_PREFIX}{RID}:{kind}{lsn}:{fingerprint(key)}:{index}",
        type=operation,
        timestamp=dt.datetime(2026, 11, day, 10, 11, 12, tzinfo=dt.UTC),
        position=lsn,
        operation=operation,
        key=key,
    )

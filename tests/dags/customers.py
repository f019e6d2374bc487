"""A small dataset `customers` from a container, for tests of its DAG."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from ingest import catalog
from ingest.model.contract import Contract

__all__ = ["customers_of"]


def customers_of(schemas: Path, **container: Any) -> Contract:
    """The dataset, written into `schemas`: items of `shop/customers` keyed by their id, or as `container` says."""
    document = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "lakepost.customers",
        "name": "customers",
        "version": "1.0.0",
        "status": "active",
        "description": {"purpose": "Customers of the shop."},
        "servers": [
            {
                "server": "shop-account",
                "type": "custom",
                "customProperties": [
                    {
                        "property": "container",
                        "value": {"database": "shop", "container": "customers", "partitionKey": ["/id"]} | container,
                    }
                ],
            }
        ],
        "schema": [
            {
                "name": "customers",
                "logicalType": "object",
                "physicalType": "table",
                "properties": [
                    {"name": "customer_id", "physicalName": "id", "logicalType": "string", "required": True},
                    {"name": "city", "logicalType": "string", "required": True},
                ],
            }
        ],
        "customProperties": [{"property": "schedule", "value": "0 0 1 1 *"}],
    }
    folder = schemas / "customers"
    folder.mkdir(parents=True)
    (folder / catalog.CONTRACT_FILE).write_text(yaml.safe_dump(document, sort_keys=False))
    (folder / catalog.SUITE_FILE).write_text(
        json.dumps({"name": "customers", "expectations": [], "meta": {"great_expectations_version": "1.24.1"}})
    )
    return catalog.load(schemas, "customers")

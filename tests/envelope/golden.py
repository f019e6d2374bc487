"""The golden samples: one delivery of each kind in the shape that its producer sends, and what must come of it."""

from __future__ import annotations

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

from ingest.model.delivery import Delivery

__all__ = ["GOLDEN", "delivery_of"]

GOLDEN: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text("utf-8"))
    for file in sorted((Path(__file__).parent / "samples").glob("*.json"))
}


def delivery_of(sample: dict[str, Any]) -> Delivery:
    """The sample's delivery."""
    given = dict(sample["delivery"])
    body = base64.b64decode(given.pop("body_base64")) if "body_base64" in given else given.pop("body").encode()
    if "timestamp" in given:
        given["timestamp"] = dt.datetime.fromisoformat(given["timestamp"])
    return Delivery(body=body, source="shop.events/lakepost.shop", **given)

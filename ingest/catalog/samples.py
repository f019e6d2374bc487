"""`samples/`: real deliveries of a dataset, valid and invalid, each invalid one with the verdict it must get."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from ingest.catalog.document import Document, Path, read_json, shown, suggestion
from ingest.catalog.values import choice, whole
from ingest.errors import ContractError
from ingest.model.container import DELETES, SNAPSHOT, UPSERT
from ingest.model.contract import Contract
from ingest.model.delivery import Delivery
from ingest.model.reason import Reason

__all__ = ["Sample", "read_samples"]

_TEXTS = ("content_type", "content_encoding", "message_id", "type", "routing_key")
_KEYS = ("why", "reason", "expectation", "column", "delivery")
_DELIVERY_KEYS = ("body", "body_base64", "headers", "timestamp", *_TEXTS)
_CHANGE_KEYS = ("operation", "key", "position")
_OPERATIONS = ("create", "replace", SNAPSHOT, UPSERT, *DELETES)


@dataclass(frozen=True, slots=True)
class Sample:
    """One delivery and its verdict. `name` is the file below `samples/`, without `.json`.

    `reason` is null for a valid delivery; `expectation` and `column` are what the reject must name, null
    where it names none; inside of a column it is a path (`items[].sku`).
    """

    name: str
    why: str
    delivery: Delivery
    reason: Reason | None = None
    expectation: str | None = None
    column: str | None = None


def read_samples(folder: File, contract: Contract) -> list[Sample]:
    """The samples in `folder/valid` and `folder/invalid`, by name. Each delivery comes from the contract's queue.

    Of a container it is a change: it says its `operation`, the `key` as `["id", partition key…]`, and as its `position`
    the LSN.

    Raises:
        ContractError: for a file that is not a sample, or that expects what the contract cannot say.
    """
    return [
        _sample(read_json(_text(file), str(file)), f"{verdict}/{file.stem}", contract)
        for verdict in ("invalid", "valid")
        for file in sorted((folder / verdict).glob("*.json"))
    ]


def _text(file: File) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"{file}: not readable: {error}", remedy="write it as UTF-8 text") from None


def _sample(document: Document, name: str, contract: Contract) -> Sample:
    value = document.value
    document.only((), value, _KEYS)
    for key in _KEYS[:-1]:
        if value.get(key) is not None and not isinstance(value[key], str):
            raise document.wrong((key,), f"{shown(value[key])} is not text", remedy="write text or null")
    if not value.get("why"):
        raise document.wrong(("why",), "missing", remedy="say in a sentence what the sample shows")
    reason = value.get("reason")
    if (reason is None) != name.startswith("valid/"):
        raise document.wrong(("reason",), f"{shown(reason)} in {name}", remedy="null in valid/, a reason in invalid/")
    named: Mapping[str, Sequence[str]] = {
        "reason": list(Reason),
        "expectation": [expectation.type for expectation in contract.expectations],
        "column": [column.name for column in contract.columns],
    }
    for key, choices in named.items():
        given = re.split(r"[.\[]", value.get(key) or "")[0]
        if value.get(key) is not None and given not in choices:
            raise document.wrong((key,), f"unknown {key} {shown(value[key])}", remedy=suggestion(given, choices))
    return Sample(
        name=name,
        why=value["why"],
        delivery=_delivery(document, contract),
        reason=None if reason is None else Reason(reason),
        expectation=value.get("expectation"),
        column=value.get("column"),
    )


def _source(contract: Contract) -> str:
    if contract.container is not None:
        return contract.container.name
    return f"{contract.queues[0].exchange}/{contract.queues[0].queue}"


def _delivery(document: Document, contract: Contract) -> Delivery:
    path: Path = ("delivery",)
    value = document.value.get("delivery")
    if not isinstance(value, dict):
        raise document.wrong(path, "missing", remedy='write "delivery": {"body": …, "message_id": …}')
    document.only(path, value, _DELIVERY_KEYS + (_CHANGE_KEYS if contract.keeps_history else ()))
    for key in _TEXTS:
        if value.get(key) is not None and not isinstance(value[key], str):
            raise document.wrong((*path, key), f"{shown(value[key])} is not text", remedy="write text or null")
    headers = value.get("headers", {})
    if not isinstance(headers, dict):
        raise document.wrong((*path, "headers"), "not an object", remedy='write {"name": value}')
    return Delivery(
        body=_body(document, path, value),
        source=_source(contract),
        routing_key=value.get("routing_key") or "",
        headers=headers,
        content_type=value.get("content_type"),
        content_encoding=value.get("content_encoding"),
        message_id=value.get("message_id"),
        type=value.get("type"),
        timestamp=_time(document, (*path, "timestamp"), value.get("timestamp")),
        **(_change(document, path, value) if contract.keeps_history else {}),
    )


def _change(document: Document, path: Path, value: Mapping[str, Any]) -> dict[str, Any]:
    """What a change is beside its document, as fields of `Delivery`."""
    operation = choice(document, (*path, "operation"), value.get("operation"), _OPERATIONS)
    key = value.get("key")
    if not isinstance(key, list) or len(key) < 2:  # noqa: PLR2004 - the id and one value of the partition key
        remedy = 'write the id, then each value of the partition key: ["c-000001", "c-000001"]'
        raise document.wrong((*path, "key"), f"{shown(key)} is not a list of two or more", remedy=remedy)
    lsn = whole(document, (*path, "position"), value.get("position"), 0, 2**63 - 1)
    written = json.dumps(key, ensure_ascii=False, separators=(",", ":"))
    return {"operation": operation, "key": written, "position": lsn}


def _body(document: Document, path: Path, value: Mapping[str, Any]) -> bytes:
    texts = [value[key] for key in ("body", "body_base64") if key in value]
    if len(texts) != 1 or not isinstance(texts[0], str):
        remedy = "write the body as text in body, or in body_base64 where it is none"
        raise document.wrong((*path, "body"), "needs exactly one of body, body_base64", remedy=remedy)
    try:
        return texts[0].encode("utf-8") if "body" in value else base64.b64decode(texts[0], validate=True)
    except (binascii.Error, UnicodeEncodeError):
        at = (*path, "body" if "body" in value else "body_base64")
        raise document.wrong(at, "cannot be turned into bytes", remedy="write the bytes as base64") from None


def _time(document: Document, path: Path, value: Any) -> dt.datetime | None:
    if value is None:
        return None
    try:
        time = dt.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        time = None
    if time is None or time.tzinfo is None or time.microsecond:
        remedy = "write whole seconds with a zone, as AMQP has them: 2026-11-20T16:05:09Z"
        raise document.wrong(path, f"{shown(value)} is not a timestamp", remedy=remedy)
    return time.astimezone(dt.UTC)

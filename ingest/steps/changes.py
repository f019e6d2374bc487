"""Changes of a container's items on their way to curated: what they tell beside their document, and the deletes.

A delete's body holds nothing but the item's id and partition key. It is decoded as any other; nothing else is asked.
"""

from __future__ import annotations

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ingest.errors import ConfigurationError
from ingest.model.container import DELETES, fingerprint
from ingest.model.contract import Contract
from ingest.model.keys import Keys
from ingest.model.ports import Lake
from ingest.model.tables import CHANGE, RAW

__all__ = ["TOLD", "are_deletes", "item_keys", "item_marks", "needs_oldest", "told"]

TOLD = pa.schema([*RAW, *(field for field in CHANGE if field.name not in RAW.names)])
"""Raw with the columns of `tables.CHANGE` that are made of its own."""

_NUMBER = r":(?P<number>[0-9]{1,18})$"  # at the end of an `event_id`
_DELETES = pa.array(DELETES, pa.string())


class _Headers(msgspec.Struct):
    container_rid: str | None = None
    generation: int = 0
    ttl_expired: bool = False


_HEADERS = msgspec.json.Decoder(_Headers)


def told(raw: pa.Table, contract: Contract) -> pa.Table:
    """`raw` (n, `tables.RAW`) of a container as `TOLD` (n), while it has its headers; any other as it is."""
    if not contract.keeps_history or raw.schema.names == TOLD.names:
        return raw
    headers = pc.fill_null(raw["headers"].combine_chunks(), "{}").dictionary_encode()
    found = [_read(text) for text in headers.dictionary.to_pylist()]
    columns = {
        "lsn": raw["position"],
        "index": pc.struct_field(pc.extract_regex(raw["event_id"], _NUMBER), "number").cast(pa.int64()),
        "generation": pa.array([one.generation for one in found], pa.int64()).take(headers.indices),
        "container_rid": pa.array([one.container_rid for one in found], pa.string()).take(headers.indices),
        "expired": pa.array([one.ttl_expired for one in found], pa.bool_()).take(headers.indices),
    }
    return pa.table([columns[name] if name in columns else raw[name] for name in TOLD.names], schema=TOLD)


def _read(text: str) -> _Headers:
    try:
        return _HEADERS.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return _Headers()


def are_deletes(raw: pa.Table, contract: Contract) -> pa.Array:
    """For each row (n): is it a container's delete?"""
    if not contract.keeps_history:
        return pa.repeat(pa.scalar(False), raw.num_rows)  # noqa: FBT003 - a value
    flags = pc.is_in(raw["operation"], value_set=_DELETES)
    return flags.combine_chunks() if isinstance(flags, pa.ChunkedArray) else flags


def item_keys(keys_of_items: pa.ChunkedArray, contract: Contract, keys: Keys) -> pa.ChunkedArray | pa.Array:
    """The `key` of each row (n) as curated has it: hashed where it would tell what is protected, or whose it is.

    Under the oldest key, so that an item has one key in all of its changes, whichever they were curated with.

    Raises:
        ConfigurationError: it is to be hashed and there is no key.
    """
    if not contract.hides_keys:
        return keys_of_items
    oldest = keys.oldest
    encoded = keys_of_items.combine_chunks().dictionary_encode()
    hashes = [None if text is None else keys.hashed(text, oldest) for text in encoded.dictionary.to_pylist()]
    return pa.array(hashes, pa.string()).take(encoded.indices)


def needs_oldest(contract: Contract, lake: Lake, keys: Keys) -> None:
    """Check that `item_keys` gives the items the keys that they have: else each that changes stood there twice.

    Raises:
        ConfigurationError: there is no key, or their keys are hashed under another than the oldest.
    """
    if not contract.hides_keys or (key := lake.item_key(contract.dataset)) is None or key.startswith("["):
        return
    used = key.partition(":")[0]
    if used != keys.oldest:
        raise ConfigurationError(
            f"the items of {contract.dataset} are known by hashes under the key {used}, and the last one of"
            f" LAKEPOST_PII_KEYS is {keys.oldest}",
            remedy=f"put new keys in front, and keep old ones: `k2:…,{used}:…`; is {used} lost,"
            f" `lakepost rebuild {contract.dataset} --all` hashes all anew",
        )


def item_marks(value: str, contract: Contract, keys: Keys) -> list[str]:
    """What stands for the item of whom the erasure key names `value`, where nothing else is in its key.

    Its fingerprint in event ids, and its hash under each key. Of another key the parts are not known.
    """
    container = contract.container
    column = next((one for one in contract.columns if one.name == contract.erasure_key), None)
    if container is None or column is None or container.key_fields != {"id"} or column.field != "id":
        return []
    key = msgspec.json.encode([value] * (1 + len(container.partition_key))).decode()
    return [fingerprint(key), *(keys.hashed(key, one) for one in keys.by_id)]

"""Items of a container: what Cosmos DB writes into them itself is nobody's field, and costs no second look."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pyarrow.compute as pc
import pytest

from ingest.decode import chunk, decode
from ingest.model.container import ContainerBinding
from ingest.model.contract import Contract, UnknownFields
from ingest.model.tables import RESCUED
from tests.contracts import column, contract
from tests.decode.bodies import raw

_SYSTEM: dict[str, Any] = {
    "_rid": "9b8PAKjTU5ABAAAAAAAAAA==",
    "_self": "dbs/9b8PAA==/colls/9b8PAKjTU5A=/docs/1/",
    "_etag": '"00000000-0000-0000-1a2b-3c4d5e6f0000"',
    "_attachments": "attachments/",
    "_ts": 1795190769,
    "_lsn": 17,
}
_COLUMNS = (column("id", "string"), column("limit", "decimal", precision=10, scale=2), column("day", "date"))
_ITEMS = dataclasses.replace(
    contract(_COLUMNS), queues=(), container=ContainerBinding("shop", "items"), unknown_fields=UnknownFields.EVOLVE
)


def _item(number: int, **fields: Any) -> bytes:
    return json.dumps({"id": f"i{number}", "limit": 1.5, "day": "2026-11-20", **_SYSTEM, **fields}).encode()


def _rescued(bodies: list[bytes], of: Contract = _ITEMS) -> list[str | None]:
    decoded = decode(raw(bodies), of)
    rescued: list[str | None] = decoded.rows[RESCUED].take(pc.sort_indices(decoded.index)).to_pylist()
    return rescued


def test_they_are_no_unknown_fields_and_items_with_them_are_read_in_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk, "unknown_members", None)  # not called: no body is a suspect
    bodies = [*(_item(number, _ts=number) for number in range(1_000)), b"{", _item(1_001, limit="1.5")]
    decoded = decode(raw(bodies), _ITEMS)
    assert decoded.rows.num_rows == 1_000
    assert decoded.rejects["reason"].to_pylist() == ["malformed", "wrong_type"]
    assert (decoded.rows[RESCUED].null_count, decoded.unknown, decoded.kinds) == (1_000, {}, {})


def test_a_field_beside_them_is_rescued_without_them() -> None:
    bodies = [_item(1, tier="gold"), _item(2), _item(3, tier={"_ts": 1, "_etag": None})]
    assert _rescued(bodies) == ['{"tier":"gold"}', None, '{"tier":{"_ts": 1, "_etag": null}}']
    assert decode(raw(bodies), _ITEMS).unknown == {"tier": 2}


@pytest.mark.parametrize("odd", [None, "soon", 1.5, 10**30, {"a": 1}, [1, {"b": 2}], True])
@pytest.mark.parametrize("name", ["_ts", "_lsn", "_etag", "_rid"])
def test_whatever_they_hold_is_not_judged(name: str, odd: Any) -> None:
    assert _rescued([_item(1), _item(2, **{name: odd}), _item(3)]) == [None] * 3
    twice = _item(2)[:-1] + f', "{name}": {json.dumps(odd)}'.encode() + b"}"
    assert _rescued([_item(1), twice, _item(3)]) == [None] * 3


def test_a_column_takes_one_all_the_same() -> None:
    wanted = dataclasses.replace(_ITEMS, columns=(*_COLUMNS, column("changed", "integer", field="_ts")))
    decoded = decode(raw([_item(1), _item(2, _ts="soon")]), wanted)
    assert decoded.rows["changed"].to_pylist() == [1795190769]
    assert decoded.rejects["column"].to_pylist() == ["changed"]


def test_in_messages_they_are_fields_as_any_other() -> None:
    of_queue = dataclasses.replace(_ITEMS, container=None)
    (rescued,) = _rescued([_item(1)], of_queue)
    assert json.loads(str(rescued)) == _SYSTEM

"""What the warehouse system and the drivers' app send has the fate that the demo expects."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from demo_envelopes import differences
from ingest import catalog
from ingest.envelope import Kind, recognise
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.delivery import Delivery
from shop_envelopes import PRODUCERS, Parcel
from tests.steps.shop import Shop

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def delivered(parcel: Parcel) -> Delivery:
    """The message as the broker gives it."""
    sent = parcel.sent
    return Delivery(
        sent.body,
        "shop/queue",
        sent.routing_key,
        sent.headers,
        sent.content_type,
        sent.content_encoding,
        sent.message_id,
        sent.type,
        sent.timestamp,
    )


@pytest.mark.parametrize("dataset", PRODUCERS)
def test_the_lake_is_as_the_demo_expects_and_what_is_otherwise_is_told(tmp_path: Path, dataset: str) -> None:
    sent = list(PRODUCERS[dataset](600, 3))
    assert sent == list(PRODUCERS[dataset](600, 3))
    assert all(any(getattr(one, fate) for one in sent) for fate in ("curated", "quarantined", "is_copy"))
    shop = Shop(DeltaLake(LocalStorage(tmp_path)), catalog.load(SCHEMAS, dataset))
    landed = shop.land(*map(delivered, sent))
    account = shop.curate(accept=True).to_dict() | {"landed": landed.rows}
    assert differences(dataset, sent, account, tmp_path) == []
    told = differences(dataset, sent[1:], account | {"duplicates": 0}, tmp_path)
    assert any("duplicates is 0" in one for one in told)
    assert any("differ in" in one for one in told)
    assert differences(dataset, sent, {"error": "no broker"}, tmp_path) == [f"{dataset}: ingest failed: no broker"]


def test_every_form_is_sent() -> None:
    stock = Counter((one.sent.content_type, one.sent.content_encoding) for one in PRODUCERS["stock"](2_000, 1))
    assert len(stock) == 3
    kinds = {recognise(one.sent.content_type, one.sent.headers, None) for one in PRODUCERS["deliveries"](2_000, 1)}
    assert kinds == {Kind.CLOUDEVENTS, Kind.CLOUDEVENTS_BINARY}

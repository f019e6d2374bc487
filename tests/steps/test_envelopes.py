"""Enveloped, compressed and batched deliveries through the verbs: what lands, what is curated, and who stays erased."""

from __future__ import annotations

import base64
import gzip
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ingest import catalog
from ingest.decoding import decode
from ingest.lake import DeltaLake
from ingest.lake.storage import LocalStorage
from ingest.model.delivery import Delivery
from ingest.steps import Limits, replay
from ingest.validate import Suite
from tests.reading import rows_of
from tests.steps.erasing import GONE, KEYS, erase
from tests.steps.shop import Shop

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
EVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(DeltaLake(LocalStorage(tmp_path)), catalog.load(SCHEMAS, "deliveries"), KEYS)


def step(number: int, customer: str = "c-000001", **fields: Any) -> dict[str, Any]:
    """A CloudEvent of a delivery's step."""
    data = {"delivery_id": "d-00000001", "order_id": "o-00000001", "customer_id": customer, "step": "arrived"}
    event = {"specversion": "1.0", "id": f"e{number}", "source": "/van", "type": "step", "time": "2026-11-20T10:00:00Z"}
    return {**event, "data": {**data, "van": "K-12", **fields}}


def sent(body: Any, content_type: str = EVENT, **more: Any) -> Delivery:
    """A delivery of a JSON document, or of bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(
        content, "shop.deliveries/lakepost.deliveries", "delivery.arrived", content_type=content_type, **more
    )


def packed(body: Any, **more: Any) -> Delivery:
    """The same, compressed."""
    return sent(gzip.compress(json.dumps(body).encode()), content_encoding="gzip", **more)


def rows(shop: Shop, stage: str) -> dict[str, dict[str, Any]]:
    """A table's rows by event id."""
    found = rows_of(shop.lake.uri(stage, "deliveries")).to_pylist()
    assert len({row["event_id"] for row in found}) == len(found)
    return {row["event_id"]: row for row in found}


def test_raw_keeps_what_came_and_curated_has_the_payload(shop: Shop) -> None:
    single, small = sent(step(1, weather="Föhn")), packed(step(2))
    shop.land(single, small)
    assert shop.curate().curated == 2
    raw, curated = rows(shop, "raw"), rows(shop, "curated")
    assert raw["/van e1"]["body"] == single.body
    assert (raw["/van e2"]["body"], raw["/van e2"]["content_encoding"]) == (small.body, "gzip")
    assert (curated["/van e1"]["event_type"], curated["/van e1"]["event_date"].isoformat()) == ("step", "2026-11-20")
    assert (curated["/van e1"]["_rescued"], curated["/van e2"]["_rescued"]) == ('{"weather":"F\\u00f6hn"}', None)


def test_a_batch_lands_as_its_events_and_each_is_judged_by_itself(shop: Shop) -> None:
    batch = packed([step(1), step(2, crates="three"), step(3)], content_type=BATCH, message_id="m")
    landed = shop.land(batch, sent(step(4)))
    assert landed.rows == 4
    account = shop.curate(accept=True)
    assert (account.curated, account.quarantined, account.duplicates) == (3, 1, 0)
    raw = rows_of(shop.lake.uri("raw", "deliveries"))
    assert sorted(raw["row"].to_pylist()) == [0, 1, 2, 3]
    assert rows(shop, "quarantine")["/van e2"]["body"] == json.dumps(step(2, crates="three")).encode()
    assert rows(shop, "quarantine")["/van e2"]["column"] == "crates"
    assert shop.lake.totals("deliveries").holds


def test_a_batch_that_comes_again_is_as_many_duplicates(shop: Shop) -> None:
    batch = sent([step(1), step(2), {"id": "no source"}], content_type=BATCH, message_id="m")
    shop.land(batch, batch._replace(redelivered=True))
    account = shop.curate(accept=True)
    assert (account.curated, account.duplicates, account.quarantined) == (2, 2, 2)


def test_what_is_too_much_for_one_commit_is_several(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window is bounded by what arrives; a batch holds far more, without its compression."""
    monkeypatch.setattr(import_module("ingest.steps.land"), "MORE_BYTES", 20_000)
    monkeypatch.setattr(import_module("ingest.envelope.events"), "PIECE_BYTES", 5_000)
    batches = [packed([step(n) for n in range(first, first + 40)], content_type=BATCH) for first in range(0, 400, 40)]
    assert shop.land(*batches, sent(step(400))).rows == 401
    assert shop.lake.totals("deliveries").raw_version > 3
    raw = rows_of(shop.lake.uri("raw", "deliveries")).sort_by([("window", "ascending"), ("row", "ascending")])
    assert raw["event_id"].to_pylist() == [f"/van e{n}" for n in range(401)]
    assert shop.curate().curated == 401


@pytest.mark.parametrize("body", [b"[]", b'[{"id": "a"}', b"{}"])
def test_a_batch_without_events_is_one_row_in_quarantine(shop: Shop, body: bytes) -> None:
    shop.land(sent(body, content_type=BATCH, message_id="m"), sent(step(1)))
    assert shop.curate(accept=True).curated == 1
    assert (rows(shop, "quarantine")["m"]["reason"], rows(shop, "quarantine")["m"]["body"]) == ("envelope", body)


def test_what_cannot_be_opened_is_quarantined_as_it_came_and_takes_nobody_along(shop: Shop) -> None:
    broken = {
        "bomb": sent(gzip.compress(bytes(20 * 2**20)), content_encoding="gzip"),
        "cut": sent(gzip.compress(b"{}")[:-4], content_encoding="gzip"),
        "bson": sent(b"\x05\x00", content_type="application/vnd.masstransit+bson"),
        "base64": sent({"data_base64": "?"}),
    }
    good = [sent(step(n)) for n in range(4)]
    mixed = [one for n, name in enumerate(broken) for one in (good[n], broken[name]._replace(message_id=name))]
    shop.land(*mixed)
    account = shop.curate(accept=True)
    assert (account.curated, account.quarantined) == (4, 4)
    found = rows(shop, "quarantine")
    assert {name: found[name]["body"] for name in broken} == {name: one.body for name, one in broken.items()}
    assert all(found[name]["detail"].endswith(".") for name in broken)
    assert found["bson"]["reason"] == "undecodable"
    assert {found[name]["reason"] for name in ("bomb", "cut", "base64")} == {"envelope"}


def test_a_rebuild_and_a_replay_open_what_curate_opened(shop: Shop) -> None:
    shop.land(packed(step(1)), sent([step(2), step(3, crates=401)], content_type=BATCH), sent(b"x", message_id="bad"))
    shop.curate(accept=True)
    before = rows(shop, "curated")
    assert sorted(before) == ["/van e1", "/van e2"]
    done = shop.rebuild(20)
    assert (done.account.curated, done.account.quarantined, rows(shop, "curated")) == (0, 0, before)
    lenient = catalog.parse(
        shop.contract.document, shop.contract.suite_document.replace("400.0", "500.0"), dataset="deliveries", where=""
    )
    assert replay(lenient, shop.lake, decode=decode, validator=Suite(), limits=Limits(), keys=KEYS).curated == 1
    assert sorted(rows(shop, "curated")) == ["/van e1", "/van e2", "/van e3"]


def test_more_than_is_opened_at_once_comes_out_in_order(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.envelope.opening.PIECE_BYTES", 500)
    monkeypatch.setattr("ingest.envelope.opening._READ_ROWS", 3)
    events = [sent(step(n, crates=n)) if n % 3 else packed(step(n, crates=n)) for n in range(50)]
    plain = [sent(step(n)["data"], "application/json", message_id=f"p{n}") for n in range(50, 60)]
    shop.land(*plain[:5], *events, *plain[5:], sent(b"[", message_id="bad"))
    account = shop.curate(accept=True)
    assert (account.curated, account.quarantined) == (60, 1)
    found = rows(shop, "curated")
    assert [found[f"/van e{n}"]["crates"] for n in range(50)] == list(range(50))


def test_an_erased_person_stays_out_whatever_is_around_the_body(shop: Shop) -> None:
    """Before and after the erasure: structured, compressed, as base64, in a batch, in what does not open."""
    inside = json.dumps(step(3, GONE)["data"]).encode()
    theirs = [
        sent(step(1, GONE)),
        packed(step(2, GONE)),
        sent(
            {key: value for key, value in step(3).items() if key != "data"}
            | {"data_base64": base64.b64encode(inside).decode()}
        ),
        packed([step(4), step(5, GONE)], content_type=BATCH),
        sent(step(6, GONE)["data"], "application/json", message_id="plain"),
        packed({"message": step(7, GONE)["data"]}, content_type="application/vnd.masstransit+json", message_id="mt"),
        packed([step(8, GONE)], content_type="application/json", message_id="array"),
        sent({**step(9, GONE), "data_base64": "eA=="}),
        packed({"events": [step(10, GONE)]}, content_type=BATCH, message_id="unsplit"),
    ]
    others = [sent(step(20)), packed(step(21))]
    shop.land(*theirs, *others)
    shop.curate(accept=True)
    done = erase(shop)
    assert (done.erased, done.proved) == (9, True)
    shop.land(*theirs, *others)
    account = shop.curate(accept=True)
    assert (account.curated, account.quarantined) == (0, 0)
    assert set(rows(shop, "curated")) == {"/van e20", "/van e21", "/van e4"}
    raw = rows_of(shop.lake.uri("raw", "deliveries")).to_pylist()
    assert sum(row["body"] == b"" for row in raw) == 18
    assert all(GONE.encode() not in row["body"] for row in raw)
    assert shop.lake.totals("deliveries").holds

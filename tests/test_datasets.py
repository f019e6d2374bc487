"""The datasets that ship, through the real broker and the local Cosmos: each sample gets its verdict."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey
from pydantic import SecretStr

from broker import Broker
from cosmos import Local
from ingest import api, catalog
from ingest.catalog import Sample
from ingest.envelope import split
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.container import DELETE
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Delivery
from ingest.model.reason import Reason
from ingest.settings import load_settings
from tests.infra.cosmos_client import fresh, names
from tests.reading import rows_of

SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"


@pytest.mark.parametrize("dataset", ["stock", "deliveries"])
def test_every_sample_gets_its_verdict_on_its_way_through_the_broker(
    tmp_path: Path, broker: Broker, publish: Callable[[QueueBinding, Iterable[Delivery]], None], dataset: str
) -> None:
    contract = catalog.load(SCHEMAS, dataset)
    # A client library gives each message an id: the sample without one would have it.
    samples = [one for one in catalog.samples(SCHEMAS, dataset) if one.reason is not Reason.NO_IDENTITY]
    publish(contract.queues[0], [one.delivery for one in samples])
    settings = load_settings(lake_url=tmp_path.as_uri(), rabbitmq_url=broker.url, schemas_dir=SCHEMAS, _env_file=None)
    events = sum(len(split(one.delivery)) for one in samples)
    assert api.land(settings, dataset).landed == events
    account = api.curate(settings, dataset, accept=True)
    rejected = [one for one in samples if one.reason is not None]
    assert (account.quarantined, account.curated + account.duplicates) == (len(rejected), events - len(rejected))
    lake = DeltaLake(LocalStorage(tmp_path))
    found = rows_of(lake.uri("quarantine", dataset)).to_pylist()
    assert sorted((row["reason"], row["expectation"] or "", row["column"] or "") for row in found) == sorted(
        (str(one.reason), one.expectation or "", one.column or "") for one in rejected
    )
    assert lake.totals(dataset).holds
    said = [one for one in api.doctor(settings) if contract.queues[0].queue in f"{one.name} {one.says}"]
    assert said
    assert [one.says for one in said if not one.ok] == []


WRITTEN = ("create", "replace")
KEYS = "k1:" + base64.b64encode(b"customers" * 4).decode()


def test_every_sample_of_customers_gets_its_verdict_on_its_way_through_a_container(tmp_path: Path) -> None:
    samples = [one for one in catalog.samples(SCHEMAS, "customers") if _can_be_written(one)]
    with Local(tmp_path / "account") as account:
        settings = load_settings(
            lake_url=(tmp_path / "lake").as_uri(),
            cosmos_endpoint=account.endpoint,
            cosmos_key=account.key,
            pii_keys=KEYS,
            schemas_dir=SCHEMAS,
            _env_file=None,
        )
        with CosmosClient(account.endpoint, account.key) as client:
            database = client.create_database("shop")
            container = database.create_container("customers", PartitionKey("/id"), default_ttl=-1)
            assert api.ingest(settings, "customers").landed == 0  # from now on every change is told
            expected = [verdict for one in samples for verdict in _written(one, container, account)]
            assert api.land(settings, "customers").landed == len(expected)
        said = [one for one in api.doctor(settings) if "container" in one.name or one.name == "keys"]
        assert ([one.ok for one in said], said[1].name) == ([True, True], "container shop/customers")
        keyless = settings.model_copy(update={"pii_keys": SecretStr("")})
        (keys,) = [one for one in api.doctor(keyless) if one.name == "keys"]
        assert (keys.ok, "customers hashes email, key" in keys.says) == (False, True)
    account_of_all = api.curate(settings, "customers", accept=True)
    lake = DeltaLake(LocalStorage(tmp_path / "lake"))
    assert lake.totals("customers").holds
    rejected = rows_of(lake.uri("quarantine", "customers")).to_pylist()
    verdicts = [(row["operation"], row["reason"], row["expectation"], row["column"]) for row in rejected]
    curated = rows_of(lake.uri("curated", "customers")).to_pylist()
    verdicts += [(row["operation"], None, None, None) for row in curated]
    assert Counter(verdicts) == Counter(expected)
    assert account_of_all.curated == len(curated)
    deletes = [row for row in curated if row["operation"] == DELETE]
    assert sorted((row["customer_id"], row["expired"]) for row in deletes) == [
        ("c-004711", False),
        ("c-004712", True),
        ("kündin-🧃", False),
    ]
    assert all(row["email"] is None and row["key"].startswith("k1:") for row in deletes)
    assert len({row["key"] for row in curated}) == len({row["customer_id"] for row in curated})
    assert {json.loads(row["_rescued"])["loyalty"]["tier"] for row in curated if "loyalty" in str(row["_rescued"])}


def test_of_the_latest_versions_neither_deletes_nor_what_was_between_two_runs_are_known(
    tmp_path: Path, cosmos_account: Local
) -> None:
    """What the page of such a dataset says that it cannot tell."""
    shutil.copytree(SCHEMAS / "customers", tmp_path / "customers")
    file = tmp_path / "customers" / catalog.CONTRACT_FILE
    (created,) = [one for one in catalog.samples(SCHEMAS, "customers") if one.name == "valid/created"]
    document = {name: value for name, value in json.loads(created.delivery.body).items() if name[0] != "_"}
    with fresh(cosmos_account, partition_key=PartitionKey("/id")) as container:
        text = file.read_text("utf-8").replace("database: shop", f"database: {names(container)[0]}")
        file.write_text(text.replace("[/id]\n", "[/id]\n          mode: LatestVersion\n"), "utf-8")
        settings = load_settings(
            lake_url=(tmp_path / "lake").as_uri(),
            cosmos_endpoint=cosmos_account.endpoint,
            cosmos_key=cosmos_account.key,
            pii_keys=KEYS,
            schemas_dir=tmp_path,
            _env_file=None,
        )
        container.upsert_item(document)
        container.upsert_item(document | {"id": "c-000002"})
        assert api.ingest(settings, "customers").curated == 2
        for city in ("Bonn", "Aachen"):
            container.upsert_item(document | {"city": city})
        container.delete_item("c-000002", "c-000002")
        assert api.ingest(settings, "customers").curated == 1
    curated = rows_of(DeltaLake(LocalStorage(tmp_path / "lake")).uri("curated", "customers")).sort_by("lsn")
    told = [curated[name].to_pylist() for name in ("customer_id", "city", "operation")]
    assert told == [["c-004711", "c-000002", "c-004711"], ["Köln", "Köln", "Aachen"], ["upsert"] * 3]


Expected = tuple[str | None, str | None, str | None, str | None]
"""Operation, and of a reject what it must name."""


def _can_be_written(sample: Sample) -> bool:
    """Cosmos DB has no id that is not text, or that holds a slash; nor does anybody write a snapshot."""
    name = json.loads(sample.delivery.body)["id"]
    written = sample.delivery.operation in {*WRITTEN, DELETE}
    return written and isinstance(name, str) and not set(name) & set("/\\?#")


def _written(sample: Sample, container: ContainerProxy, account: Local) -> Iterable[Expected]:
    """Do to the container what the sample tells; which changes come of it, with their verdicts."""
    told = sample.delivery
    document = {name: value for name, value in json.loads(told.body).items() if not name.startswith("_")}
    name, verdict = document["id"], (None if sample.reason is None else str(sample.reason))
    if told.operation == DELETE:
        stays = {
            "city": "Köln",
            "country": "DE",
            "segment": "office",
            "marketingConsent": False,
            "name": "J",
            "email": "e",
        }
        document |= {**stays, "registeredAt": "2024-03-01T09:30:00Z"} | (
            {"ttl": 5} if told.headers.get("ttl_expired") else {}
        )
    there = list(container.query_items("SELECT c.id FROM c", partition_key=name))
    container.upsert_item(document)
    done = "replace" if there else "create"
    if told.operation in WRITTEN:
        yield done, verdict, sample.expectation, sample.column
        return
    fits = re.fullmatch("c-[0-9]{6}", name) is not None
    yield (
        (done, None, None, None)
        if fits
        else (done, "expectation", "expect_column_values_to_match_regex", "customer_id")
    )
    if "ttl" in document:
        account.clock(advance=10)
    else:
        container.delete_item(name, name)
    yield DELETE, verdict, sample.expectation, sample.column

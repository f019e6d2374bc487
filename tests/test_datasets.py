"""The datasets that ship, through the real broker: each sample, sent as its producer would, gets its verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from broker import Broker
from ingest import api, catalog
from ingest.envelope import split
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Delivery
from ingest.model.reason import Reason
from ingest.settings import load_settings
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

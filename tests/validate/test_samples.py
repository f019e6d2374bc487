"""Every sample that ships gets the verdict that it states."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest import catalog
from ingest.catalog import Sample
from ingest.decoding import decode
from ingest.steps.verdicts import weigh
from ingest.validate import Suite
from tests.envelope.rows import raw_of

_SCHEMAS = Path(__file__).parents[2] / "schemas"
_SAMPLES = [(dataset, sample) for dataset in catalog.names(_SCHEMAS) for sample in catalog.samples(_SCHEMAS, dataset)]


@pytest.mark.parametrize(("dataset", "sample"), _SAMPLES, ids=[f"{d}-{s.name}" for d, s in _SAMPLES])
def test_a_sample_gets_the_verdict_that_it_states(dataset: str, sample: Sample) -> None:
    contract = catalog.load(_SCHEMAS, dataset)
    rejects = weigh(raw_of(sample.delivery), contract, decode, Suite()).rejects.to_pylist()
    found = [(reject["reason"], reject["expectation"], reject["column"]) for reject in rejects]
    assert found == ([] if sample.reason is None else [(sample.reason, sample.expectation, sample.column)])

"""What is wanted passes, whatever stands beside it; of others few do."""

from __future__ import annotations

import uuid

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ingest.lake.fingerprints import Fingerprints, fingerprints


@given(st.lists(st.text(max_size=40), max_size=12), st.lists(st.text(max_size=40), max_size=12), st.integers(0, 12))
def test_a_text_has_the_same_number_among_whatever_others(before: list[str], texts: list[str], cut: int) -> None:
    alone = [fingerprints(pa.array([text]))[0] for text in texts]
    among = pa.array([*before, *texts, *before]).slice(len(before), len(texts))
    assert fingerprints(among.cast(pa.string())).tolist() == alone
    assert fingerprints(among.cast(pa.string()).slice(cut)).tolist() == alone[cut:]
    assert Fingerprints(among.cast(pa.string())).passes(pa.array(texts, pa.string())).all()


def test_of_other_ids_few_pass() -> None:
    for form in ("{}", "{}@shop", "order-{}"):
        ids = [form.format(uuid.UUID(int=number * 7919)) for number in range(20_000)]
        passed = Fingerprints(pa.array(ids[:10_000])).passes(pa.array(ids[10_000:]))
        assert passed.mean() < 1 / 16, form
    numbers = [f"{number:07}" for number in range(20_000)]
    assert Fingerprints(pa.array(numbers[:10_000])).passes(pa.array(numbers[10_000:])).mean() < 1 / 16

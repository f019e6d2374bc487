"""The gate: too large a share of rejects holds a batch back, whole."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ingest.errors import GateClosed
from ingest.lake import DeltaLake, LocalStorage
from ingest.model.contract import Contract, Gate
from ingest.model.delivery import Delivery
from tests.steps.shop import Shop, order

EXPECTATION = "expect_column_values_to_be_between(total)"


@pytest.fixture
def shop(tmp_path: Path, orders: Contract) -> Shop:
    gated = dataclasses.replace(orders, gate=Gate(max_rejected_share=0.2, min_rows=10))
    return Shop(DeltaLake(LocalStorage(tmp_path)), gated)


def batch(good: int, bad: int, name: str = "") -> list[Delivery]:
    return [order(f"{name}good{n}") for n in range(good)] + [order(f"{name}bad{n}", total=-1) for n in range(bad)]


def test_a_closed_gate_publishes_nothing_and_names_the_expectations(shop: Shop) -> None:
    shop.land(*batch(7, 3))
    before = {stage: version for stage, version in shop.versions().items() if stage != "raw"}
    with pytest.raises(GateClosed) as closed:
        shop.curate()
    assert closed.value.expectations == {EXPECTATION: 3}
    assert closed.value.pending == 10
    assert closed.value.exit_code == 3
    assert EXPECTATION in str(closed.value)
    assert "--accept" in str(closed.value)
    assert {stage: shop.versions()[stage] for stage in before} == before


def test_accepting_quarantines_the_rejects_and_says_so_in_the_account(shop: Shop) -> None:
    shop.land(*batch(7, 3))
    account = shop.curate(accept=True)
    assert (account.curated, account.quarantined, account.pending) == (7, 3, 0)
    assert [row["accepted"] for row in shop.accounts()] == [True]


def test_the_share_itself_is_allowed(shop: Shop) -> None:
    shop.land(*batch(8, 2))
    assert shop.curate().quarantined == 2


def test_fewer_rows_than_min_rows_are_never_held_back(shop: Shop) -> None:
    shop.land(*batch(0, 9))
    assert shop.curate().quarantined == 9


def test_earlier_batches_stay_published(shop: Shop) -> None:
    shop.land(*batch(10, 0, "first"))
    shop.land(*batch(5, 5, "second"))
    with pytest.raises(GateClosed):
        shop.curate(rows=10)
    assert len(shop.curated()) == 10
    assert shop.lake.totals("orders").pending == 10


def test_a_mended_contract_opens_the_gate(shop: Shop) -> None:
    """Nothing was recorded for the pending batch, so it is judged by the contract of the day."""
    shop.land(*batch(7, 3))
    with pytest.raises(GateClosed):
        shop.curate()
    kept = tuple(one for one in shop.contract.expectations if str(one) != EXPECTATION)
    shop.contract = dataclasses.replace(shop.contract, expectations=kept, digest="mended")
    assert shop.curate().curated == 10


def test_a_mostly_that_fails_on_the_whole_closes_the_gate_though_no_row_is_rejected(shop: Shop) -> None:
    shop.land(*[order(f"e{number}", promised_on=None) for number in range(10)])
    with pytest.raises(GateClosed) as closed:
        shop.curate()
    assert closed.value.expectations == {"expect_column_values_to_not_be_null(promised_on)": 10}
    assert shop.curate(accept=True).curated == 10


def test_a_row_that_breaks_a_passing_mostly_is_curated(shop: Shop) -> None:
    shop.land(*[order(f"e{number}", promised_on=None if number < 4 else "2026-11-21") for number in range(10)])
    assert shop.curate().curated == 10

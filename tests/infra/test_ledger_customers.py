"""The customers' ledger: a lake that the product made passes, and each way of being wrong is found, in words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import deltalake
import pytest

from demo_customers import Customers
from ingest import api, catalog
from ingest.settings import load_settings
from ledger_customers import CustomersVerdict, check_customers
from shop_customers import Customers as Stream
from shop_customers import Operation
from stack import pii_keys

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
CHANGES = 1_000


class Made(NamedTuple):
    """A lake, the ledger of what was written, and what the container has."""

    lake: Path
    ledger: Path
    items: list[dict[str, Any]]
    keys: str

    def verdict(self, lake: Path | None = None, items: list[dict[str, Any]] | None = None) -> CustomersVerdict:
        return check_customers(self.ledger, lake or self.lake, self.items if items is None else items, keys=self.keys)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """As in the demo: founders, a first landing, changes; then ingested."""
    folder = tmp_path_factory.mktemp("customers")
    container = catalog.load(SCHEMAS, "customers").container
    assert container is not None
    customers = Customers(folder, container, changes=CHANGES, seed=7, tied=True)
    keys = pii_keys(folder / "pii_keys")
    try:
        customers.start()
        told = {
            "lake_url": (folder / "lake").as_uri(),
            "cosmos_endpoint": customers.account.endpoint,
            "cosmos_key": customers.account.key,
            "pii_keys": keys,
            "schemas_dir": str(SCHEMAS),
        }
        assert (
            customers.first_landing({f"LAKEPOST_{name.upper()}": value for name, value in told.items()})["landed"] > 0
        )
        customers.finish()
        api.ingest(load_settings(**told, _env_file=None), "customers", accept=True)
        yield Made(folder / "lake", customers.ledger, customers.items(), keys)
    finally:
        customers.stop()


def test_every_change_is_there_once_and_the_customers_are_those_of_the_container(made: Made) -> None:
    verdict = made.verdict()
    assert verdict.differences == ()
    assert verdict.ok
    assert verdict.landed == verdict.sent == verdict.curated + verdict.quarantined
    assert min(verdict.current, verdict.deleted, verdict.quarantined) > 0
    assert (verdict.duplicates, verdict.lost) == (0, 0)


@pytest.mark.parametrize(
    ("table", "where", "says"),
    [
        ("raw/customers", "operation = 'delete'", "written, but not in raw"),
        ("curated/customers_changes", "operation = 'create'", "missing in the history"),
        ("quarantine/customers", "reason = 'wrong_type'", "missing in quarantine"),
        ("curated/customers", "city LIKE 'K%'", "not among the customers as the ledger has them"),
        ("_lakepost/deleted/customers", "true", "tombstones otherwise"),
        ("accounts/customers", "true", "accounts that do not hold"),
    ],
)
def test_rows_that_are_gone_from_a_table_are_found(
    made: Made, tmp_path: Path, table: str, where: str, says: str
) -> None:
    lake = _copy(made, tmp_path)
    assert deltalake.DeltaTable(str(lake / table)).delete(where)["num_deleted_rows"] > 0
    verdict = made.verdict(lake)
    assert any(says in one for one in verdict.differences), verdict.differences
    assert not verdict.ok
    assert (verdict.lost > 0) == (table.partition("/")[0] in {"raw", "quarantine"} or "changes" in table)


@pytest.mark.parametrize(
    ("table", "where", "change", "says"),
    [
        ("curated/customers_changes", "operation = 'replace'", {"city": "'Nowhere'"}, "there with other values"),
        ("curated/customers_changes", "expired", {"expired": "false"}, "there with other values"),
        ("curated/customers", "email IS NOT NULL", {"email": "'local:00'"}, "with other values"),
        ("quarantine/customers", "true", {"reason": "'empty'"}, "there for another reason"),
    ],
)
def test_values_that_differ_are_found(
    made: Made, tmp_path: Path, table: str, where: str, change: dict[str, str], says: str
) -> None:
    lake = _copy(made, tmp_path)
    assert deltalake.DeltaTable(str(lake / table)).update(change, predicate=where)["num_updated_rows"] > 0
    assert any(says in one for one in made.verdict(lake).differences)


def test_an_item_that_the_lake_still_has_after_it_is_gone_from_the_container_is_found(made: Made) -> None:
    verdict = made.verdict(items=made.items[1:])
    assert [one for one in verdict.differences if "in the container" in one]


def test_a_table_that_cannot_be_read_is_a_difference_and_all_is_lost(made: Made, tmp_path: Path) -> None:
    lake = _copy(made, tmp_path)
    shutil.rmtree(lake / "curated" / "customers")
    verdict = made.verdict(lake)
    assert (verdict.lost, verdict.ok) == (verdict.sent, False)
    assert "there cannot be read" in verdict.differences[0]


def test_a_seed_gives_the_same_changes_in_all_their_kinds() -> None:
    def changes() -> list[Any]:
        stream = Stream(3)
        return [one for some in (*stream.founders(20), *stream.transactions(CHANGES)) for one in some]

    first = changes()
    assert first == changes()
    assert len(first) == 20 + CHANGES
    assert {one.operation for one in first} == set(Operation)
    assert any(one.document and "ttl" in one.document for one in first)
    assert 0 < sum(one.fault is not None for one in first) < CHANGES // 20


def _copy(made: Made, folder: Path) -> Path:
    return Path(shutil.copytree(made.lake, folder / "lake"))

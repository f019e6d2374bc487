"""What a contract may say, and what the catalogue makes of it; light enough for DAG parsing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ingest import catalog
from ingest.model.contract import Gate
from ingest.model.expectation import Expectation
from tests.catalog.orders import CONTRACT, SCHEMAS, SUITE, columns_of, mended, parsed


class TestReading:
    def test_digest_names_the_exact_texts(self) -> None:
        digests = {
            parsed().digest,
            parsed(CONTRACT + "\n# remark\n").digest,
            parsed(suite=SUITE + "\n").digest,
        }
        assert len(digests) == 3
        assert parsed().digest == parsed().digest
        assert len(parsed().digest) == 64

    def test_keeps_the_texts(self) -> None:
        contract = parsed()
        assert (contract.document, contract.suite_document) == (CONTRACT, SUITE)
        assert catalog.load(SCHEMAS, "orders") == contract

    def test_physical_name_is_the_field_in_the_payload(self) -> None:
        contract = parsed(CONTRACT.replace("- name: note\n", "- name: note\n        physicalName: customer-note\n"))
        assert columns_of(contract)["note"].field == "customer-note"
        assert columns_of(contract)["is_gift"].field == "is_gift"

    def test_timestamps_without_a_zone_are_utc_only_where_the_contract_says_so(self) -> None:
        naive = "required: true\n        logicalTypeOptions: {timezone: false}\n        description: When the change"
        contract = parsed(CONTRACT.replace("required: true\n        description: When the change", naive))
        assert columns_of(contract)["occurred_at"].assume_utc
        assert not columns_of(parsed())["occurred_at"].assume_utc

    def test_string_lengths_become_one_expectation(self) -> None:
        contract = parsed(
            CONTRACT.replace("pattern: ^o-", "minLength: 3\n          maxLength: 10\n          pattern: ^o-")
        )
        kwargs = {"column": "order_id", "min_value": 3, "max_value": 10}
        assert Expectation("expect_column_value_lengths_to_be_between", kwargs, derived=True) in contract.expectations

    def test_large_integer_bounds_stay_exact(self) -> None:
        contract = parsed(CONTRACT.replace("minimum: 1\n", "minimum: 1\n          maximum: 9007199254740993\n"))
        assert columns_of(contract)["item_count"].maximum == 9007199254740993

    def test_foreign_custom_properties_are_left_alone(self) -> None:
        foreign = "customProperties:\n  - {property: owner-team, value: [1], vendor: zeenea}\n  - property: identity"
        assert parsed(CONTRACT.replace("customProperties:\n  - property: identity", foreign)).dedupe_days == 7

    def test_everything_of_lakepost_but_the_binding_has_a_default(self) -> None:
        contract = parsed(mended(lambda value: value.pop("customProperties")))
        assert (contract.schedule, contract.dedupe_days, contract.gate) == (None, 7, Gate())

    @pytest.mark.parametrize("cron", ["0 6 * * mon-fri", "0,30 */2 1-15 jan,jul 0", "5 4 * * 7", "1-59/2 * * * *"])
    def test_cron_lines(self, cron: str) -> None:
        assert parsed(CONTRACT.replace("*/15 * * * *", cron)).schedule == cron

    def test_event_time_may_come_from_a_field_of_the_body(self) -> None:
        contract = parsed(CONTRACT.replace("[envelope]", '["body:occurred_at", envelope]'))
        assert contract.event_time == ("body:occurred_at", "envelope")


def test_import_and_load_are_light() -> None:
    """Parsing a DAG folder loads no columnar library, no broker client and no data models."""
    heavy = ["pyarrow", "deltalake", "great_expectations", "pandas", "numpy", "aio_pika", "duckdb", "pydantic"]
    heavy += ["open_data_contract_standard.model"]
    script = (
        "import sys, pathlib\n"
        "from ingest import catalog\n"
        f"catalog.load(pathlib.Path({str(SCHEMAS)!r}), 'orders')\n"
        f"print([name for name in {heavy!r} if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=SCHEMAS.parent)
    assert ran.stdout.strip() == "[]"

"""The dataset that ships: its columns, its binding, its expectations, its words."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from collections.abc import Iterator
from typing import Any

from ingest import catalog
from ingest.model.contract import Column, Gate, Identity, LogicalType, QueueBinding
from ingest.model.expectation import Expectation
from tests.catalog.orders import SCHEMAS, SUITE, columns_of


class TestShippedOrders:
    def test_is_in_the_catalogue(self) -> None:
        assert "orders" in catalog.names(SCHEMAS)

    def test_has_the_contracted_columns_in_order(self) -> None:
        contract = catalog.load(SCHEMAS, "orders")
        assert [(c.name, c.type, c.required) for c in contract.columns] == [
            ("order_id", LogicalType.STRING, True),
            ("customer_id", LogicalType.STRING, True),
            ("status", LogicalType.STRING, True),
            ("occurred_at", LogicalType.TIMESTAMP, True),
            ("currency", LogicalType.STRING, True),
            ("total", LogicalType.DECIMAL, True),
            ("item_count", LogicalType.INTEGER, True),
            ("items", LogicalType.ARRAY, False),
            ("address", LogicalType.OBJECT, False),
            ("note", LogicalType.STRING, False),
            ("loyalty_points", LogicalType.INTEGER, False),
            ("promised_on", LogicalType.DATE, False),
            ("is_gift", LogicalType.BOOLEAN, False),
        ]

    def test_reads_decimals_and_nested_types(self) -> None:
        columns = columns_of(catalog.load(SCHEMAS, "orders"))
        assert (columns["total"].precision, columns["total"].scale) == (12, 2)
        line = columns["items"].items
        assert line is not None
        assert line.type is LogicalType.OBJECT
        assert [(c.name, c.type) for c in line.children] == [
            ("sku", LogicalType.STRING),
            ("name", LogicalType.STRING),
            ("quantity", LogicalType.INTEGER),
            ("unit_price", LogicalType.DECIMAL),
        ]
        assert (line.children[3].precision, line.children[3].scale) == (10, 2)
        assert [c.name for c in columns["address"].children] == ["street", "city", "postcode", "country"]

    def test_reads_what_odcs_has_no_word_for(self) -> None:
        contract = catalog.load(SCHEMAS, "orders")
        assert contract.queues == (QueueBinding("shop.events", "lakepost.orders", ("order.#",), "topic", "quorum"),)
        assert contract.identity is Identity.ENVELOPE
        assert contract.event_time == ("envelope",)
        assert (contract.first_date, contract.last_date) == (dt.date(2020, 1, 1), dt.date(2049, 12, 31))
        assert contract.dedupe_days == 7
        assert contract.gate == Gate(0.05, 1000)
        assert contract.schedule == "*/15 * * * *"
        assert (contract.version, contract.owner, contract.tags) == ("1.1.0", "shop-orders", ("orders", "rabbitmq"))

    def test_derives_expectations_from_the_contract_and_appends_the_suite(self) -> None:
        expectations = catalog.load(SCHEMAS, "orders").expectations
        assert [str(e) for e in expectations if e.derived] == [
            "expect_column_values_to_not_be_null(order_id)",
            "expect_column_values_to_match_regex(order_id)",
            "expect_column_values_to_not_be_null(customer_id)",
            "expect_column_values_to_match_regex(customer_id)",
            "expect_column_values_to_not_be_null(status)",
            "expect_column_values_to_not_be_null(occurred_at)",
            "expect_column_values_to_not_be_null(currency)",
            "expect_column_values_to_not_be_null(total)",
            "expect_column_values_to_not_be_null(item_count)",
            "expect_column_values_to_be_between(item_count)",
        ]
        entries = json.loads(SUITE)["expectations"]
        assert [(e.type, e.kwargs) for e in expectations if not e.derived] == [
            (e["type"], e["kwargs"]) for e in entries
        ]
        assert expectations[-1] == Expectation(
            "expect_column_values_to_not_be_null", {"column": "promised_on", "mostly": 0.5}
        )

    def test_documents_the_dataset_and_every_field(self) -> None:
        def fields(columns: tuple[Column, ...]) -> Iterator[Column]:
            for column in columns:
                yield column
                yield from fields(column.children)
                yield from fields(column.items.children if column.items else ())

        contract = catalog.load(SCHEMAS, "orders")
        assert [c.name for c in fields(contract.columns) if len(c.description) < 10] == []
        assert "one row per event" in contract.description
        assert "\n\nUsage: " in contract.description

    def test_suite_is_great_expectations_own_serialisation(self) -> None:
        """GX reads the file, keeps every expectation, and writes the same again but for the ids it invents."""
        with warnings.catch_warnings(action="ignore"):  # GX's own, on import
            from great_expectations import ExpectationSuite  # noqa: PLC0415 - seconds, for this test alone

            written: dict[str, Any] = ExpectationSuite(**json.loads(SUITE)).to_json_dict()
        for part in (written, *written["expectations"]):
            part.pop("id", None)
        assert written == json.loads(SUITE)

"""The samples: real deliveries with the verdict that each must get."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ingest import catalog
from ingest.catalog.samples import _OPERATIONS
from ingest.errors import ContractError
from ingest.model.reason import Reason
from tests.catalog.orders import CONTRACT, SCHEMAS, SUITE, assert_says


class TestSamples:
    def test_there_are_valid_and_invalid_ones(self) -> None:
        samples = catalog.samples(SCHEMAS, "orders")
        assert sum(sample.reason is None for sample in samples) >= 8
        assert sum(sample.reason is not None for sample in samples) >= 20
        no_case = {Reason.UNKNOWN_FIELDS, Reason.DEAD_LETTERED, Reason.ENVELOPE}  # orders come without an envelope
        assert {s.reason for s in samples} == {None, *Reason} - no_case
        assert len({s.delivery.message_id for s in samples if s.delivery.message_id}) == len(samples) - 1

    def test_are_deliveries_of_the_contracts_queue(self) -> None:
        by_name = {sample.name: sample for sample in catalog.samples(SCHEMAS, "orders")}
        delivery = by_name["valid/placed"].delivery
        assert delivery.source == "shop.events/lakepost.orders"
        assert delivery.timestamp == dt.datetime(2026, 11, 20, 16, 6, 9, tzinfo=dt.UTC)
        assert delivery.headers["timestamp_in_ms"] == 1795190769123
        assert json.loads(delivery.body)["order_id"] == "o-00012345"
        assert b"K\xf6ln" in by_name["invalid/not_utf8"].delivery.body
        assert by_name["invalid/no_message_id"].delivery.message_id is None
        assert by_name["invalid/required_null"].expectation == "expect_column_values_to_not_be_null"

    def test_of_a_container_are_its_changes(self) -> None:
        by_name = {sample.name: sample for sample in catalog.samples(SCHEMAS, "customers")}
        assert {one.delivery.operation for one in by_name.values()} == set(_OPERATIONS)
        expired = by_name["valid/expired"].delivery
        assert (expired.source, expired.operation, expired.position) == ("shop/customers", "delete", 1204)
        assert (expired.key, expired.headers["ttl_expired"]) == ('["c-004712","c-004712"]', True)

    @pytest.mark.parametrize(
        ("change", "words", "remedy"),
        [
            ({"operation": "deleted"}, ["delivery.operation", "deleted"], "`delete`"),
            ({"operation": None}, ["delivery.operation"], "create"),
            ({"key": "c-1"}, ["delivery.key", "c-1"], "partition key"),
            ({"key": ["c-1"]}, ["delivery.key"], "partition key"),
            ({"position": None}, ["delivery.position"], "whole number"),
            ({"lsn": 7}, ["delivery.lsn"], "write one of"),
        ],
    )
    def test_a_file_that_is_no_change(
        self, tmp_path: Path, change: dict[str, Any], words: list[str], remedy: str
    ) -> None:
        shutil.copytree(SCHEMAS / "customers", tmp_path / "customers")
        file = tmp_path / "customers" / "samples" / "valid" / "deleted.json"
        sample = json.loads(file.read_text("utf-8"))
        file.write_text(json.dumps(sample | {"delivery": sample["delivery"] | change}), "utf-8")
        with pytest.raises(ContractError) as caught:
            catalog.samples(tmp_path, "customers")
        assert_says(caught.value, "deleted.json", *words, remedy=remedy)

    @pytest.mark.parametrize(
        ("change", "words", "remedy"),
        [
            ({"reason": "malformd"}, ["reason", "malformd"], "`malformed`"),
            ({"reason": None}, ["reason", "null"], "a reason in invalid/"),
            ({"column": "totl"}, ["column", "totl"], "`total`"),
            ({"column": "itms[].sku"}, ["column", "itms"], "`items`"),
            ({"expectation": "expect_x"}, ["expectation"], "expect_column"),
            ({"why": ""}, ["why: missing"], "sentence"),
            ({"because": "x"}, ["because"], "write one of"),
            ({"delivery": None}, ["delivery: missing"], "body"),
            ({"delivery": {}}, ["delivery.body"], "body_base64"),
            ({"delivery": {"body": "", "body_base64": ""}}, ["delivery.body"], "body_base64"),
            ({"delivery": {"body_base64": "?"}}, ["delivery.body_base64"], "base64"),
            ({"delivery": {"body": "", "message_id": 7}}, ["delivery.message_id"], "text or null"),
            ({"delivery": {"body": "", "messageid": "7"}}, ["delivery.messageid"], "`message_id`"),
            ({"delivery": {"body": "", "operation": "create"}}, ["delivery.operation"], "write one of"),
            ({"delivery": {"body": "", "headers": []}}, ["delivery.headers"], "{"),
            ({"delivery": {"body": "", "timestamp": "2026-11-20T16:05:09"}}, ["delivery.timestamp"], "zone"),
            ({"delivery": {"body": "", "timestamp": "2026-11-20T16:05:09.5Z"}}, ["delivery.timestamp"], "whole"),
        ],
    )
    def test_a_file_that_is_no_sample(
        self, tmp_path: Path, change: dict[str, Any], words: list[str], remedy: str
    ) -> None:
        folder = tmp_path / "orders"
        (folder / "samples" / "invalid").mkdir(parents=True)
        (folder / catalog.CONTRACT_FILE).write_text(CONTRACT, "utf-8")
        (folder / catalog.SUITE_FILE).write_text(SUITE, "utf-8")
        sample = {"why": "It is empty.", "reason": "empty", "delivery": {"body": ""}}
        file = folder / "samples" / "invalid" / "broken.json"
        file.write_text(json.dumps(sample), "utf-8")
        assert [s.reason for s in catalog.samples(tmp_path, "orders")] == ["empty"]
        file.write_text(json.dumps(sample | change), "utf-8")
        with pytest.raises(ContractError) as caught:
            catalog.samples(tmp_path, "orders")
        assert_says(caught.value, "broken.json", *words, remedy=remedy)

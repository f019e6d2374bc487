"""The catalogue reads what it understands and says what to write instead of the rest."""

from __future__ import annotations

import copy
import datetime as dt
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest import catalog
from ingest.catalog.samples import REASONS
from ingest.errors import ContractError
from ingest.model.contract import SYSTEM_COLUMNS, Column, Gate, Identity, LogicalType, QueueBinding
from ingest.model.expectation import Expectation
from ingest.model.supported import KWARGS, REQUIRED, ROW_LEVEL, TABLE_LEVEL
from ingest.model.verdict import Reason

SCHEMAS = Path(__file__).parents[1] / "schemas"
CONTRACT = (SCHEMAS / "orders" / catalog.CONTRACT_FILE).read_text("utf-8")
SUITE = (SCHEMAS / "orders" / catalog.SUITE_FILE).read_text("utf-8")
YAML_FILE = f"schemas/orders/{catalog.CONTRACT_FILE}"
SUITE_FILE = f"schemas/orders/{catalog.SUITE_FILE}"


def parsed(document: str = CONTRACT, suite: str = SUITE) -> Any:
    return catalog.parse(document, suite, dataset="orders", where="schemas/orders")


def refused(document: str = CONTRACT, suite: str = SUITE) -> ContractError:
    with pytest.raises(ContractError) as caught:
        parsed(document, suite)
    assert caught.value.remedy
    return caught.value


def assert_says(error: ContractError, *words: str, remedy: str) -> None:
    for word in words:
        assert word in error.message
    assert remedy in error.remedy


def mended(change: Callable[[dict[str, Any]], object]) -> str:
    """The shipped contract after `change`, as YAML."""
    value = yaml.safe_load(CONTRACT.replace("2020-01-01", '"2020-01-01"').replace("2049-12-31", '"2049-12-31"'))
    change(value)
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def columns_of(contract: Any) -> dict[str, Column]:
    return {column.name: column for column in contract.columns}


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
        assert contract.source == QueueBinding("shop.events", "lakepost.orders", ("order.#",), "topic", "quorum")
        assert contract.identity is Identity.ENVELOPE
        assert contract.event_time == ("envelope",)
        assert (contract.first_date, contract.last_date) == (dt.date(2020, 1, 1), dt.date(2049, 12, 31))
        assert contract.dedupe_days == 7
        assert contract.gate == Gate(0.05, 1000)
        assert contract.schedule == "*/15 * * * *"
        assert (contract.version, contract.owner, contract.tags) == ("1.0.0", "shop-orders", ("orders", "rabbitmq"))

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


WRONG = [
    # id, what to replace, by what, words of the message, words of the remedy
    ("misspelt root key", "domain: shop", "domian: shop", ["domian", "unknown key"], "`domain`"),
    ("misspelt description", "  purpose: >-", "  porpoise: >-", ["description.porpoise"], "`purpose`"),
    ("misspelt column key", "required: true", "requierd: true", ["properties[0].requierd (order_id)"], "`required`"),
    ("misspelt option", "pattern: ^c", "patern: ^c", ["logicalTypeOptions.patern (customer_id)"], "`pattern`"),
    ("missing version", "version: 1.0.0\n", "", ["version: missing"], "add `version:`"),
    ("number as version", "version: 1.0.0", "version: 1.0", ["version: 1.0 is not of type string"], '"1.0"'),
    ("old standard", "apiVersion: v3.2.0", "apiVersion: v2.2.2", ["apiVersion", "v2.2.2"], "v3.2.0"),
    ("future standard", "apiVersion: v3.2.0", "apiVersion: v3.99.0", ["apiVersion", "v3.99.0"], "v3."),
    ("other kind", "kind: DataContract", "kind: Contract", ["kind", "not allowed"], "`DataContract`"),
    ("other name", "\nname: orders", "\nname: order", ['name: "order"', "folder"], "`name: orders`"),
    ("no name", "\nname: orders", "", ["name: missing"], "`name: orders`"),
    ("other table", "- name: orders", "- name: order", ["schema[0].name"], "`name: orders`"),
    ("unknown type", "logicalType: integer", "logicalType: intger", ["logicalType (item_count)"], "`integer`"),
    ("decimal type", "logicalType: integer", "logicalType: decimal", ["logicalType (item_count)"], "physicalType"),
    ("unsupported type", "logicalType: integer", "logicalType: vector", ["logicalType (item_count)"], "write one of"),
    ("unsupported time", "logicalType: integer", "logicalType: time", ["logicalType (item_count)"], "`timestamp`"),
    ("no type", "        logicalType: boolean\n", "", ["logicalType (is_gift): missing"], "add `logicalType:`"),
    ("odd decimal", "decimal(12,2)", "numeric(12,2)", ["physicalType (total)", "numeric"], "decimal(12,2)"),
    ("wide decimal", "decimal(12,2)", "decimal(39,2)", ["physicalType (total)", "out of range"], "1 to 38"),
    ("scale over precision", "decimal(12,2)", "decimal(2,12)", ["physicalType (total)"], "s from 0 to p"),
    (
        "physical type of text",
        "logicalType: boolean",
        "logicalType: boolean\n        physicalType: bit",
        ["physicalType (is_gift)"],
        "remove it",
    ),
    ("exclusive bound", "minimum: 1", "exclusiveMinimum: 0", ["exclusiveMinimum (item_count)"], "`minimum`"),
    ("text as bound", "minimum: 1", "minimum: one", ["minimum (item_count)", "number"], "a number"),
    ("endless bound", "minimum: 1", "minimum: 1.0e+999", ["minimum (item_count)", "finite"], "leave minimum out"),
    ("bounds crossed", "minimum: 1\n", "minimum: 9\n          maximum: 2\n", ["minimum (item_count)"], "swap"),
    ("broken pattern", "^c-[0-9]{6}$", "^c-[0-9{6}$(", ["pattern (customer_id)", "regular"], "correct the pattern"),
    ("looking around", "^c-[0-9]{6}$", "^c-(?!000)[0-9]+$", ["pattern (customer_id)", "around"], "two expectations"),
    ("unsupported rule", "minimum: 1", "minimum: 1\n        unique: true", ["unique (item_count)"], "suite.json"),
    (
        "options of a boolean",
        "logicalType: boolean",
        "logicalType: boolean\n        logicalTypeOptions: {minimum: 1}",
        ["logicalTypeOptions.minimum (is_gift)"],
        "remove it",
    ),
    (
        "nested required",
        "- name: sku\n              logicalType: string",
        "- name: sku\n              logicalType: string\n              required: true",
        ["properties[7].items.properties[0].required (items.sku)", "nested"],
        "columns of the table itself",
    ),
    (
        "nested minimum",
        "- name: quantity\n              logicalType: integer",
        "- name: quantity\n              logicalType: integer\n              logicalTypeOptions: {minimum: 1}",
        ["(items.quantity)", "nested"],
        "remove it",
    ),
    (
        "nested pattern",
        "- name: postcode\n            logicalType: string",
        "- name: postcode\n            logicalType: string\n            logicalTypeOptions: {pattern: a}",
        ["(address.postcode)", "nested"],
        "remove it",
    ),
    ("hidden name", "- name: note", "- name: _note", ["name (_note)", "not a column name"], "physicalName"),
    ("dashed name", "- name: note", "- name: my-note", ["name (my-note)", "not a column name"], "letters"),
    ("name twice", "- name: note", "- name: status", ["name (status)", "duplicate"], "rename"),
    ("name twice but for case", "- name: note", "- name: Status", ["name (Status)", "duplicate"], "by case"),
    (
        "field twice",
        "- name: note",
        "- name: note\n        physicalName: status",
        ["physicalName (note)", "duplicate field"],
        "one column",
    ),
    ("unknown zone", "description: When", "logicalTypeOptions: {defaultTimezone: UTC}\n        description: When",
     ["defaultTimezone (occurred_at)"], "timezone: false"),
    ("zone that is not UTC", "description: When",
     "logicalTypeOptions: {timezone: false, defaultTimezone: Europe/Berlin}\n        description: When",
     ["defaultTimezone (occurred_at)", "Berlin"], "Etc/UTC"),
    ("server of another kind", "type: custom", "type: kafka", ["servers[0].type", "kafka"], "`custom`"),
    ("rabbitmq as type", "type: custom", "type: rabbitmq", ["servers[0].type"], "`binding`"),
    ("binding misspelt", "property: binding", "property: bindings", ["customProperties[0].property"], "`binding`"),
    ("binding key", "          queueType", "          queuetype", ["value.queuetype (binding)"], "`queueType`"),
    ("stream queue", "queueType: quorum", "queueType: stream", ["value.queueType (binding)"], "`quorum`"),
    ("no queue", "          queue: lakepost.orders\n", "", ["value.queue (binding): missing"], "write `queue"),
    ("empty exchange", "exchange: shop.events", 'exchange: ""', ["value.exchange (binding)"], "write `exchange"),
    ("exchange type", "exchangeType: topic", "exchangeType: topics", ["value.exchangeType"], "`topic`"),
    ("routing key as text", '["order.#"]', '"order.#"', ["value.routingKeys"], "a list"),
    (
        "queue argument",
        'routingKeys: ["order.#"]',
        'routingKeys: ["order.#"]\n          arguments: {x-queue-type: quorum}',
        ["arguments.x-queue-type"],
        "queueType",
    ),
    ("extension misspelt", "property: dedupeDays", "property: dedupDays", ["[4].property (dedupDays)"], "`dedupeDays`"),
    ("extension twice", "property: lastDate", "property: firstDate", ["(firstDate)", "twice"], "keep one"),
    ("identity", "value: envelope", "value: envelop", ["[0].value (identity)", "envelop"], "`envelope`"),
    ("event time as text", "value: [envelope]", "value: envelope", ["(eventTime)", "not a list"], "[envelope]"),
    ("event time syntax", "[envelope]", "[header]", ["value[0] (eventTime)", "header"], "body:FIELD"),
    ("event time field", "[envelope]", '["body:ocurred_at"]', ["value[0] (eventTime)"], "`occurred_at`"),
    ("event time type", "[envelope]", '["body:status"]', ["(eventTime)", "neither"], "timestamp or date"),
    ("date", "value: 2020-01-01", "value: 2020-13-01", ["(firstDate)", "2020-13-01"], "YYYY-MM-DD"),
    ("date of the unknown", "value: 2020-01-01", "value: 1970-01-01", ["(firstDate)", "after"], "2020-01-01"),
    ("dates crossed", "value: 2020-01-01", "value: 2050-01-01", ["(firstDate)", "after lastDate"], "earlier"),
    ("days as text", "value: 7", 'value: "7"', ["(dedupeDays)", "whole number"], "whole number"),
    ("days as a boolean", "value: 7", "value: true", ["(dedupeDays)", "whole number"], "whole number"),
    ("share in percent", "maxRejectedShare: 0.05", "maxRejectedShare: 5", ["(gate)", "share"], "0 to 1"),
    ("gate key", "minRows", "minrows", ["value.minrows (gate)"], "`minRows`"),
    ("gate rows", "minRows: 1000", "minRows: 0.5", ["value.minRows (gate)"], "whole number"),
    ("gate as a number", "{maxRejectedShare: 0.05, minRows: 1000}", "0.05", ["(gate)", "not a mapping"], "key: value"),
    ("cron fields", '"*/15 * * * *"', '"*/15 * * *"', ["(schedule)", "cron"], "minute, hour, day"),
    ("cron range", '"*/15 * * * *"', '"61 * * * *"', ["(schedule)", "cron"], "minute, hour, day"),
    ("cron preset", '"*/15 * * * *"', '"@hourly"', ["(schedule)", "cron"], "minute, hour, day"),
    ("team as text", "team:\n  name: shop-orders\n  desc", "team: shop\n#  desc", ["team", "not valid"], ""),
    ("duplicate key", "status: active", "status: active\nstatus: draft", [":8: status: duplicate key"], "keep one"),
    ("yes for true", "required: true", "required: yes", ["properties[0].required", "bool"], "true or false"),
    ("octal", "value: 7", "value: 010", ["value", "int"], "decimal"),
    ("alias", "tags: [orders, rabbitmq]", "tags: &a [*a]", ["alias"], "both places"),
    ("boolean key", "domain: shop", "no: shop", ["bool"], "quotes"),
    ("tag", "domain: shop", "domain: !!python/name:os.system ''", ["domain", "os.system"], "quotes"),
    ("bad indentation", "team:\n", "team:\n   - a\n", ["not readable as YAML", f"{YAML_FILE}:2"], "indentation"),
    ("control character", "domain: shop", "domain: sh\x00op", ["not readable as YAML"], "control"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words", "remedy"), [c[1:] for c in WRONG], ids=[c[0] for c in WRONG])
def test_wrong_contract(old: str, new: str, words: list[str], remedy: str) -> None:
    """Each names the file, the field and what to write instead."""
    assert old in CONTRACT
    assert_says(refused(CONTRACT.replace(old, new, 1)), YAML_FILE, *words, remedy=remedy)


def test_the_line_of_the_field_is_named() -> None:
    line = CONTRACT[: CONTRACT.index("minimum: 1")].count("\n") + 1
    assert f"{YAML_FILE}:{line}: schema[0]" in refused(CONTRACT.replace("minimum: 1", "minimum: one")).message


@pytest.mark.parametrize("name", [*SYSTEM_COLUMNS, "Batch"])
def test_columns_that_lakepost_adds_are_refused(name: str) -> None:
    error = refused(CONTRACT.replace("- name: note", f"- name: {name}"))
    assert_says(error, YAML_FILE, f"properties[9].name ({name})", remedy="choose another name")


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "orders", "a: 1\n---\nb: 2\n", "[" * 5000])
def test_a_file_that_is_not_one_mapping(text: str) -> None:
    assert_says(refused(text), YAML_FILE, remedy="")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda value: value["schema"].append(copy.deepcopy(value["schema"][0])), "schema: 2 schema objects"),
        (lambda value: value.pop("schema"), "schema: 0 schema objects"),
        (lambda value: value["schema"][0].pop("properties"), "schema[0].properties: no properties"),
        (lambda value: value["schema"][0]["properties"][8].pop("properties"), "(address): no properties"),
        (lambda value: value["schema"][0]["properties"][7].pop("items"), "items (items): missing"),
        (lambda value: value["schema"][0].update(quality=[{"type": "text"}]), "schema[0].quality: not supported"),
        (lambda value: value.pop("servers"), "servers: 0 servers"),
        (lambda value: value["servers"].append(copy.deepcopy(value["servers"][0])), "servers: 2 servers"),
        (lambda value: value["servers"][0].pop("customProperties"), "no custom property `binding`"),
    ],
)
def test_a_part_that_is_missing_or_too_many(change: Callable[[dict[str, Any]], object], word: str) -> None:
    assert_says(refused(mended(change)), YAML_FILE, word, remedy="")


def mappings(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            yield from mappings(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from mappings(item, (*path, index))


@pytest.mark.parametrize(
    "path", list(mappings(yaml.safe_load(CONTRACT))), ids=lambda path: ".".join(map(str, path)) or "root"
)
def test_a_key_that_nobody_knows_is_refused_at_every_level(path: tuple[str | int, ...]) -> None:
    def add(value: dict[str, Any]) -> None:
        for step in path:
            value = value[step]  # type: ignore[index] # lists on the way
        value["bogus"] = 1

    assert_says(refused(mended(add)), YAML_FILE, "bogus", remedy="")


class TestSuite:
    @staticmethod
    def with_entry(entry: Any) -> str:
        suite = json.loads(SUITE)
        suite["expectations"].append(entry)
        return json.dumps(suite)

    @pytest.mark.parametrize(
        ("kind", "kwargs", "field", "remedy"),
        [
            ("expect_column_values_to_be_in_sett", {}, "type", "`expect_column_values_to_be_in_set`"),
            ("expect_multicolumn_sum_to_equal", {}, "type", "`expect_"),
            ("expect_column_values_to_be_between", {"column": "totl", "min_value": 1}, "kwargs.column", "`total`"),
            ("expect_column_values_to_be_between", {"min_value": 1}, "kwargs.column", 'add "column"'),
            ("expect_column_values_to_be_between", {"column": "total"}, "kwargs", "min_value"),
            ("expect_column_values_to_be_between", {"column": "total", "min": 1}, "kwargs.min", "min_value"),
            ("expect_column_values_to_be_between", {"column": "note", "min_value": 1}, "kwargs.column", "decimal"),
            ("expect_column_values_to_be_between", {"column": "total", "min_value": "1"}, "min_value", "number"),
            ("expect_column_values_to_be_between", {"column": "total", "min_value": True}, "min_value", "number"),
            ("expect_column_values_to_be_between", {"column": "total", "min_value": None}, "min_value", "number"),
            ("expect_column_values_to_be_between", {"column": "total", "min_value": 1e999}, "", "number"),
            ("expect_column_values_to_be_between", {"column": "total", "min_value": 2, "max_value": 1}, "min", "swap"),
            (
                "expect_column_values_to_be_between",
                {"column": "total", "min_value": 2, "strict_min": 1},
                "strict_min",
                "true or false",
            ),
            ("expect_column_values_to_be_null", {"column": "note", "mostly": 0}, "kwargs.mostly", "above 0"),
            ("expect_column_values_to_be_null", {"column": "note", "mostly": 95}, "kwargs.mostly", "up to 1"),
            ("expect_column_values_to_match_regex", {"column": "note"}, "kwargs.regex", "regex"),
            ("expect_column_values_to_match_regex", {"column": "note", "regex": "("}, "kwargs.regex", "pattern"),
            ("expect_column_values_to_match_regex", {"column": "total", "regex": "a"}, "kwargs.column", "string"),
            ("expect_column_values_to_not_match_regex", {"column": "note", "regex": r"(a)\1"}, "regex", "referring"),
            ("expect_column_values_to_be_in_set", {"column": "status", "value_set": []}, "value_set", "["),
            ("expect_column_values_to_be_in_set", {"column": "status", "value_set": ["a", 1]}, "set[1]", "string"),
            ("expect_column_values_to_be_in_set", {"column": "is_gift", "value_set": ["a"]}, "set[0]", "boolean"),
            ("expect_column_values_to_be_in_set", {"column": "address", "value_set": [1]}, "kwargs.column", "string"),
            ("expect_column_value_lengths_to_equal", {"column": "note", "value": 1.5}, "kwargs.value", "whole number"),
            (
                "expect_column_value_lengths_to_be_between",
                {"column": "note", "min_value": -1},
                "min_value",
                "whole number",
            ),
            (
                "expect_column_pair_values_to_be_equal",
                {"column_A": "note", "column_B": "total"},
                "kwargs.column_B",
                "string",
            ),
            (
                "expect_column_pair_values_to_be_equal",
                {"column_A": "note", "column_B": "status", "ignore_row_if": "neither"},
                "ignore_row_if",
                "both_values_are_missing",
            ),
            ("expect_table_row_count_to_be_between", {"column": "note", "min_value": 1}, "kwargs.column", "min_value"),
            ("expect_column_unique_value_count_to_be_between", {"column": "items", "min_value": 1}, "column", "string"),
        ],
    )
    def test_an_entry_that_cannot_be_judged(self, kind: str, kwargs: Any, field: str, remedy: str) -> None:
        error = refused(suite=self.with_entry({"type": kind, "kwargs": kwargs, "meta": {}}))
        assert_says(error, SUITE_FILE, field, remedy=remedy)
        assert "expectations[5]" in error.message or "JSON" in error.message

    @pytest.mark.parametrize(
        ("entry", "field", "remedy"),
        [
            ({"type": "expect_column_values_to_be_null", "kwarg": {}}, "kwarg", "`kwargs`"),
            ({"type": "expect_column_values_to_be_null"}, "kwargs", '"column"'),
            ({"kwargs": {}}, "type", "expect_"),
            ({"type": ["a"], "kwargs": {}}, "type", "expect_"),
            ("expect_column_values_to_be_null", "expectations[5]", '"type"'),
            (
                {
                    "type": "expect_column_values_to_be_null",
                    "kwargs": {"column": "note"},
                    "severity": "warning",
                },
                "severity",
                "mostly",
            ),
        ],
    )
    def test_an_entry_of_the_wrong_form(self, entry: Any, field: str, remedy: str) -> None:
        assert_says(refused(suite=self.with_entry(entry)), SUITE_FILE, "expectations[5]", field, remedy=remedy)

    def test_what_the_contract_says_is_not_repeated(self) -> None:
        entry = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "item_count", "min_value": 1.0}}
        assert_says(refused(suite=self.with_entry(entry)), "expectations[5]", "by the contract", remedy="remove")

    def test_nothing_is_said_twice(self) -> None:
        entry = json.loads(SUITE)["expectations"][3]
        assert_says(refused(suite=self.with_entry(entry)), "[5]", "by expectations[3]", remedy="remove")

    @pytest.mark.parametrize(
        ("text", "words", "remedy"),
        [
            ("", [":1: not readable as JSON"], "correct"),
            (SUITE.replace(",\n", "\n", 1), [":3: not readable as JSON"], "comma"),
            ("[]", ["not a JSON object"], "{"),
            (SUITE.replace('"name": "orders"', '"name": "order"'), ["name", "order"], '"orders"'),
            (SUITE.replace('"expectations"', '"expectation"'), ["expectation"], "`expectations`"),
            ('{"name": "orders"}', ["expectations: not a list"], "[ … ]"),
            (SUITE.replace('"mostly": 0.5', '"mostly": NaN'), ["NaN"], "number"),
            (SUITE.replace('"mostly": 0.5', '"mostly": 0.5, "mostly": 0.1'), ["mostly: duplicate key"], "keep one"),
            ("[" * 100_000, ["JSON"], "shallow"),
        ],
        ids=["empty", "no comma", "list", "name", "key", "no list", "NaN", "duplicate", "deep"],
    )
    def test_a_file_that_is_no_suite(self, text: str, words: list[str], remedy: str) -> None:
        assert_says(refused(suite=text), SUITE_FILE, *words, remedy=remedy)

    @pytest.mark.parametrize(
        ("kind", "kwargs"),
        [
            ("expect_column_values_to_not_be_in_set", {"column": "loyalty_points", "value_set": [1, 2.0]}),
            ("expect_column_value_lengths_to_equal", {"column": "currency", "value": 3.0}),
            ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "total", "column_B": "item_count"}),
            ("expect_table_row_count_to_be_between", {"min_value": 1}),
            ("expect_column_mean_to_be_between", {"column": "total", "max_value": 500, "strict_max": True}),
            ("expect_column_values_to_match_regex", {"column": "note", "regex": r"\\1[(?=]"}),
        ],
    )
    def test_other_supported_entries_are_loaded_as_they_stand(self, kind: str, kwargs: dict[str, Any]) -> None:
        loaded = parsed(suite=self.with_entry({"type": kind, "kwargs": kwargs})).expectations[-1]
        assert loaded == Expectation(kind, kwargs)

    def test_the_supported_types_are_complete(self) -> None:
        assert set(KWARGS) == ROW_LEVEL | TABLE_LEVEL == set(REQUIRED)
        assert not ROW_LEVEL & TABLE_LEVEL
        assert all(REQUIRED[kind] <= KWARGS[kind] for kind in KWARGS)


class TestFolders:
    @pytest.fixture
    def schemas(self, tmp_path: Path) -> Path:
        folder = tmp_path / "schemas"
        (folder / "orders").mkdir(parents=True)
        (folder / "orders" / catalog.CONTRACT_FILE).write_text(CONTRACT, "utf-8")
        (folder / "orders" / catalog.SUITE_FILE).write_text(SUITE, "utf-8")
        return folder

    def load(self, schemas: Path, dataset: str = "orders") -> ContractError:
        with pytest.raises(ContractError) as caught:
            catalog.load(schemas, dataset)
        return caught.value

    def test_names_are_the_folders(self, schemas: Path) -> None:
        for name in ("stock", ".git", "_drafts"):
            (schemas / name).mkdir()
        (schemas / "README.md").touch()
        assert catalog.names(schemas) == ["orders", "stock"]

    def test_no_catalogue(self, tmp_path: Path) -> None:
        assert_says(self.load(tmp_path / "absent"), "absent", remedy="LAKEPOST_SCHEMAS_DIR")

    @pytest.mark.parametrize("dataset", ["order", "../schemas/orders", "", ".", "Orders"])
    def test_no_such_dataset(self, schemas: Path, dataset: str) -> None:
        assert_says(self.load(schemas, dataset), "no such dataset", remedy="`orders`")

    @pytest.mark.parametrize("file", [catalog.CONTRACT_FILE, catalog.SUITE_FILE])
    def test_missing_file(self, schemas: Path, file: str) -> None:
        (schemas / "orders" / file).unlink()
        assert_says(self.load(schemas), f"orders/{file}: missing", remedy=f"add {file}")

    @pytest.mark.parametrize("file", [catalog.CONTRACT_FILE, catalog.SUITE_FILE])
    def test_file_that_is_not_utf8(self, schemas: Path, file: str) -> None:
        (schemas / "orders" / file).write_bytes("Käthe".encode("latin-1"))
        assert_says(self.load(schemas), file, "not UTF-8 at byte 1", remedy="UTF-8")

    def test_file_that_is_a_folder(self, schemas: Path) -> None:
        (schemas / "orders" / catalog.SUITE_FILE).unlink()
        (schemas / "orders" / catalog.SUITE_FILE).mkdir()
        assert_says(self.load(schemas), catalog.SUITE_FILE, "not readable", remedy="")

    def test_folder_of_another_name(self, schemas: Path) -> None:
        (schemas / "orders").rename(schemas / "purchases")
        error = self.load(schemas, "purchases")
        assert_says(error, "purchases/contract.odcs.yaml", '"orders"', remedy="`name: purchases`")

    def test_folder_whose_name_is_no_table(self, schemas: Path) -> None:
        (schemas / "orders").rename(schemas / "my-orders")
        assert_says(self.load(schemas, "my-orders"), "my-orders", remedy="small letters")


class TestSamples:
    def test_there_are_valid_and_invalid_ones(self) -> None:
        samples = catalog.samples(SCHEMAS, "orders")
        assert sum(sample.reason is None for sample in samples) >= 8
        assert sum(sample.reason is not None for sample in samples) >= 20
        assert {s.reason for s in samples} == {None, *Reason}
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

    def test_reasons_are_those_of_the_verdict(self) -> None:
        assert list(REASONS) == [reason.value for reason in Reason]

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

"""A wrong contract is refused with the file, the line, the field and what to write instead."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from ingest.model.contract import SYSTEM_COLUMNS
from tests.catalog.orders import CONTRACT, YAML_FILE, assert_says, mended, parsed, refused

WRONG = [
    # id, what to replace, by what, words of the message, words of the remedy
    ("misspelt root key", "domain: shop", "domian: shop", ["domian", "unknown key"], "`domain`"),
    ("misspelt description", "  purpose: >-", "  porpoise: >-", ["description.porpoise"], "`purpose`"),
    ("misspelt column key", "required: true", "requierd: true", ["properties[0].requierd (order_id)"], "`required`"),
    ("misspelt option", "pattern: ^c", "patern: ^c", ["logicalTypeOptions.patern (customer_id)"], "`pattern`"),
    ("missing version", "version: 1.1.0\n", "", ["version: missing"], "add `version:`"),
    ("number as version", "version: 1.1.0", "version: 1.0", ["version: 1.0 is not of type string"], '"1.0"'),
    ("old standard", "apiVersion: v3.2.0", "apiVersion: v2.2.2", ["apiVersion", "v2.2.2"], "v3.2.0"),
    ("future standard", "apiVersion: v3.2.0", "apiVersion: v3.99.0", ["apiVersion", "v3.99.0"], "v3."),
    ("other kind", "kind: DataContract", "kind: Contract", ["kind", "not allowed"], "`DataContract`"),
    ("odd unit", "unit: minutes", "unit: minuets", ["slaProperties[0].unit", "minuets"], "`minutes`"),
    ("no unit", "    unit: minutes\n", "", ["slaProperties[0].unit: missing"], "`minutes`"),
    ("odd latency", "value: 30\n", "value: soon\n", ["slaProperties[0].value", "soon"], "above 0"),
    ("no latency", "value: 30\n", "value: 0\n", ["slaProperties[0].value", "0 is not"], "above 0"),
    ("other name", "\nname: orders", "\nname: order", ['name: "order"', "folder"], "`name: orders`"),
    ("no name", "\nname: orders", "", ["name: missing"], "`name: orders`"),
    ("other table", "- name: orders", "- name: order", ["schema[0].name"], "`name: orders`"),
    ("unknown type", "logicalType: integer", "logicalType: intger", ["logicalType (item_count)"], "`integer`"),
    ("decimal type", "logicalType: integer", "logicalType: decimal", ["logicalType (item_count)"], "physicalType"),
    ("unsupported type", "logicalType: integer", "logicalType: vector", ["logicalType (item_count)"], "`array`"),
    ("unsupported map", "logicalType: integer", "logicalType: map", ["logicalType (item_count)"], "`object`"),
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
    ("unknown queue", "queueType: quorum", "queueType: streem", ["value.queueType (binding)"], "`stream`"),
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
    ("waking, as text", "property: schedule", "property: wakeOnMessages\n    value: yes please\n  - property: schedule",
     ["(wakeOnMessages)", "neither true nor false"], "`true`"),
    ("waking without a schedule", 'schedule\n    value: "*/15 * * * *"', "wakeOnMessages\n    value: true",
     ["(wakeOnMessages)", "without a schedule"], "add a `schedule`"),
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


def test_a_stream_wakes_nobody() -> None:
    wakes = CONTRACT.replace(
        "property: schedule", "property: wakeOnMessages\n    value: true\n  - property: schedule", 1
    )
    assert parsed(wakes).wake_on_messages
    error = refused(wakes.replace("queueType: quorum", "queueType: stream"))
    assert "(wakeOnMessages)" in error.message
    assert "a stream keeps what was read" in error.message
    assert "schedule" in error.remedy

"""What a change of a contract breaks: each rule of the table, by changing the texts that ship."""

from __future__ import annotations

import dataclasses

import pytest

from ingest.catalog import compatible, stricter
from ingest.catalog.compatible import compare, removed
from ingest.model.change import Effect
from ingest.model.contract import Column, Contract, QueueBinding
from tests.versions import with_channel, with_texts, with_wider_types

IN_PLACE, REBUILD, BREAKING = Effect
GIFT = "      - name: is_gift\n        logicalType: boolean\n"
TIP = "      - name: tip\n        logicalType: integer\n"
STATUS = '"placed",\n          "paid",'
BETWEEN = '"column": "total",\n        "min_value": 0.0,'
PLUS = '    {"type": "%s", "kwargs": {"column": "%s"%s}},\n    {\n      "type": "expect_column_values_to_not_be_null"'
LAST = '    {\n      "type": "expect_column_values_to_not_be_null"'

COLUMNS: list[tuple[str, str, Effect, str, str]] = [
    (GIFT, TIP + GIFT, IN_PLACE, "column tip", "added, integer"),
    (
        GIFT,
        TIP + "        required: true\n" + GIFT,
        BREAKING,
        "column tip",
        "added, required: events of before do not have it",
    ),
    ("name: is_gift", "name: gift", BREAKING, "column is_gift", "removed"),
    ("name: is_gift", "name: gift\n        physicalName: is_gift", BREAKING, "column is_gift", "renamed to gift"),
    (
        "name: is_gift",
        "name: is_gift\n        physicalName: g",
        BREAKING,
        "column is_gift",
        "physicalName: is_gift → g",
    ),
    ("decimal(12,2)", "decimal(13,2)", REBUILD, "column total", "type decimal(12,2) → decimal(13,2)"),
    ("decimal(12,2)", "decimal(13,3)", REBUILD, "column total", "type decimal(12,2) → decimal(13,3)"),
    ("decimal(12,2)", "decimal(12,3)", BREAKING, "column total", "type decimal(12,2) → decimal(12,3)"),
    ("decimal(12,2)", "decimal(11,2)", BREAKING, "column total", "type decimal(12,2) → decimal(11,2)"),
    ("decimal(12,2)", "double", BREAKING, "column total", "type decimal(12,2) → number"),
    (GIFT, GIFT.replace("boolean", "string"), BREAKING, "column is_gift", "type boolean → string"),
    ("logicalType: date\n", "logicalType: timestamp\n", BREAKING, "column promised_on", "type date → timestamp"),
    ("name: city", "name: town", BREAKING, "column address.city", "removed"),
    (
        "          - name: city\n",
        "          - name: floor\n            logicalType: integer\n          - name: city\n",
        IN_PLACE,
        "column address.floor",
        "added, integer",
    ),
    (
        "            - name: sku\n",
        "            - name: cold\n              logicalType: boolean\n            - name: sku\n",
        IN_PLACE,
        "column items[].cold",
        "added, boolean",
    ),
    ("decimal(10,2)", "decimal(10,1)", BREAKING, "column items[].unit_price", "type decimal(10,2) → decimal(10,1)"),
    ("How many of the article.", "Pieces.", IN_PLACE, "column items[].quantity", "description changed"),
    (
        "description: Points that the order earned.",
        "classification: public\n        description: Points that the order earned.",
        IN_PLACE,
        "column loyalty_points",
        "classification: None → public",
    ),
]

CONTRACT: list[tuple[str, str, Effect, str, str]] = [
    ("value: envelope\n", "value: content\n", BREAKING, "contract", "identity: envelope → content"),
    (
        "value: [envelope]",
        'value: ["body:occurred_at"]',
        BREAKING,
        "contract",
        "event_time: envelope → body:occurred_at",
    ),
    ("value: 2020-01-01", "value: 2019-01-01", BREAKING, "contract", "first_date: 2020-01-01 → 2019-01-01"),
    ("value: 2049-12-31", "value: 2050-12-31", BREAKING, "contract", "last_date: 2049-12-31 → 2050-12-31"),
    ("dedupeDays\n    value: 7", "dedupeDays\n    value: 8", BREAKING, "contract", "dedupe_days: 7 → 8"),
    (
        "value: rescue",
        "value: quarantine",
        BREAKING,
        "contract",
        "unknown_fields: rescue → quarantine",
    ),
    ("value: customer_id", "value: order_id", BREAKING, "contract", "erasure_key: customer_id → order_id"),
    (
        "description: Points that the order earned.",
        "customProperties: [{property: protect, value: drop}]\n        description: Points that the order earned.",
        BREAKING,
        "column loyalty_points",
        "protection: None → drop",
    ),
    ("*/15", "*/5", IN_PLACE, "contract", "schedule: */15 * * * * → */5 * * * *"),
    (
        "  - property: schedule",
        "  - property: wakeOnMessages\n    value: true\n  - property: schedule",
        IN_PLACE,
        "contract",
        "wake_on_messages: False → True",
    ),
    ("tags: [orders, rabbitmq]", "tags: [orders]", IN_PLACE, "contract", "tags: orders, rabbitmq → orders"),
    ("name: shop-orders", "name: shop", IN_PLACE, "contract", "owner: shop-orders → shop"),
    ("An order has several rows.", "Several rows.", IN_PLACE, "contract", "description changed"),
    ("domain: shop", "domain: store", IN_PLACE, "contract", "documentation changed"),
    ("queue: lakepost.orders", "queue: lakepost.o", BREAKING, "binding", "queue: lakepost.orders → lakepost.o"),
    ("exchange: shop.events", "exchange: shop", BREAKING, "binding", "exchange: shop.events → shop"),
    ("queue: lakepost.orders", "queues: [lakepost.orders]", IN_PLACE, "contract", "documentation changed"),
    (
        "queue: lakepost.orders",
        "queues: [lakepost.orders, {queue: lakepost.gifts, routingKeys: [gift]}]",
        IN_PLACE,
        "binding",
        "queue: lakepost.gifts added",
    ),
    ("queueType: quorum", "consumers: 2", IN_PLACE, "binding", "consumers: 1 → 2"),
    (
        "queueType: quorum",
        "arguments: {x-max-length: 9}",
        BREAKING,
        "binding",
        "arguments: nothing → ('x-max-length', 9)",
    ),
    ('["order.#"]', '["order.#", "o.#"]', IN_PLACE, "binding", "routing_keys: order.# → order.#, o.#"),
]


@pytest.mark.parametrize(("old", "new", "effect", "what", "says"), COLUMNS + CONTRACT)
def test_a_change_of_the_contract(orders: Contract, old: str, new: str, effect: Effect, what: str, says: str) -> None:
    change, *others = compare(orders, with_texts(orders, (old, new), version="1.1.1"))
    assert (change.effect, change.what, change.says) == (effect, what, says)
    assert [one.says.split(",")[0] for one in others] in ([], ["added"])  # what a column is called instead
    assert change.refused == (effect is BREAKING)
    assert bool(change.then) == (effect is not IN_PLACE)


RULES: list[tuple[str, str, Effect, str]] = [
    (STATUS, '"placed",\n          "new",\n          "paid",', IN_PLACE, "loosened"),
    (STATUS, '"placed",', BREAKING, "tightened"),
    (BETWEEN, BETWEEN.replace("0.0", "-1.0"), IN_PLACE, "loosened"),
    (BETWEEN, BETWEEN.replace("0.0", "1.0"), BREAKING, "tightened"),
    (BETWEEN, BETWEEN + ' "strict_min": true,', BREAKING, "tightened"),
    ('"max_value": 500.0', '"max_value": 500.0, "mostly": 0.9', IN_PLACE, "loosened"),
    ('"mostly": 0.5', '"mostly": 0.6', BREAKING, "tightened"),
    (LAST, PLUS % ("expect_column_values_to_not_be_null", "note", ""), BREAKING, "added"),
    (LAST, PLUS % ("expect_column_value_lengths_to_be_between", "note", ', "max_value": 9'), BREAKING, "added"),
]


@pytest.mark.parametrize(("old", "new", "effect", "word"), RULES)
def test_a_change_of_the_suite(orders: Contract, old: str, new: str, effect: Effect, word: str) -> None:
    (change,) = compare(orders, with_texts(orders, suite=((old, new),), version="1.1.1"))
    assert (change.effect, change.what, change.says.split(":")[0]) == (effect, "rule", word)


RULES_OF_THE_CONTRACT: list[tuple[str, str, Effect, str]] = [
    ("minimum: 1", "minimum: 2", BREAKING, "tightened"),
    ("minimum: 1", "minimum: 0", IN_PLACE, "loosened"),
    ("minimum: 1", "minimum: 1\n          maximum: 400", BREAKING, "tightened"),
    ("minimum: 1", "minimum: 1\n          maximum: 900", IN_PLACE, "loosened"),  # the suite says 500 already
    ("pattern: ^o-[0-9]{8}$", "pattern: ^o-[0-9]{9}$", BREAKING, "tightened"),
    ("pattern: ^o-[0-9]{8}$", "pattern: ^o-[0-9]{8}$\n          maxLength: 20", BREAKING, "added"),
    (GIFT, GIFT + "        required: true\n", BREAKING, "added"),
    (
        "        required: true\n        description: ISO 4217",
        "        description: ISO 4217",
        IN_PLACE,
        "dropped",
    ),
]


@pytest.mark.parametrize(("old", "new", "effect", "word"), RULES_OF_THE_CONTRACT)
def test_a_change_of_a_rule_in_the_contract(orders: Contract, old: str, new: str, effect: Effect, word: str) -> None:
    changes = compare(orders, with_texts(orders, (old, new), version="1.1.1"))
    assert (BREAKING in {one.effect for one in changes}) == (effect is BREAKING)
    assert (effect, word) in {(one.effect, one.says.split(":")[0]) for one in changes if one.what == "rule"}


def test_a_rule_that_moves_from_the_suite_to_the_contract_breaks_nothing(orders: Contract) -> None:
    """There it holds for a column that had it in the suite."""
    lengths = PLUS % ("expect_column_value_lengths_to_be_between", "note", ', "max_value": 900')
    suited = with_texts(orders, suite=((LAST, lengths),))
    note = "description: What the customer wrote to the driver."
    ruled = with_texts(orders, (note, f"logicalTypeOptions: {{maxLength: 900}}\n        {note}"), version="1.1.1")
    assert [(one.effect, one.says) for one in compare(suited, ruled)] == [(IN_PLACE, "documentation changed")]


def test_a_rule_about_a_new_column_breaks_nothing_unless_it_needs_a_value(orders: Contract) -> None:
    known = PLUS % ("expect_column_values_to_be_in_set", "channel", ', "value_set": ["app"]')
    needed = PLUS % ("expect_column_values_to_not_be_null", "channel", "")
    assert {one.effect for one in compare(orders, with_channel(orders, suite=((LAST, known),)))} == {IN_PLACE}
    first = compare(orders, with_channel(orders, suite=((LAST, needed),)))[0]
    assert (first.effect, first.what) == (BREAKING, "column channel")


def test_a_text_that_becomes_a_time_of_day_needs_no_other_table(orders: Contract) -> None:
    note = "      - name: note\n        logicalType: "
    (change,) = compare(orders, with_texts(orders, (f"{note}string\n", f"{note}time\n"), version="2.0.0"))
    assert (change.effect, change.then) == (BREAKING, "run `lakepost rebuild orders --all`")


class TestVersions:
    def test_a_breaking_change_is_let_through_under_a_raised_major_version(self, orders: Contract) -> None:
        """And says what has to follow."""
        tightened = ("minimum: 1", "minimum: 2")
        (minor,) = compare(orders, with_texts(orders, tightened, version="1.9.0"))
        (major,) = compare(orders, with_texts(orders, tightened, version="2.0.0"))
        assert (minor.refused, major.refused) == (True, False)
        assert major.then == "run `lakepost rebuild orders --all`"
        gone = compare(orders, with_texts(orders, ("name: is_gift", "name: gift"), version="2.0.0"))[0]
        assert (gone.refused, gone.then) == (False, "add a new dataset, or begin the tables of orders anew")

    @pytest.mark.parametrize("text", [("domain: shop", "domain: store"), ("decimal(12,2)", "decimal(13,2)")])
    def test_every_change_raises_the_version(self, orders: Contract, text: tuple[str, str]) -> None:
        first, *_ = compare(orders, with_texts(orders, text))
        assert (first.what, first.says, first.refused) == ("version", "still 1.1.0", True)

    def test_a_version_does_not_go_down(self, orders: Contract) -> None:
        first, *_ = compare(orders, with_texts(orders, version="0.9.0"))
        assert (first.says, first.refused) == ("1.1.0 → 0.9.0", True)
        assert compare(with_texts(orders, version="1.9.0"), with_texts(orders, version="1.10.0"))[0].refused is False

    def test_comments_and_layout_are_no_change(self, orders: Contract) -> None:
        assert compare(orders, with_texts(orders, ("domain: shop", "domain:   shop # the shop's"))) == ()

    def test_breaking_changes_come_first(self, orders: Contract) -> None:
        changed = with_texts(with_wider_types(orders), ("name: is_gift", "name: gift"))
        weights = [one.effect.weight for one in compare(orders, changed)]
        assert weights == sorted(weights, reverse=True)
        assert set(weights) == {0, 1, 2}


def test_a_dataset_goes_when_it_was_said_to_end(orders: Contract) -> None:
    assert removed(orders).refused
    assert not removed(with_texts(orders, ("status: active", "status: deprecated"))).refused


def test_every_part_of_a_contract_has_a_rule() -> None:
    """A new one is breaking until somebody has decided: the table says so of what it does not list."""

    def names(kind: type) -> set[str]:
        return {field.name for field in dataclasses.fields(kind)}

    assert names(Column) == compatible._OF_COLUMN.keys() | compatible._TYPE | compatible._RULES
    assert names(Contract) == compatible._OF_CONTRACT.keys() | compatible._ELSEWHERE
    assert "routing_keys" in names(QueueBinding)
    assert stricter.__all__ == ["changes"]


def test_a_queue_taken_away_breaks_the_contract(orders: Contract) -> None:
    """Whatever waits in it would never be read."""
    both = "queues: [lakepost.orders, {queue: lakepost.gifts, routingKeys: [gift]}]"
    before = with_texts(orders, ("queue: lakepost.orders", both))
    (change,) = compare(before, dataclasses.replace(orders, version="1.1.1"))
    assert (change.effect, change.says) == (BREAKING, "queue: lakepost.gifts removed")
    assert "land what waits" in change.then


@pytest.mark.parametrize(("by_policy", "effect"), [("true", IN_PLACE), ("false", BREAKING)])
def test_a_dead_letter_queue_changes_a_queue_in_place_only_by_policy(
    orders: Contract, by_policy: str, effect: Effect
) -> None:
    """The arguments of a queue that exists cannot be changed."""
    dead = f"queueType: quorum\n          deadLetter: {{queue: dead, byPolicy: {by_policy}}}"
    changes = compare(orders, with_texts(orders, ("queueType: quorum", dead), version="1.1.1"))
    assert changes[0].effect is effect
    assert "queue: dead added" in [change.says for change in changes]

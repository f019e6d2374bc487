"""What a contract says of private columns: how each reaches curated, and which tells whose a row is."""

from __future__ import annotations

import pytest

from ingest.model.contract import Protection
from tests.catalog.orders import CONTRACT, assert_says, columns_of, parsed, refused

_NOTE = "        description: What the customer wrote"
_STREET = "            description: Street and number.\n"
_ADDRESS = "        description: Where the order is delivered.\n"
_KEY = "value: customer_id"


def protect(before: str, value: str, indent: int) -> str:
    """The shipped contract with a column protected, before a line of it."""
    assert before in CONTRACT
    pad = " " * indent
    return CONTRACT.replace(before, f"{pad}customProperties:\n{pad}  - {{property: protect, value: {value}}}\n{before}")


@pytest.mark.parametrize("how", list(Protection))
def test_a_column_says_how_it_reaches_curated(how: Protection) -> None:
    columns = columns_of(parsed(protect(_NOTE, how, 8)))
    assert columns["note"].protection is how
    assert columns["order_id"].protection is None


def test_an_unknown_protection_is_refused_with_line_and_remedy() -> None:
    error = refused(protect(_NOTE, "hsah", 8))
    line = protect(_NOTE, "hsah", 8).split("hsah", maxsplit=1)[0].count("\n") + 1
    assert_says(error, f":{line}:", "(note", '"hsah"', remedy="`hash`")


def test_a_nested_field_cannot_be_protected_alone() -> None:
    assert_says(refused(protect(_STREET, "drop", 12)), "address.street", "nested", remedy="column of the table")


def test_an_object_can_be_dropped_but_not_hashed() -> None:
    assert columns_of(parsed(protect(_ADDRESS, "drop", 8)))["address"].protection is Protection.DROP
    assert_says(refused(protect(_ADDRESS, "hash", 8)), "(address", "object", remedy="`drop`")


def test_another_property_of_a_column_is_refused_unless_it_names_its_vendor() -> None:
    other = protect(_NOTE, "drop", 8).replace("property: protect,", "property: protekt,")
    assert_says(refused(other), "protekt", remedy="`protect`")
    foreign = other.replace("property: protekt,", "vendor: other, property: protekt,")
    assert columns_of(parsed(foreign))["note"].protection is None


def test_the_erasure_key_is_one_column_of_text_or_integers() -> None:
    assert parsed().erasure_key == "customer_id"
    assert parsed(CONTRACT.replace(_KEY, "value: item_count")).erasure_key == "item_count"
    assert_says(refused(CONTRACT.replace(_KEY, "value: customer")), "no column", remedy="`customer_id`")
    assert_says(refused(CONTRACT.replace(_KEY, "value: total")), "decimal", remedy="string or integer")
    assert_says(refused(CONTRACT.replace(_KEY, "value: [a]")), "not a column", remedy="one column")


def test_private_is_what_is_protected_or_classified_nested_fields_included_and_whose_a_row_is() -> None:
    contract = parsed(CONTRACT.replace("        classification: pii\n        properties:", "        properties:"))
    assert contract.private == {"address", "note", "customer_id"}
    named = parsed(protect("        examples: [o-00012345]", "hash", 8).replace(_KEY, "value: item_count"))
    assert named.private == {"address", "note", "customer_id", "order_id", "item_count"}

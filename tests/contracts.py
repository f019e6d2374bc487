"""A contract made by hand, for tests of what reads contracts and does not load them."""

from __future__ import annotations

import dataclasses

from ingest.model.contract import Column, Contract, LogicalType, Protection, QueueBinding
from ingest.model.expectation import Expectation

__all__ = ["ORDERS", "column", "contract", "with_protection"]


def column(
    name: str,
    kind: str,
    *,
    field: str | None = None,
    precision: int = 38,
    scale: int = 9,
    assume_utc: bool = False,
    children: tuple[Column, ...] = (),
    items: Column | None = None,
) -> Column:
    """A column; `field` is the payload's name where it differs."""
    return Column(
        name=name,
        field=field or name,
        type=LogicalType(kind),
        precision=precision,
        scale=scale,
        assume_utc=assume_utc,
        children=children,
        items=items,
    )


def contract(columns: tuple[Column, ...], expectations: tuple[Expectation, ...] = ()) -> Contract:
    """A contract around columns and expectations."""
    return Contract(
        dataset="orders",
        version="1.0.0",
        description="Orders of a beverage shop.",
        columns=columns,
        queues=(QueueBinding(exchange="shop.events", queue="lakepost.orders", routing_keys=("order.#",)),),
        expectations=expectations,
        digest="0" * 64,
        document="",
        suite_document="",
    )


def with_protection(contract: Contract, **how: str) -> Contract:
    """The contract with columns protected: `note="drop"`."""
    columns = tuple(
        dataclasses.replace(one, protection=Protection(how[one.name])) if one.name in how else one
        for one in contract.columns
    )
    return dataclasses.replace(contract, columns=columns)


_ITEM = column(
    "element",
    "object",
    children=(
        column("sku", "string"),
        column("name", "string"),
        column("quantity", "integer"),
        column("unit_price", "decimal", precision=10, scale=2),
    ),
)
_ADDRESS = tuple(column(name, "string") for name in ("street", "city", "postcode", "country"))
_STATUS = ["placed", "paid", "packed", "delivering", "delivered", "cancelled"]


def _expect(kind: str, *, derived: bool = False, **kwargs: object) -> Expectation:
    return Expectation(type=kind, kwargs=kwargs, derived=derived)


ORDERS = contract(
    columns=(
        column("order_id", "string"),
        column("customer_id", "string"),
        column("status", "string"),
        column("occurred_at", "timestamp"),
        column("currency", "string"),
        column("total", "decimal", precision=12, scale=2),
        column("item_count", "integer"),
        column("items", "array", items=_ITEM),
        column("address", "object", children=_ADDRESS),
        column("note", "string"),
        column("loyalty_points", "integer"),
        column("promised_on", "date"),
        column("is_gift", "boolean"),
    ),
    expectations=(
        *(
            _expect("expect_column_values_to_not_be_null", column=name, derived=True)
            for name in ("order_id", "customer_id", "status", "occurred_at", "currency", "total", "item_count")
        ),
        _expect("expect_column_values_to_match_regex", column="order_id", regex="^o-[0-9]{8}$", derived=True),
        _expect("expect_column_values_to_match_regex", column="customer_id", regex="^c-[0-9]{6}$", derived=True),
        _expect("expect_column_values_to_be_between", column="item_count", min_value=1, derived=True),
        _expect("expect_column_values_to_be_in_set", column="status", value_set=_STATUS),
        _expect("expect_column_values_to_be_in_set", column="currency", value_set=["EUR", "CHF", "GBP", "SEK", "PLN"]),
        _expect("expect_column_values_to_be_between", column="total", min_value=0, max_value=100000),
        _expect("expect_column_values_to_be_between", column="item_count", min_value=1, max_value=500),
        _expect("expect_column_values_to_not_be_null", column="promised_on", mostly=0.5),
    ),
)

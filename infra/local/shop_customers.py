# ruff: noqa: PLR2004 -- the bare numbers are shares of a random mix
"""Customers of the shop: a seeded stream of transactions on their documents, each change with its expected fate.

As in `shop`, the fate follows from how a change is built. The same `n` and `seed` give the same documents.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ingest.model.reason import Reason
from shop_goods import PLACES

__all__ = ["Change", "Customers", "Fault", "Operation", "Transaction"]

EXPIRY = 2
"""Seconds after which a customer that is on trial expires: the document's `ttl`."""

_BASE = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_TRIALS = 40  # customers that expire
_FOREIGN = 10  # documents whose id is no customer's number
_FIRST = ("Jana", "Aïcha", "Øystein", "Łukasz", "Ξένια", "Дарья", "李娜", "José", "Zoë", "Ümit", "さくら", "O'Neill")
_LAST = ("Køhler", "Müller-Lüdenscheidt", "D'Angelo", "Škvorecký", "Şahin", "Ó Súilleabháin", "Nguyễn", "佐藤", "Smith")
_SEGMENTS = ("household", "office", "gastronomy", "event")


class Operation(StrEnum):
    """What the feed of all versions calls it."""

    SNAPSHOT = "snapshot"
    CREATE = "create"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a document must be rejected, and how it is made so."""

    reason: Reason
    column: str
    expectation: str | None
    spoil: Callable[[dict[str, Any]], object]


@dataclass(frozen=True, slots=True)
class Change:
    """One change as the application makes it; null `document`: a delete. `expired`: nobody asked for that delete."""

    operation: Operation
    id: str
    document: dict[str, Any] | None = None
    fault: Fault | None = None
    expired: bool = False


Transaction = tuple[Change, ...]
"""Changes of one document that are committed together."""


def _segment(document: dict[str, Any]) -> None:
    document["segment"] = "wholesale"


def _limit(document: dict[str, Any]) -> None:
    document["creditLimit"] = -0.01


def _country(document: dict[str, Any]) -> None:
    document["country"] = "Germany"


def _nameless(document: dict[str, Any]) -> None:
    del document["name"]


def _consent(document: dict[str, Any]) -> None:
    document["marketingConsent"] = "yes"


def _floor(document: dict[str, Any]) -> None:
    document["address"] = document["address"] | {"floor": "attic"}


_FAULTS = (
    Fault(Reason.EXPECTATION, "segment", "expect_column_values_to_be_in_set", _segment),
    Fault(Reason.EXPECTATION, "credit_limit", "expect_column_values_to_be_between", _limit),
    Fault(Reason.EXPECTATION, "country", "expect_column_values_to_match_regex", _country),
    Fault(Reason.REQUIRED, "name", "expect_column_values_to_not_be_null", _nameless),
    Fault(Reason.WRONG_TYPE, "marketing_consent", None, _consent),
    Fault(Reason.WRONG_TYPE, "address.floor", None, _floor),
)
_NOT_A_NUMBER = Fault(Reason.EXPECTATION, "customer_id", "expect_column_values_to_match_regex", lambda _: None)


class Customers:
    """The shop's customers over time. First `founders`, then `transactions`."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"customers {seed}")
        self._number = self._rng.randrange(100_000)
        self._there: list[dict[str, Any]] = []  # documents that may be changed
        self._gone: list[str] = []
        self._faults = 0

    def founders(self, count: int) -> Iterator[Transaction]:
        """Customers that are there before anybody reads the feed: a snapshot finds them."""
        for _ in range(count):
            document = self._customer()
            self._there.append(document)
            yield (Change(Operation.SNAPSHOT, document["id"], document),)

    def transactions(self, changes: int) -> Iterator[Transaction]:
        """Transactions with so many changes in all; those of customers on trial and of foreign ids come first."""
        left = changes
        for number in range(min(_TRIALS + _FOREIGN, changes // 20)):
            document = self._customer()
            fault = None
            if number < _TRIALS:
                document["ttl"] = EXPIRY
            else:
                document["id"], fault = f'kündin {document["id"]} "ü"', _NOT_A_NUMBER
            yield (Change(Operation.CREATE, document["id"], document, fault),)
            left -= 1
        while left > 0:
            transaction = self._transaction(left)
            yield transaction
            left -= len(transaction)

    def _transaction(self, most: int) -> Transaction:
        """At most so many changes of one document."""
        rng, changes = self._rng, list[Change]()
        if len(self._there) < 2 or rng.random() < 0.4:
            document = self._customer()
            if self._gone and rng.random() < 0.2:  # somebody who comes back
                document["id"] = self._gone.pop(rng.randrange(len(self._gone)))
            changes.append(Change(Operation.CREATE, document["id"], document))
        else:
            document = self._there.pop(rng.randrange(len(self._there)))
        for _ in range(min(most - len(changes), 1 + int(rng.random() * 10))):
            document, change = self._changed(document)
            changes.append(change)
        how = rng.random()
        if len(changes) < most and how < 0.25:
            changes.append(Change(Operation.DELETE, document["id"]))
            if len(changes) < most and how < 0.05:  # deleted and made again under one LSN
                document = self._customer() | {"id": document["id"]}
                changes.append(Change(Operation.CREATE, document["id"], document))
            else:
                self._gone.append(document["id"])
                return tuple(changes)
        self._there.append(document)
        return tuple(changes)

    def _changed(self, document: dict[str, Any]) -> tuple[dict[str, Any], Change]:
        """The document after a replacement, which one in a hundred times makes it invalid."""
        fresh = self._customer() | {name: document[name] for name in ("id", "registeredAt")}
        fault = None
        if self._rng.random() < 0.01:
            fault = _FAULTS[self._faults % len(_FAULTS)]
            self._faults += 1
            fault.spoil(fresh)
        return fresh, Change(Operation.REPLACE, document["id"], fresh, fault)

    def _customer(self) -> dict[str, Any]:
        rng = self._rng
        self._number = (self._number + 1) % 1_000_000
        place = rng.choice(PLACES)
        document: dict[str, Any] = {
            "id": f"c-{self._number:06d}",
            "name": f"{rng.choice(_FIRST)} {rng.choice(_LAST)}",
            "email": f"customer-{int(rng.random() * 100_000)}@example.org",
            "city": place.city,
            "country": place.country,
            "segment": rng.choice(_SEGMENTS),
            "marketingConsent": rng.random() < 0.4,
            "registeredAt": self._registered(),
            "address": {
                "street": f"{rng.choice(place.streets)} {1 + int(rng.random() * 99)}",
                "postcode": place.postcode,
            },
        }
        if rng.random() < 0.5:
            document["phone"] = f"+49 221 555{int(rng.random() * 10_000):04d}"
        if rng.random() < 0.6:
            document["creditLimit"] = int(rng.random() * 5_000_000) / 100
        if rng.random() < 0.3:
            document["address"]["floor"] = int(rng.random() * 12) - 1
        return document

    def _registered(self) -> str:
        moment = _BASE + dt.timedelta(microseconds=int(self._rng.random() * 8e13))
        return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}7Z"

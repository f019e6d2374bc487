"""Customers into a Cosmos DB container through the SDK, as an application writes them, and into a ledger.

`python infra/local/customers_writer.py --changes N` by the settings of the command (`source .local/up/env`). With
`--stepwise` it says what it has done, a line of JSON each, and waits for a line before it goes on: after the founders,
and after six tenths of the changes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
from azure.cosmos import ContainerProxy, CosmosClient  # noqa: TID251 - an application of the account, as the shop is

from ingest.settings import load_settings
from shop_customers import Change, Customers, Operation, Transaction

__all__ = ["line", "main", "write"]

_FIRST_PART = 0.6


def write(container: ContainerProxy, transaction: Transaction) -> None:
    """Commit it: a single change as one, several as a batch, which gets one LSN."""
    if len(transaction) > 1:
        container.execute_item_batch([_step(change) for change in transaction], transaction[0].id)
        return
    (change,) = transaction
    if change.document is None:
        container.delete_item(change.id, change.id)
    elif change.operation is Operation.REPLACE:
        container.replace_item(change.id, change.document, no_response=True)
    else:
        container.create_item(change.document, no_response=True)


def _step(change: Change) -> tuple[Any, ...]:
    if change.document is None:
        return ("delete", (change.id,))
    if change.operation is Operation.REPLACE:
        return ("replace", (change.id, change.document))
    return ("create", (change.document,))


def line(number: int, change: Change) -> bytes:
    """The ledger's line of a change: what was written, and what must become of it."""
    fault = change.fault
    told = {
        "change": number,
        "operation": change.operation,
        "id": change.id,
        "document": change.document,
        "expired": change.expired,
        "outcome": "curated" if fault is None else "quarantined",
        "reason": None if fault is None else fault.reason,
        "expectation": None if fault is None else fault.expectation,
        "column": None if fault is None else fault.column,
    }
    return msgspec.json.encode(told) + b"\n"


class _Writer:
    """Numbers the changes, and notes in the ledger what the service has answered."""

    def __init__(self, container: ContainerProxy, ledger: IO[bytes]) -> None:
        self._container, self._ledger, self.changes = container, ledger, 0

    def write(self, transactions: Iterable[Transaction], *, until: int | None = None) -> None:
        """All of them, or until so many changes were made."""
        for transaction in transactions:
            write(self._container, transaction)
            for change in transaction:
                self._note(change)
                if change.document is not None and "ttl" in change.document:
                    self._note(Change(Operation.DELETE, change.id, expired=True))
            if until is not None and self.changes >= until:
                return

    def _note(self, change: Change) -> None:
        self._ledger.write(line(self.changes, change))
        self.changes += 1


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Customers of the shop, written into a container through the SDK.")
    parser.add_argument("--founders", type=int, default=500, help="customers before all changes (default: 500)")
    parser.add_argument("--changes", type=int, default=1_000, help="changes after them (default: 1000)")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the generator (default: 1); a seed fits a container once"
    )
    parser.add_argument("--database", default="shop")
    parser.add_argument("--container", default="customers")
    parser.add_argument("--ledger", type=Path, help="file for what was written, a line of JSON for each change")
    parser.add_argument("--stepwise", action="store_true", help="wait for a line on standard input between the parts")
    given = parser.parse_args(arguments)
    settings, customers = load_settings(), Customers(given.seed)
    with (
        CosmosClient(settings.cosmos_endpoint, settings.cosmos_key.get_secret_value()) as client,
        _opened(given) as book,
    ):
        writer = _Writer(client.get_database_client(given.database).get_container_client(given.container), book)
        writer.write(customers.founders(given.founders))
        _step_done(writer.changes, wait=given.stepwise)
        rest: Iterator[Transaction] = customers.transactions(given.changes)
        writer.write(rest, until=given.founders + int(given.changes * _FIRST_PART))
        _step_done(writer.changes, wait=given.stepwise)
        writer.write(rest)
        _step_done(writer.changes, wait=False)
    return 0


def _opened(given: argparse.Namespace) -> IO[bytes]:
    return (given.ledger or Path("/dev/null")).open("wb")


def _step_done(changes: int, *, wait: bool) -> None:
    print(json.dumps({"changes": changes}), flush=True)
    if wait:
        sys.stdin.readline()


if __name__ == "__main__":
    sys.exit(main())

"""Later versions of the contract that ships, made as a person makes them: by changing the text of its files."""

from __future__ import annotations

from ingest import catalog
from ingest.model.contract import Contract

__all__ = ["with_channel", "with_texts", "with_wider_types"]

Texts = tuple[tuple[str, str], ...]

_CHANNEL: Texts = (
    ("      - name: currency\n", "      - name: channel\n        logicalType: string\n      - name: currency\n"),
    ("          - name: city\n", "          - name: floor\n            logicalType: integer\n          - name: city\n"),
    (
        "            - name: quantity\n",
        "            - name: cold\n              logicalType: boolean\n            - name: quantity\n",
    ),
)
_WIDER: Texts = (
    ("decimal(12,2)", "decimal(14,3)"),
    ("decimal(10,2)", "decimal(12,2)"),
    (
        "      - name: loyalty_points\n        logicalType: integer\n",
        "      - name: loyalty_points\n        logicalType: number\n",
    ),
    (
        "      - name: item_count\n        logicalType: integer\n",
        "      - name: item_count\n        logicalType: number\n        physicalType: decimal(22,3)\n",
    ),
)


def with_texts(contract: Contract, *texts: tuple[str, str], suite: Texts = (), version: str | None = None) -> Contract:
    """The contract with each first text, which is there once, replaced by its second; as version `version`."""
    documents = [contract.document, contract.suite_document]
    changes = [(0, *pair) for pair in texts] + [(1, *pair) for pair in suite]
    if version is not None:
        changes.append((0, f"\nversion: {contract.version}\n", f"\nversion: {version}\n"))
    for which, old, new in changes:
        assert documents[which].count(old) == 1, (old, documents[which].count(old))
        documents[which] = documents[which].replace(old, new)
    return catalog.parse(*documents, dataset=contract.dataset, where="schemas/orders")


def with_channel(contract: Contract, *, suite: Texts = ()) -> Contract:
    """Version 1.2.0: a nullable column in the midst of the others, a field more in the address and in each item."""
    return with_texts(contract, *_CHANNEL, suite=suite, version="1.2.0")


def with_wider_types(contract: Contract, *, suite: Texts = ()) -> Contract:
    """Version 1.3.0: also wider types, a decimal's, a nested one's, an integer as a float and as a decimal."""
    return with_texts(with_channel(contract), *_WIDER, suite=suite, version="1.3.0")

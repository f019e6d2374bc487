"""Building blocks of the composition root: a dataset's contract and the lake, from the settings."""

from __future__ import annotations

import base64
import binascii
import re

from ingest import catalog
from ingest.errors import ConfigurationError
from ingest.lake import DeltaLake, open_storage
from ingest.memory import few_arenas
from ingest.model.contract import Contract
from ingest.model.keys import HOW_TO_MAKE_A_KEY, Keys
from ingest.settings import Settings
from ingest.sources.address import rabbitmq_url

__all__ = ["contract_of", "keys_of", "lake_of", "rabbitmq_url", "standing"]

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_SHORTEST_KEY = 32  # bytes: as long as the hash


def contract_of(settings: Settings, dataset: str) -> Contract:
    """The dataset's contract; `ConfigurationError` names the datasets there are."""
    names = catalog.names(settings.schemas_dir)
    if dataset not in names:
        raise ConfigurationError(
            f"there is no dataset {dataset!r} in {settings.schemas_dir}",
            remedy=f"the catalogue has: {', '.join(names) or 'none'}; LAKEPOST_SCHEMAS_DIR names another folder",
        )
    return catalog.load(settings.schemas_dir, dataset)


def standing(settings: Settings, dataset: str) -> tuple[Contract, DeltaLake]:
    """The contract, and the lake that has the dataset's tables."""
    contract, lake = contract_of(settings, dataset), lake_of(settings)
    if not lake.exists(dataset):
        raise ConfigurationError(f"the lake has no tables of {dataset!r}", remedy="run `lakepost lake init`")
    return contract, lake


def lake_of(settings: Settings) -> DeltaLake:
    """The lake at the settings' URL."""
    few_arenas()
    return DeltaLake(open_storage(settings.lake_url))


def keys_of(settings: Settings) -> Keys:
    """The keys of protected columns and erasures; none where none are set.

    Raises:
        ConfigurationError: naming the key by its place, never by its content.
    """
    found: dict[str, bytes] = {}
    given = settings.pii_keys.get_secret_value()
    for place, entry in enumerate(given.split(",") if given.strip() else (), 1):
        name, _, text = entry.strip().partition(":")
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not _KEY_ID.fullmatch(name) or name in found or len(key) < _SHORTEST_KEY:
            raise ConfigurationError(
                f"LAKEPOST_PII_KEYS: entry {place} is not ID:KEY with an id of its own and a key of at least"
                f" {_SHORTEST_KEY} bytes in base64",
                remedy=HOW_TO_MAKE_A_KEY,
            )
        found[name] = key
    return Keys(found)

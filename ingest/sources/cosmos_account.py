"""The Cosmos DB account of the settings: by its key, else by the identity that this process has in Azure."""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

from ingest.errors import ConfigurationError
from ingest.settings import Settings
from ingest.sources.cosmos_feed import Account

__all__ = ["cosmos_account"]


def cosmos_account(settings: Settings) -> Account:
    """Where the account answers, and who asks.

    Raises:
        ConfigurationError: there is no endpoint, or it is no URL; the key is none.
    """
    endpoint = settings.cosmos_endpoint
    if not endpoint:
        raise ConfigurationError(
            "no Cosmos DB account is configured",
            remedy="set LAKEPOST_COSMOS_ENDPOINT, in Airflow the Connection lakepost_cosmos:"
            " https://ACCOUNT.documents.azure.com",
        )
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
        raise ConfigurationError(
            "LAKEPOST_COSMOS_ENDPOINT is not the URL of an account",
            remedy="write https://ACCOUNT.documents.azure.com; the key has a setting of its own, LAKEPOST_COSMOS_KEY",
        )
    key = settings.cosmos_key.get_secret_value()
    if key:
        try:
            base64.b64decode(key, validate=True)
        except ValueError:
            raise ConfigurationError(
                "LAKEPOST_COSMOS_KEY is not base64, as the keys of accounts are",
                remedy="copy the account's primary, secondary or read-only key, without what surrounds it",
            ) from None  # whose text may hold some of it
        return Account(endpoint, key)
    from azure.identity import DefaultAzureCredential

    return Account(endpoint, DefaultAzureCredential())

"""The settings: the only place that reads environment variables and `.env`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingest.errors import ConfigurationError

__all__ = ["Settings", "load_settings"]


class Settings(BaseSettings):
    """Everything that differs between two installations. Secrets never show in `repr` or logs.

    Each field is `LAKEPOST_<NAME>` in the environment or in `.env`; in Airflow the same values come
    from Connections (`lakepost_rabbitmq`, `lakepost_lake`, `lakepost_cosmos`).
    """

    model_config = SettingsConfigDict(
        env_prefix="LAKEPOST_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    lake_url: str = ""
    """`file:///…`, an absolute folder."""
    rabbitmq_url: SecretStr = SecretStr("")
    """`amqp://USER:PASSWORD@HOST:PORT/VHOST`, or `amqps://`."""
    rabbitmq_ca_file: str = ""
    """`amqps`: PEM of the authority that signed the broker's certificate; empty: those of the machine."""
    rabbitmq_cert_file: str = ""
    """`amqps`: PEM of our client certificate; where the URL names no user, it says who we are."""
    rabbitmq_key_file: str = ""
    """`amqps`: PEM of that certificate's key, not encrypted; empty: it is in the certificate's file."""
    rabbitmq_server_name: str = ""
    """`amqps`: the name to ask for and to find in the broker's certificate, where it is not the URL's host."""
    cosmos_endpoint: str = ""
    """`https://ACCOUNT.documents.azure.com`."""
    cosmos_key: SecretStr = SecretStr("")
    """The account's key, a read-only one is enough; empty: `DefaultAzureCredential` says who we are."""
    cosmos_request_units: Annotated[float, Field(gt=0)] | None = None
    """land: request units that a run may use of Cosmos DB; it ends cleanly when they are used up. Empty: no limit."""
    pii_keys: SecretStr = SecretStr("")
    """`ID:BASE64,…`: what protected columns and erasures are hashed with, the current key first."""
    schemas_dir: Path = Path("schemas")
    """The folder with one folder per dataset."""

    window_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 50_000
    """land: rows of a window, committed and acknowledged together."""
    window_bytes: Annotated[int, Field(ge=1024, le=1024 * 1024 * 1024)] = 16 * 1024 * 1024
    """land: body bytes of a window; bounds the memory of land."""
    window_seconds: Annotated[float, Field(gt=0, le=900)] = 30.0
    """land: age at which a window is committed as it is; stays below the broker's consumer timeout."""
    batch_rows: Annotated[int, Field(ge=1)] = 500_000
    """curate, replay, rebuild: rows held at a time; bounds their memory. One window is never split."""
    batch_bytes: Annotated[int, Field(ge=1024, le=1024 * 1024 * 1024)] = 192 * 1024 * 1024
    """curate, replay, rebuild: bytes held at a time, bodies and headers. Peak memory is about seven times this."""
    log_level: str = "INFO"


def load_settings(**given: Any) -> Settings:
    """Settings from `given`, then the environment, then `.env`, then defaults.

    Raises:
        ConfigurationError: naming the variable and what it must be.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "LAKEPOST_" + "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigurationError(f"{name}: {first['msg']}", remedy="correct it in the environment or in .env") from None

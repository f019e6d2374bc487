"""Settings from Airflow Connections: `lakepost_rabbitmq`, `lakepost_cosmos`, `lakepost_lake`, else the environment.

====================  ==========================================================================
`lakepost_rabbitmq`   host, port, login, password, schema (the virtual host), extra `{"tls": true}`;
                      with it the extras `ca_file`, `cert_file`, `key_file` (paths on the workers) and
                      `server_name`, each as LAKEPOST_RABBITMQ_…, which counts where one is not given;
                      no login and a `cert_file`: the client certificate says who we are
`lakepost_cosmos`     the account's endpoint as host, or as extra `endpoint`; its key as password, without one
                      the identity that the worker has in Azure; extra `request_units`: what a run of land may use
`lakepost_lake`       extra `{"url": "file:///…"}`; or the folder's path, or the URL, as host;
                      extra `pii_keys`: the keys of protected columns and of erasures
====================  ==========================================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from ingest.errors import ConfigurationError
from lakepost_url import RABBITMQ, extra_of, url_of

if TYPE_CHECKING:
    from ingest.settings import Settings

__all__ = ["COSMOS", "LAKE", "RABBITMQ", "cosmos_settings", "lake_url", "pii_keys", "rabbitmq_url", "task_settings"]

COSMOS = "lakepost_cosmos"
LAKE = "lakepost_lake"


def task_settings(schemas_dir: Path) -> Settings:
    """The settings of a task, from Connections where they are defined. Call it inside a task only.

    Raises:
        ConfigurationError: a Connection lacks something; the message names it.
    """
    from ingest.settings import load_settings  # noqa: PLC0415 - pydantic stays out of DAG parsing

    rabbitmq, cosmos, lake = _defined(RABBITMQ), _defined(COSMOS), _defined(LAKE)
    return load_settings(
        schemas_dir=schemas_dir,
        rabbitmq_url=None if rabbitmq is None else rabbitmq_url(rabbitmq),
        lake_url=None if lake is None else lake_url(lake),
        pii_keys=None if lake is None else pii_keys(lake),
        **({} if cosmos is None else cosmos_settings(cosmos)),
    )


def rabbitmq_url(connection: Connection) -> str:
    """The AMQP URL, every part quoted. Its secret parts are masked in the task's log from here on."""
    if connection.password:
        mask_secret(quote(connection.password, safe=""))  # Airflow masks the password itself, not its quoted form
    return url_of(connection)


def cosmos_settings(connection: Connection) -> dict[str, str]:
    """The settings of the account. An empty key is one: the environment's belongs to another account."""
    extra = extra_of(connection)
    endpoint = str(extra.get("endpoint") or connection.host or "")
    if not endpoint:
        raise ConfigurationError(
            f"Connection {COSMOS} has no endpoint", remedy="set https://ACCOUNT.documents.azure.com as its host"
        )
    if "://" not in endpoint:  # of a Connection that was given as a URI
        scheme = "http" if "http" in {connection.conn_type, connection.schema} else "https"
        endpoint = f"{scheme}://{endpoint}{f':{connection.port}' if connection.port else ''}"
    told = {"cosmos_endpoint": endpoint, "cosmos_key": connection.password or ""}
    units = extra.get("request_units")
    return told if units is None else told | {"cosmos_request_units": str(units)}


def lake_url(connection: Connection) -> str:
    """The lake's URL: extra `url`, else a URL as host, else an absolute path as host and schema."""
    if url := extra_of(connection).get("url"):
        return str(url)
    host = connection.host or ""
    if "://" in host:
        return host
    path = "/".join(part.strip("/") for part in (host, connection.schema or "") if part.strip("/"))
    # Airflow parses `file:///data/lake` into an empty host and the schema `data/lake`.
    if path and (host.startswith("/") or connection.conn_type == "file"):
        return Path("/", path).as_uri()
    raise ConfigurationError(f"Connection {LAKE} has no URL", remedy='set its extra to {"url": "file:///…"}')


def pii_keys(connection: Connection) -> str | None:
    """The keys in the extra `pii_keys`, as in LAKEPOST_PII_KEYS. Each is masked in the task's log from here on."""
    keys = extra_of(connection).get("pii_keys")
    if keys is None:
        return None
    for entry in str(keys).split(","):
        if secret := entry.partition(":")[2].strip():
            mask_secret(secret)
    return str(keys)


def _defined(name: str) -> Connection | None:
    try:
        return Connection.get(name)  # type: ignore[no-any-return]
    except AirflowNotFoundException:
        return None

"""The broker's URL out of the Connection `lakepost_rabbitmq`.

It stands in the plugins folder, which tasks, DAG files and the triggerer have on their import path.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

from airflow.sdk import Connection

from ingest.errors import ConfigurationError

__all__ = ["RABBITMQ", "extra_of", "url_of"]

RABBITMQ = "lakepost_rabbitmq"

_TLS = {
    "ca_file": "cacertfile",
    "cert_file": "certfile",
    "key_file": "keyfile",
    "server_name": "server_name_indication",
}
"""Extras of the Connection → options of the URL, which `ingest.sources.address` reads."""


def url_of(connection: Connection) -> str:
    """The AMQP URL, every part quoted, the password in it.

    Raises:
        ConfigurationError: the Connection has no host, or its extra is no object.
    """
    if not connection.host:
        raise ConfigurationError(f"Connection {RABBITMQ} has no host", remedy="set host, login and password on it")
    extra = extra_of(connection)
    options = {option: str(extra[name]) for name, option in _TLS.items() if extra.get(name)}
    tls = bool(extra.get("tls")) or connection.conn_type == "amqps"
    who = "" if "certfile" in options and not connection.login else f"{_credentials(connection)}@"
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    port = connection.port or (5671 if tls else 5672)
    virtual_host = quote(connection.schema or "/", safe="")
    query = f"?{urlencode(options)}" if options else ""
    return f"{'amqps' if tls else 'amqp'}://{who}{host}:{port}/{virtual_host}{query}"


def extra_of(connection: Connection) -> dict[str, Any]:
    """The extra as an object. Not `extra_dejson`: that masks every value, `true` and the lake's URL included."""
    try:
        extra = json.loads(connection.extra or "{}")
    except json.JSONDecodeError:
        extra = None
    if not isinstance(extra, dict):
        raise ConfigurationError(f"Connection {connection.conn_id}: extra is not a JSON object", remedy="correct it")
    return extra


def _credentials(connection: Connection) -> str:
    return ":".join(quote(part or "guest", safe="") for part in (connection.login, connection.password))

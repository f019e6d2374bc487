"""Airflow Connections → the settings of a task."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from yarl import URL

from ingest.errors import ConfigurationError
from ingest.sources.address import Address
from ingest.sources.tls import Tls
from lakepost_airflow import connections
from lakepost_airflow.connections import cosmos_settings, lake_url, rabbitmq_url, task_settings

_ACCOUNT = "https://shop.documents.azure.com:443/"
_AWKWARD = "p@ss/w:rd?#%é"


def _rabbitmq(**parts: Any) -> Connection:
    given: dict[str, Any] = {"conn_type": "amqp", "host": "broker", "login": "me", "password": "secret"}
    return Connection(conn_id=connections.RABBITMQ, **given | parts)


def _lake(**parts: Any) -> Connection:
    given: dict[str, Any] = {"conn_type": "file"}
    return Connection(conn_id=connections.LAKE, **given | parts)


def _cosmos(**parts: Any) -> Connection:
    given: dict[str, Any] = {"conn_type": "generic", "host": _ACCOUNT, "password": "a2V5=="}
    return Connection(conn_id=connections.COSMOS, **given | parts)


def test_every_part_of_the_brokers_url_survives_quoting() -> None:
    url = URL(rabbitmq_url(_rabbitmq(login="a@b/c", password=_AWKWARD, schema="team/blue", port=5673)))
    assert (url.scheme, url.user, url.password, url.host, url.port) == ("amqp", "a@b/c", _AWKWARD, "broker", 5673)
    assert url.path[1:] == "team/blue"  # how the client reads the virtual host


def test_the_default_virtual_host_and_ports_are_the_brokers() -> None:
    assert rabbitmq_url(_rabbitmq()) == "amqp://me:secret@broker:5672/%2F"
    assert rabbitmq_url(_rabbitmq(extra='{"tls": true}')) == "amqps://me:secret@broker:5671/%2F"
    assert rabbitmq_url(_rabbitmq(host="::1")) == "amqp://me:secret@[::1]:5672/%2F"


def test_the_extras_of_tls_reach_the_client_and_a_certificate_may_stand_for_a_login() -> None:
    extra = {"tls": True, "ca_file": "/pki/our ca.pem", "cert_file": "/pki/c.pem", "server_name": "broker.example"}
    url = URL(rabbitmq_url(_rabbitmq(login=None, password=None, extra=json.dumps(extra))))
    assert (url.scheme, url.user, url.port) == ("amqps", None, 5671)
    tls = Address.of(str(url)).tls
    assert tls == Tls(ca_file="/pki/our ca.pem", cert_file="/pki/c.pem", server_name="broker.example")
    named = URL(rabbitmq_url(_rabbitmq(extra=json.dumps(extra))))
    assert (named.user, named.password) == ("me", "secret")


def test_certificates_without_tls_are_refused_and_not_left_out() -> None:
    url = rabbitmq_url(_rabbitmq(extra=json.dumps({"ca_file": "/pki/ca.pem"})))
    with pytest.raises(ConfigurationError, match="not encrypted") as caught:
        Address.of(url)
    assert "secret" not in f"{caught.value!r} {caught.value}"


def test_the_quoted_password_is_masked_in_logs_like_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[str] = []
    monkeypatch.setattr(connections, "mask_secret", masked.append)
    url = rabbitmq_url(_rabbitmq(password=_AWKWARD))
    assert any(secret in url for secret in masked)


def test_the_keys_of_protected_columns_come_from_the_lakes_extra_and_are_masked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    masked: list[str] = []
    monkeypatch.setattr(connections, "mask_secret", masked.append)
    extra = json.dumps({"url": "file:///data/lake", "pii_keys": "k2:bmV3, k1:b2xk"})
    _define(monkeypatch, lakepost_lake=_lake(extra=extra))
    settings = task_settings(tmp_path)
    assert settings.pii_keys.get_secret_value() == "k2:bmV3, k1:b2xk"
    assert masked == ["bmV3", "b2xk"]


@pytest.mark.parametrize(
    ("connection", "endpoint"),
    [
        (_cosmos(), _ACCOUNT),
        (_cosmos(host=None, extra=json.dumps({"endpoint": _ACCOUNT})), _ACCOUNT),
        (_cosmos(host="shop.documents.azure.com"), "https://shop.documents.azure.com"),
        (_cosmos(conn_type="http", host="127.0.0.1", port=8081), "http://127.0.0.1:8081"),
        (Connection.from_uri("https://:a2V5%3D%3D@shop.documents.azure.com:443", conn_id="lakepost_cosmos"),
         "https://shop.documents.azure.com:443"),
    ],
)  # fmt: skip
def test_an_account_is_named_by_its_endpoint_and_the_key_is_the_password(connection: Connection, endpoint: str) -> None:
    assert cosmos_settings(connection) == {"cosmos_endpoint": endpoint, "cosmos_key": "a2V5=="}


def test_a_run_s_request_units_are_an_extra_of_the_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _define(monkeypatch, lakepost_cosmos=_cosmos(extra='{"request_units": 5000}'))
    assert task_settings(tmp_path).cosmos_request_units == 5000
    _define(monkeypatch, lakepost_cosmos=_cosmos(extra='{"request_units": "many"}'))
    with pytest.raises(ConfigurationError, match="COSMOS_REQUEST_UNITS"):
        task_settings(tmp_path)


def test_an_account_without_a_password_is_not_asked_with_the_environment_s_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAKEPOST_COSMOS_ENDPOINT", "https://other.documents.azure.com")
    monkeypatch.setenv("LAKEPOST_COSMOS_KEY", "b3RoZXI=")
    _define(monkeypatch, lakepost_cosmos=_cosmos(password=None))
    settings = task_settings(tmp_path)
    assert (settings.cosmos_endpoint, settings.cosmos_key.get_secret_value()) == (_ACCOUNT, "")
    _define(monkeypatch)
    assert task_settings(tmp_path).cosmos_key.get_secret_value() == "b3RoZXI="


@pytest.mark.parametrize(
    ("connection", "url"),
    [
        (_lake(extra=json.dumps({"url": "file:///data/lake"})), "file:///data/lake"),
        (_lake(host="file:///data/lake"), "file:///data/lake"),
        (_lake(host="/data/my lake"), "file:///data/my%20lake"),
        (Connection.from_uri("file:///data/lake", conn_id="lakepost_lake"), "file:///data/lake"),
        (_lake(conn_type="adls", host="abfss://fs@account.dfs.core.windows.net/lake"),
         "abfss://fs@account.dfs.core.windows.net/lake"),
    ],
)  # fmt: skip
def test_a_lake_is_named_by_url_or_by_path(connection: Connection, url: str) -> None:
    assert lake_url(connection) == url


@pytest.mark.parametrize(
    ("call", "connection", "says"),
    [
        (rabbitmq_url, _rabbitmq(host=None), "lakepost_rabbitmq has no host"),
        (cosmos_settings, _cosmos(host=None), "lakepost_cosmos has no endpoint"),
        (lake_url, _lake(conn_type="generic"), "lakepost_lake has no URL"),
        (lake_url, _lake(extra="{"), "lakepost_lake: extra is not a JSON object"),
    ],
)
def test_a_connection_that_lacks_something_is_an_error_that_names_it(
    call: Callable[[Connection], object], connection: Connection, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        call(connection)


def _define(monkeypatch: pytest.MonkeyPatch, **defined: Connection) -> None:
    def get(name: str) -> Connection:
        if name in defined:
            return defined[name]
        raise AirflowNotFoundException(name)

    monkeypatch.setattr(Connection, "get", get)


def test_settings_come_from_connections_where_they_are_defined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAKEPOST_RABBITMQ_URL", "amqp://from-the-environment/")
    monkeypatch.setenv("LAKEPOST_LAKE_URL", "file:///from/the/environment")
    _define(monkeypatch, lakepost_rabbitmq=_rabbitmq())
    settings = task_settings(tmp_path)
    assert settings.rabbitmq_url.get_secret_value() == "amqp://me:secret@broker:5672/%2F"
    assert settings.lake_url == "file:///from/the/environment"
    assert settings.schemas_dir == tmp_path
    assert "secret" not in repr(settings).replace("SecretStr", "")

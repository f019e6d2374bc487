"""The broker's URL: where it leads, and what it says of TLS. Fit for messages is only `where`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from yarl import URL

from ingest.errors import ConfigurationError
from ingest.settings import Settings
from ingest.sources.tls import Tls

__all__ = ["Address", "rabbitmq_url"]

_OPTIONS = {
    "cacertfile": "ca_file",
    "certfile": "cert_file",
    "keyfile": "key_file",
    "server_name_indication": "server_name",
}
"""Options of a URL as RabbitMQ's own clients name them → fields of `Tls`."""

_OF_THE_CLIENT = ("heartbeat", "timeout")
_PORTS = {"amqp": 5672, "amqps": 5671}
_URL_REMEDY = "correct LAKEPOST_RABBITMQ_URL; special characters in the password must be percent-encoded"


@dataclass(frozen=True, slots=True)
class Address:
    """A broker's URL taken apart: `url` for the client, with credentials; `where` for people; null `tls` for `amqp`."""

    url: URL = field(repr=False)
    where: str
    tls: Tls | None

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a URL.

        Raises:
            ConfigurationError: it is no AMQP URL, or has an option that is unknown or has no meaning without TLS.
        """
        url = _parsed(text)
        options = dict(url.query)
        tls = Tls(**{name: options.pop(option) for option, name in _OPTIONS.items() if option in options})
        if options.pop("verify", "verify_peer") != "verify_peer":
            options["verify"] = ""
        for option in options.keys() - set(_OF_THE_CLIENT):
            raise ConfigurationError(
                f"the RabbitMQ URL has the option {option!r}, which is not supported",
                remedy=f"known are {', '.join((*_OPTIONS, *_OF_THE_CLIENT))}; certificates are always verified",
            )
        secure = url.scheme == "amqps"
        if tls != Tls() and not secure:
            raise ConfigurationError(
                "certificates or a server name are set for RabbitMQ, but the URL says amqp://, which is not encrypted",
                remedy="write amqps:// and the broker's TLS port (5671), in Airflow the extra `tls`; or unset"
                " LAKEPOST_RABBITMQ_CA_FILE, _CERT_FILE, _KEY_FILE and _SERVER_NAME",
            )
        if url.user is None and tls.cert_file:
            options["auth"] = "external"  # the client certificate says who we are
        where = f"{url.host}:{url.port} (virtual host {url.path[1:] or '/'!r})"
        return cls(url.with_query(options), where, tls if secure else None)


def rabbitmq_url(settings: Settings) -> str:
    """The broker's URL with the settings of TLS as its options, credentials included: for a client, never for a log.

    An option that the URL has itself stays.

    Raises:
        ConfigurationError: it is not set, or is no URL.
    """
    text = settings.rabbitmq_url.get_secret_value()
    if not text:
        raise ConfigurationError(
            "LAKEPOST_RABBITMQ_URL is not set", remedy="give the broker as amqp://USER:PASSWORD@HOST:PORT/VHOST"
        )
    given: dict[str, Any] = {option: getattr(settings, f"rabbitmq_{name}") for option, name in _OPTIONS.items()}
    set_ = {option: str(value) for option, value in given.items() if value}
    return str(_parsed(text).update_query(set_ | dict(_parsed(text).query))) if set_ else text


def _parsed(text: str) -> URL:
    """An absolute AMQP URL with its port. The `ValueError` of a wrong one may hold the password: it goes nowhere."""
    try:
        url = URL(text)
        if url.scheme in _PORTS and url.host:
            return url if url.explicit_port else url.with_port(_PORTS[url.scheme])
    except ValueError:
        pass
    raise ConfigurationError(
        "the RabbitMQ URL is not of the form amqp://USER:PASSWORD@HOST:PORT/VHOST (or amqps://…)", remedy=_URL_REMEDY
    )

"""A real broker behind TLS that demands client certificates, with users and virtual hosts of awkward names."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from broker import Broker, free_port
from tests.certificates import Authority

__all__ = ["AWKWARD", "Files", "Secured", "secured"]

AWKWARD = ("özel user", "p@ss/w:rd?#%é&+", "team/blue 1")
"""User, password and virtual host with whatever must be percent-encoded."""

_EXPIRED = dt.timedelta(days=-1)
_CONF = """
listeners.ssl.1 = 127.0.0.1:{port}
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
ssl_cert_login_from = common_name
load_definitions = {definitions}
"""
_ADVANCED = """
[{{rabbit, [{{ssl_options, [{{cacertfile, "{ca}"}}, {{verify, verify_peer}}, {{fail_if_no_peer_cert, true}},
  {{certfile, "{mine[0]}"}}, {{keyfile, "{mine[1]}"}},
  {{sni_hosts, [{{"expired.test", [{{certfile, "{expired[0]}"}}, {{keyfile, "{expired[1]}"}}]}}]}}]}}]}}].
"""


@dataclass(frozen=True)
class Files:
    """Paths of a CA, and of certificate and key; the URL's options for them."""

    ca: Path | None = None
    cert: tuple[Path, Path] | None = None
    name: str = "broker.test"

    @property
    def options(self) -> dict[str, str]:
        """The URL's options."""
        given = {"cacertfile": self.ca, "certfile": self.cert and self.cert[0], "keyfile": self.cert and self.cert[1]}
        return {name: str(value) for name, value in given.items() if value} | (
            {"server_name_indication": self.name} if self.name else {}
        )


@dataclass(frozen=True)
class Secured:
    """`broker` listens without TLS on its own port and with TLS on `port`, as `broker.test` and `expired.test`."""

    broker: Broker
    port: int
    ours: Authority
    other: Authority
    good: Files

    def url(
        self, files: Files | None = None, *, user: str | None = "lakepost", password: str = "", vhost: str = "/"
    ) -> str:
        """A URL of the TLS port; a null user is none, for a client certificate to say it."""
        query = urlencode((files or self.good).options)
        who = "" if user is None else f"{quote(user, safe='')}:{quote(password or self.broker.password, safe='')}@"
        return f"amqps://{who}127.0.0.1:{self.port}/{quote(vhost, safe='')}?{query}"


@contextmanager
def secured(folder: Path) -> Iterator[Secured]:
    """Start one below `folder`, with the users `lakepost`, `AWKWARD`, `client` by its certificate, and `nobody`.

    That one may do nothing.
    """
    ours, other = Authority(folder / "ours", "ours"), Authority(folder / "other", "other")
    node, definitions, port = folder / "node", folder / "definitions.json", free_port()
    node.mkdir(parents=True)
    mine, expired = ours.issue("broker.test"), ours.issue("expired.test", valid=_EXPIRED)
    (node / "advanced.config").write_text(_ADVANCED.format(ca=ours.file, mine=mine, expired=expired))
    config, plugins = _CONF.format(port=port, definitions=definitions), ("rabbitmq_auth_mechanism_ssl",)
    broker = Broker(node, tied=True, config=config, plugins=plugins)
    passwords = {"lakepost": broker.password, AWKWARD[0]: AWKWARD[1], "client": "", "nobody": "nothing"}
    definitions.write_text(json.dumps(_definitions(passwords)))
    with broker:
        yield Secured(broker, port, ours, other, Files(ours.file, ours.issue("client")))


def _definitions(passwords: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    users = [{"name": name, "password_hash": _hashed(password), "tags": ""} for name, password in passwords.items()]
    every = dict.fromkeys(("configure", "write", "read"), ".*")
    none = dict.fromkeys(("configure", "write", "read"), "^$")
    hosts = ("/", AWKWARD[2])
    rights = [{"user": name, "vhost": host} | every for name in passwords if name != "nobody" for host in hosts]
    rights.append({"user": "nobody", "vhost": "/"} | none)
    return {"users": users, "vhosts": [{"name": host} for host in hosts], "permissions": rights}


def _hashed(password: str) -> str:
    """As RabbitMQ keeps it: four bytes of salt, then SHA-256 of salt and password. An empty one lets nobody in."""
    if not password:
        return ""
    return base64.b64encode(b"salt" + hashlib.sha256(b"salt" + password.encode()).digest()).decode()

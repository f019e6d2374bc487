"""TLS to a real broker that demands client certificates: what is let in, what is refused and in which words."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import json
import logging
import random
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.errors import ConfigurationError, LakepostError, SourceUnavailable
from ingest.model.contract import QueueBinding
from ingest.model.delivery import Bounds, Delivery
from ingest.settings import load_settings
from ingest.sources.address import Address, rabbitmq_url
from ingest.sources.connection import connect
from ingest.sources.rabbitmq import RabbitQueue
from tests.command import Command
from tests.conftest import Publish, publishing
from tests.faults.proxy import Fault, How, Proxy, Side
from tests.live import Live
from tests.secured import AWKWARD, Files, Secured, secured

EXPIRED = dt.timedelta(days=-1)


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured(tmp_path_factory.mktemp("secured")) as broker:
        yield broker


def _connect(url: str) -> None:
    async def connected() -> None:
        connection, transport = await connect(url, "test", lambda: None)
        await connection.close()
        transport.abort()

    asyncio.run(connected())


def _refused(url: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        _connect(url)
    assert caught.value.remedy
    return caught.value


def _drained(url: str, binding: QueueBinding, bounds: Bounds) -> list[int]:
    async def drained() -> list[int]:
        async with RabbitQueue(url, binding) as source:
            sizes = []
            async for window in source.windows(bounds, None, asyncio.Event()):
                sizes.append(len(window.deliveries))
                await window.acknowledge()
            return sizes

    return asyncio.run(drained())


def test_a_queue_is_drained_through_tls_within_the_bound_on_bytes(safe: Secured, queue_binding: QueueBinding) -> None:
    publish: Publish = publishing(safe.broker.url)
    publish(queue_binding, [Delivery(bytes(100_000), "", "order.placed", message_id=str(n)) for n in range(100)])
    sizes = _drained(safe.url(), queue_binding, Bounds(bytes=1_000_000))
    assert sum(sizes) == 100
    assert max(sizes) <= 10
    assert _drained(safe.url(), queue_binding, Bounds()) == []


def test_a_cut_connection_is_worth_another_try_and_no_certificates_fault(
    safe: Secured, queue_binding: QueueBinding
) -> None:
    """Cut anywhere, in the handshake of TLS too. What was not acknowledged comes again."""
    publish: Publish = publishing(safe.broker.url)
    chance, ends = random.Random(1), 0
    with Proxy(safe.port) as proxy:
        for number in range(12):
            publish(queue_binding, [Delivery(bytes(500), "", "order.placed", message_id=str(n)) for n in range(100)])
            side, most = chance.choice([(Side.BROKER, 3_000), (Side.BROKER, 50_000), (Side.CLIENT, 3_000)])
            proxy.fault = Fault(chance.choice([How.CLOSE, How.RESET]), side, chance.randrange(1, most))
            try:
                _drained(proxy.url(safe.url()), queue_binding, Bounds(rows=30))
            except SourceUnavailable:
                ends += 1
            except ConfigurationError as error:  # names the cut, which repeats by its seed
                pytest.fail(f"cut {number}, {proxy.fault}: {error}")
    assert ends > 6
    _drained(safe.url(), queue_binding, Bounds())
    assert _drained(safe.url(), queue_binding, Bounds()) == []


def test_a_client_certificate_stands_for_user_and_password(safe: Secured, queue_binding: QueueBinding) -> None:
    assert _drained(safe.url(user=None), queue_binding, Bounds()) == []
    stranger = dataclasses.replace(safe.good, cert=safe.ours.issue("somebody"))
    assert "knows no user for our client certificate" in str(_refused(safe.url(stranger, user=None)))


def test_the_name_that_is_asked_for_decides_which_certificate_the_broker_shows(safe: Secured) -> None:
    """It shows the expired one only to whom asks for that name: so the name was sent (SNI)."""
    _connect(safe.url())
    says = _refused(safe.url(dataclasses.replace(safe.good, name="expired.test")))
    assert "certificate has expired" in says.message


def test_what_is_wrong_with_the_brokers_certificate_is_told(safe: Secured) -> None:
    for files, told, remedy in [
        (Files(None, safe.good.cert), "not trusted", "LAKEPOST_RABBITMQ_CA_FILE"),
        (Files(safe.other.file, safe.good.cert), "not trusted", "LAKEPOST_RABBITMQ_CA_FILE"),
        (dataclasses.replace(safe.good, name="elsewhere.test"), "another host", "LAKEPOST_RABBITMQ_SERVER_NAME"),
        (dataclasses.replace(safe.good, name=""), "another host", "LAKEPOST_RABBITMQ_SERVER_NAME"),  # 127.0.0.1
    ]:
        says = _refused(safe.url(files))
        assert told in says.message
        assert remedy in says.remedy


def test_what_is_wrong_with_the_client_certificate_is_told(safe: Secured) -> None:
    for cert, told in [
        (None, "demands a client certificate"),
        (safe.ours.issue("late", valid=EXPIRED), "refuses our client certificate: certificate expired"),
        (safe.other.issue("foreign"), "refuses our client certificate: unknown ca"),
    ]:
        assert told in _refused(safe.url(dataclasses.replace(safe.good, cert=cert))).message


def test_a_file_that_cannot_be_used_is_named_before_anybody_is_called(safe: Secured, tmp_path: Path) -> None:
    certificate, key = safe.ours.issue("client")
    nonsense, absent = tmp_path / "nonsense.pem", tmp_path / "absent.pem"
    nonsense.write_text("nonsense")
    encrypted = safe.ours.issue("locked", password=b"hidden")
    for files, told in [
        (Files(absent), f"_CA_FILE: {absent} cannot be read: No such file"),
        (Files(nonsense), f"_CA_FILE: {nonsense} holds no certificate"),
        (Files(safe.ours.file, (absent, key)), f"_CERT_FILE: {absent} cannot be read"),
        (Files(safe.ours.file, (nonsense, key)), f"_CERT_FILE: {nonsense} and"),
        (Files(safe.ours.file, (certificate, encrypted[1])), "_KEY_FILE is encrypted"),
        (Files(safe.ours.file, (certificate, safe.other.issue("x")[1])), "are not a certificate and its key"),
    ]:
        assert told in _refused(safe.url(files)).message


def test_a_port_of_the_other_kind_is_told(safe: Secured) -> None:
    plain, secret = safe.broker.url, safe.url()
    says = _refused(plain.replace(f":{safe.broker.port}", f":{safe.port}"))
    assert "speaks TLS on that port" in says.message
    says = _refused(secret.replace(f":{safe.port}", f":{safe.broker.port}"))
    assert "does not speak TLS on that port" in says.message


@pytest.mark.parametrize("option", ["no_verify_ssl=1", "verify=verify_none", "cafile=/tmp/ca.pem", "auth=plain"])
def test_nothing_switches_verification_off_and_no_option_is_ignored(option: str) -> None:
    with pytest.raises(ConfigurationError, match="not supported"):
        Address.of(f"amqps://me:secret@127.0.0.1/?{option}")


def test_the_settings_of_tls_join_the_url_whose_own_options_stay(safe: Secured) -> None:
    given = {"rabbitmq_ca_file": str(safe.ours.file), "rabbitmq_server_name": "broker.test"}
    url = f"amqps://lakepost:{safe.broker.password}@127.0.0.1:{safe.port}/"
    certificate, key = safe.ours.issue("client")
    whole = given | {"rabbitmq_cert_file": str(certificate), "rabbitmq_key_file": str(key)}
    _connect(rabbitmq_url(load_settings(rabbitmq_url=url, _env_file=None, **whole)))
    mine = f"{url}?server_name_indication=expired.test"
    says = _refused(rabbitmq_url(load_settings(rabbitmq_url=mine, _env_file=None, **whole)))
    assert "expired" in says.message
    plain = rabbitmq_url(load_settings(rabbitmq_url=safe.broker.url, _env_file=None, **given))
    assert "not encrypted" in _refused(plain).message


def test_any_user_password_and_virtual_host_can_be_named(safe: Secured, queue_binding: QueueBinding) -> None:
    user, password, vhost = AWKWARD
    assert _drained(safe.url(user=user, password=password, vhost=vhost), queue_binding, Bounds()) == []
    assert "vhost no/where not found" in _refused(safe.url(vhost="no/where")).message
    elsewhere = safe.url(user="nobody", password="nothing", vhost=vhost)
    assert f"access to vhost '{vhost}' refused for user 'nobody'" in _refused(elsewhere).message
    with pytest.raises(LakepostError, match="this user may not"):
        _drained(safe.url(user="nobody", password="nothing"), queue_binding, Bounds())


def _failing(safe: Secured) -> Iterator[str]:
    """A URL for each way in which connecting fails, all with a password; and one that takes other ways to fail."""
    user, password, _ = AWKWARD
    for files in (
        Files(None, safe.good.cert),
        Files(safe.ours.file, safe.other.issue("foreign")),
        Files(safe.ours.file),
        Files(safe.ours.file, (safe.good.cert[0], safe.other.issue("x")[1]) if safe.good.cert else None),
        dataclasses.replace(safe.good, name="elsewhere.test"),
    ):
        yield safe.url(files, user=user, password=password)
    yield safe.url(user="lakepost", password=password)  # another's password
    yield safe.url(user=user, password=password, vhost="nowhere")
    good = safe.url(user=user, password=password)
    yield good.replace(f":{safe.port}", f":{safe.broker.port}")
    yield good.replace("amqps", "amqp")
    yield good.replace("amqps", "http")
    yield good.replace(f":{safe.port}", ":1")  # nobody listens
    yield good.replace(f":{safe.port}", ":99999")
    yield good.replace("127.0.0.1", "")
    yield good + "&no_verify_ssl=1"


def test_no_failure_shows_a_password_or_a_key(
    safe: Secured,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In no message, repr, traceback, log (the client's at DEBUG too), nor in what the command prints."""
    urls, live = list(_failing(safe)), Live(tmp_path, safe.broker, publishing(safe.broker.url))
    password = safe.url(password=AWKWARD[1]).split(":")[2].split("@")[0]
    keys = [file.read_text().splitlines()[1] for file in safe.ours.file.parent.parent.glob("*/*.key")]
    secrets = [AWKWARD[1], password, *keys]
    assert len(keys) > 4
    told: list[str] = []
    caplog.set_level(logging.DEBUG)
    for url in urls:
        with pytest.raises((ConfigurationError, SourceUnavailable)) as caught:
            _connect(url)
        told += [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]
    good = safe.url(user=AWKWARD[0], password=AWKWARD[1])
    told += [
        repr(RabbitQueue(good, live.contract.queues[0])),
        repr(Address.of(good)),
        repr(load_settings(rabbitmq_url=good)),
    ]
    told += [record.getMessage() + str(record.exc_text) for record in caplog.records]
    told.append(_commands(live, monkeypatch, capsys, urls))
    everything = "\n".join(told)
    assert len(everything) > 10_000
    assert [secret for secret in secrets if secret in everything] == []


def _commands(
    live: Live,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    urls: list[str],
) -> str:
    """What `doctor` and `land` print for each URL, on both streams."""
    told = ""
    for url in urls:
        monkeypatch.setenv("LAKEPOST_LOG_LEVEL", "DEBUG")
        run: Callable[..., tuple[int, str, str]] = Command(
            monkeypatch, capsys, live.lake.parent, live.environment | {"LAKEPOST_RABBITMQ_URL": url}
        )
        code, out, err = run("doctor", "--json")
        assert code == 1
        assert [one for one in json.loads(out)["findings"] if one["name"] == "broker" and not one["ok"]]
        code, more, errors = run("land", "orders", "--json")
        assert code in {2, 75}
        told += out + err + more + errors
    return told

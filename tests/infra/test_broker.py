"""The private node: it is ours alone, comes back with its data, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aio_pika
import psutil
import pytest

import broker as module
from broker import Broker, BrokerError, free_port


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "a node", tied=True)
    yield broker
    broker.kill()


def test_a_node_is_private_comes_back_and_leaves_nothing(node: Broker) -> None:
    node.start()
    url = node.url
    members = _processes(node)
    assert {"epmd", "beam.smp"} <= {process.name() for process in members}
    assert _listening(members) <= {"127.0.0.1", "::1"}  # epmd takes both loopback addresses
    assert stat.S_IMODE((node.folder / "node.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((node.folder / "rabbitmq.conf").stat().st_mode) == 0o600
    asyncio.run(_publish(url, "kept"))

    node.stop()
    assert not _living(members)
    assert node.pid is None

    node.start()
    assert node.url == url
    members = _processes(node)
    node.kill()
    assert not _living(members)

    node.start()
    assert asyncio.run(_get(node.url, "kept")) == b"hello"


def test_another_process_finds_the_node_and_stops_it(node: Broker, tmp_path: Path) -> None:
    assert Broker.attach(node.folder) is None
    node.start()
    members = _processes(node)
    with pytest.raises(BrokerError, match="already runs"):
        Broker(node.folder).start()
    code = (
        "import sys, broker, pathlib\n"
        "node = broker.Broker.attach(pathlib.Path(sys.argv[1]))\n"
        "print(node.url)\n"
        "node.stop()\n"
    )
    done = _python(code, str(node.folder))
    said, _ = done.communicate(timeout=60)
    assert said.decode().strip() == node.url
    assert not _living(members)
    assert Broker.attach(node.folder) is None


def test_a_recycled_process_number_is_not_taken_for_the_node(node: Broker) -> None:
    node.folder.mkdir(parents=True)
    (node.folder / "node.json").write_text(json.dumps({"pid": os.getpid(), "started": "1"}))
    found = Broker(node.folder)
    assert found.pid is None
    found.stop()  # and this process lives on


def test_a_tied_node_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import sys, broker, pathlib\n"
        "node = broker.Broker(pathlib.Path(sys.argv[1]), tied=True)\n"
        "node.start()\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = _python(code, str(tmp_path / "node"), stdin=subprocess.PIPE)
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        node = Broker.attach(tmp_path / "node")
        assert node is not None
        members = _processes(node)
        parent.send_signal(signal.SIGKILL)
        _until(lambda: not _living(members))
    finally:
        parent.kill()
        parent.communicate()


def test_a_node_that_is_killed_takes_its_port_mapper_along(node: Broker) -> None:
    node.start()
    members = _processes(node)
    next(process for process in members if process.name() == "beam.smp").kill()
    _until(lambda: not _living(members))
    assert node.pid is None


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BrokerError, match=rf"port {port} .* is taken"):
            Broker(tmp_path, port=port, tied=True).start()


def test_a_missing_package_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SERVER", tmp_path / "rabbitmq-server")
    with pytest.raises(BrokerError, match="sudo apt-get install rabbitmq-server"):
        Broker(tmp_path).start()


def test_a_node_that_dies_during_its_start_leaves_its_last_words(node: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CONF", module._CONF + "no_such_key = 1\n")
    with pytest.raises(BrokerError, match=r"(?s)died during its start.*no_such_key"):
        node.start()
    assert node.pid is None


def test_a_port_can_be_asked_for(node: Broker) -> None:
    port = free_port()
    asked = Broker(node.folder, port=port, tied=True)
    with asked:
        assert f":{port}/" in asked.url


def _python(code: str, *arguments: str, stdin: int | None = None) -> subprocess.Popen[bytes]:
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": str(Path(module.__file__).parent)},
        stdin=stdin,
        stdout=subprocess.PIPE,
    )
    return process


def _processes(node: Broker) -> list[psutil.Process]:
    """Everything that the node started, by parentage: sessions may differ."""
    assert node.pid is not None
    leader = psutil.Process(node.pid)
    return [leader, *leader.children(recursive=True)]


def _living(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def _listening(processes: list[psutil.Process]) -> set[str]:
    return {
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def _publish(url: str, queue: str) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(queue, durable=True)
        message = aio_pika.Message(b"hello", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue)


async def _get(url: str, queue: str) -> bytes:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        return (await (await channel.get_queue(queue)).get(no_ack=True)).body

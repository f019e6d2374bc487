"""A private RabbitMQ node: Debian's package, run without root from a folder of its own.

One session holds the node, its own port mapper (epmd) and nothing else: ending the session ends all of it,
and a node that dies by itself takes the port mapper along.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pamqp import commands, frame, header

from sessions import end_session, kill_session, started

__all__ = ["Broker", "BrokerError", "free_port", "is_free"]

_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_CTL = _SERVER.with_name("rabbitmqctl")

_ENVELOPE = 8  # bytes of a frame around its payload: type, channel, length, end

# The leader of the session. It ignores nothing and handles SIGTERM by waiting for the node, which stops in
# order; then it kills the session's rest. `tied`: standard input is a pipe from the process that
# started us, and its end is our end, however that process died.
_LEADER = """
trap : TERM
exec 3<&0 </dev/null
if [ "$LAKEPOST_TIED" = 1 ]; then { trap '' TERM; read -r _ <&3; kill -KILL 0; } & fi
exec 3<&-
(trap '' TERM; epmd -address 127.0.0.1 -port "$ERL_EPMD_PORT"; kill -KILL 0) &
"$LAKEPOST_SERVER"
kill -KILL 0
"""

_CONF = """\
listeners.tcp.1 = 127.0.0.1:{port}
default_user = {user}
default_pass = {password}
log.console = false
log.file.level = info
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
raft.wal_max_size_bytes = 33554432
"""


class BrokerError(Exception):
    """The node cannot be started; the message says why and what to do."""


_PORTS = range(20_000, 32_000)  # below those that the system gives to whoever connects
_next_ports = itertools.count(secrets.randbelow(len(_PORTS)))


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nobody listens right now, another one at each call.

    A node takes seconds until it listens: a port of the system's own range may be somebody's connection by then.
    """
    return next(port for port in (_PORTS[number % len(_PORTS)] for number in _next_ports) if is_free(port))


class Broker:
    """A node whose data, configuration, logs, cookie and password live in `folder`; listens on 127.0.0.1 only.

    It can be started again on the same folder, with the same credentials and, if it is still free, the
    same port. `port` asks for one. A `tied` node dies with the process that made it, even by SIGKILL;
    any other goes on until `stop()`, in this process or, by way of `attach`, in another. `config` is added to
    its `rabbitmq.conf`, `plugins` are enabled.
    """

    def __init__(
        self, folder: Path, *, port: int | None = None, tied: bool = False, config: str = "",
        plugins: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.folder = folder.resolve()
        self._config, self._plugins = config, tuple(plugins)
        self._asked, self._tied = port, tied
        self._leader: subprocess.Popen[bytes] | None = None
        self._tie: int | None = None
        self._state: dict[str, Any] = {}
        with contextlib.suppress(FileNotFoundError):
            self._state = json.loads(self._file.read_text())
        self._state.setdefault("user", "lakepost")
        self._state.setdefault("password", secrets.token_hex(16))

    @classmethod
    def attach(cls, folder: Path) -> Broker | None:
        """The node that runs on `folder`, whoever started it; null if none does."""
        broker = cls(folder)
        return broker if broker.pid is not None else None

    @property
    def _file(self) -> Path:
        return self.folder / "node.json"

    @property
    def url(self) -> str:
        """`amqp://USER:PASSWORD@127.0.0.1:PORT/`."""
        return "amqp://{user}:{password}@127.0.0.1:{port}/".format(**self._state)

    @property
    def password(self) -> str:
        """That of the user in `url`."""
        return str(self._state["password"])

    @property
    def port(self) -> int:
        """The AMQP port."""
        return int(self._state["port"])

    @property
    def pid(self) -> int | None:
        """The leader of the node's session; null while it does not run. Never another program with that number."""
        pid = self._state.get("pid")
        return pid if pid is not None and started(pid) == self._state.get("started") else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, timeout: float = 60) -> None:
        """Start the node and return once an AMQP connection could be opened, within `timeout` seconds.

        Raises:
            BrokerError: the package is missing, the port is taken, a node already runs on the folder,
                or the node died or did not get ready (with the last lines it wrote).
        """
        if not _SERVER.exists():
            raise BrokerError(f"{_SERVER} is missing: sudo apt-get install rabbitmq-server")
        if self.pid is not None:
            raise BrokerError(f"a node already runs on {self.folder} (process {self.pid}): stop it first")
        self._configure()
        read_end, self._tie = os.pipe() if self._tied else (None, None)
        try:
            with (self.folder / "boot.log").open("wb") as log:
                self._leader = subprocess.Popen(
                    ["/bin/sh", "-c", _LEADER],
                    stdin=subprocess.DEVNULL if read_end is None else read_end,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    cwd=self.folder,
                    env=self._environment(),
                )
        finally:
            if read_end is not None:
                os.close(read_end)
        self._keep(pid=self._leader.pid, started=started(self._leader.pid))
        try:
            self._wait(timeout)
        except BaseException:
            self.kill()
            raise

    def stop(self, timeout: float = 20) -> None:
        """End the node in order, by force after `timeout` seconds. Afterwards none of its processes is left."""
        if self.pid is not None:
            end_session(self.pid, self._state["started"], patience=timeout)
        self.kill()

    def kill(self) -> None:
        """End the node at once, as a power cut would: SIGKILL to all of its session."""
        pid = self._state.get("pid")
        if pid is not None and (self.pid is not None or self._leader is not None):
            kill_session(pid, self._state["started"])
        if self._leader is not None:
            self._leader.wait()
            self._leader = None
        if self._tie is not None:
            os.close(self._tie)
            self._tie = None
        if self._state.get("pid") is not None:
            self._keep(pid=None, started=None)

    def ctl(self, *arguments: str, timeout: float = 60) -> str:
        """What `rabbitmqctl ARGUMENTS` says to this running node; takes a second or two.

        Raises:
            BrokerError: it refused; the message ends with what it said.
        """
        done = subprocess.run(
            [str(_CTL), "--quiet", *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise BrokerError(f"rabbitmqctl {arguments[0]} failed: {done.stderr or done.stdout}")
        return done.stdout

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        port = self._asked or self._state.get("port") or free_port()
        if not is_free(port):
            if self._asked:
                raise BrokerError(f"port {port} of 127.0.0.1 is taken: choose another, or end what listens there")
            port = free_port()
        self._keep(port=port, epmd=free_port(), dist=free_port())
        _private(self.folder / "rabbitmq.conf", _CONF.format(**self._state) + self._config)
        (self.folder / "enabled_plugins").write_text(f"[{','.join(self._plugins)}].\n")

    def _environment(self) -> dict[str, str]:
        """All that the node sees; nothing is inherited, so that a system broker's settings cannot leak in."""
        folder = self.folder
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(folder),  # the Erlang cookie
            "LANG": "C.UTF-8",
            "LAKEPOST_TIED": "1" if self._tied else "0",
            "LAKEPOST_SERVER": str(_SERVER),
            "ERL_EPMD_PORT": str(self._state["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP_BYTES": "0",
            "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the node instead of waiting for it
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_NODENAME": "lakepost@localhost",
            "RABBITMQ_DIST_PORT": str(self._state["dist"]),
            "RABBITMQ_MAX_NUMBER_OF_PROCESSES": "65536",
            "RABBITMQ_MAX_NUMBER_OF_ATOMS": "1048576",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -noinput"
            " -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _wait(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not _opens(self._state):
            assert self._leader is not None
            if self._leader.poll() is not None:
                raise BrokerError(f"the node died during its start; its last words:\n{self._last_words()}")
            if time.monotonic() > deadline:
                raise BrokerError(f"the node was not ready after {timeout:g} s; its last words:\n{self._last_words()}")
            time.sleep(0.05)

    def _last_words(self, lines: int = 15) -> str:
        """The end of what it wrote, without Erlang's crash reports: the reason stands before those."""
        logs = [self.folder / "boot.log", *sorted((self.folder / "log").glob("*.log"))]
        text = "\n".join(log.read_text(errors="replace") for log in logs if log.exists())
        told = re.split(r"^.*> +(?:supervisor|crasher):", text, maxsplit=1, flags=re.MULTILINE)[0]
        telling = [line for line in told.splitlines() if line.rpartition(">")[2].strip()]
        return "\n".join(telling[-lines:])

    def _keep(self, **changes: int | str | None) -> None:
        self._state.update(changes)
        _private(self._file, json.dumps(self._state))


def _private(file: Path, text: str) -> None:
    """Put `text` there in one step, readable by its owner only."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    new.replace(file)


def is_free(port: int) -> bool:
    """Whether nobody listens on that TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger are not listeners
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _opens(state: dict[str, Any]) -> bool:
    """Whether an AMQP connection can be opened right now: the whole handshake, not the port alone."""
    sasl = f"\0{state['user']}\0{state['password']}"
    answers: list[commands.Connection.StartOk | commands.Connection.TuneOk | commands.Connection.Open] = [
        commands.Connection.StartOk(mechanism="PLAIN", response=sasl, locale="en_US"),
        commands.Connection.TuneOk(channel_max=2047, frame_max=131_072, heartbeat=0),
        commands.Connection.Open(virtual_host="/"),
    ]
    try:
        with socket.create_connection(("127.0.0.1", state["port"]), timeout=10) as wire:
            wire.sendall(header.ProtocolHeader().marshal())
            received = b""
            while chunk := wire.recv(65_536):
                received += chunk
                while (frame_end := _whole(received)) is not None:
                    _, _, said = frame.unmarshal(received[:frame_end])
                    received = received[frame_end:]
                    if isinstance(said, commands.Connection.OpenOk):
                        wire.sendall(frame.marshal(commands.Connection.Close(200, "", 0, 0), 0))
                        return True
                    if isinstance(said, commands.Connection.Start):
                        wire.sendall(frame.marshal(answers[0], 0))
                    elif isinstance(said, commands.Connection.Tune):
                        wire.sendall(frame.marshal(answers[1], 0) + frame.marshal(answers[2], 0))
    except OSError:
        pass
    return False


def _whole(received: bytes) -> int | None:
    """The length of the first frame, once all of it is here."""
    if len(received) < _ENVELOPE:
        return None
    length = int.from_bytes(received[3:7], "big") + _ENVELOPE
    return length if len(received) >= length else None

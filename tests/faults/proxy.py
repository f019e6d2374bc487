"""A network that fails as it is told to: a TCP proxy before the broker, one `Fault` for each connection."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Fault", "How", "Proxy", "Side"]

_CHUNK = 65_536
_FRAME = struct.Struct(">BHI")
_ENVELOPE = _FRAME.size + 1
_GREETING = 8  # bytes that a client says before its first frame
_HEARTBEAT = 8


class Side(StrEnum):
    """Who sends."""

    CLIENT = "client"
    BROKER = "broker"


class How(StrEnum):
    """What becomes of the connection: `close` and `reset` end it, `freeze` forwards nothing more and tells nobody."""

    CLOSE = "close"
    RESET = "reset"
    FREEZE = "freeze"
    NO_HEARTBEATS = "no heartbeats"  # of that side; all else goes on


@dataclass(frozen=True, slots=True)
class Fault:
    """It comes when `side` has sent `after` bytes, be that in the middle of a frame."""

    how: How
    side: Side
    after: int = 0


class Proxy:
    """Listens on a free port of 127.0.0.1 for the broker at `upstream`; `fault` is that of the connections that come.

    Nothing of it is left when the `with` ends, frozen connections included.
    """

    def __init__(self, upstream: int, fault: Fault | None = None) -> None:
        self.fault = fault
        self._upstream = upstream
        self._over = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def url(self, url: str) -> str:
        """The broker's URL, by way of this proxy."""
        parts = urlsplit(url)
        return url.replace(f":{parts.port}", f":{self.port}", 1)

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)

    def _run(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                try:
                    broker = socket.create_connection(("127.0.0.1", self._upstream), timeout=20)
                except OSError:  # the broker is away: so are we
                    client.close()
                    continue
                broker.settimeout(None)
                self._sockets += [client, broker]
                frozen = threading.Event()
                self._run(self._pump, client, broker, Side.CLIENT, self.fault, frozen)
                self._run(self._pump, broker, client, Side.BROKER, self.fault, frozen)

    def _pump(
        self, source: socket.socket, target: socket.socket, side: Side, fault: Fault | None, frozen: threading.Event
    ) -> None:
        """Forward what `side` says until it ends, or its fault comes."""
        mine = fault if fault is not None and fault.side is side else None
        sent = 0
        with contextlib.suppress(OSError):
            for data in _chunks(source, side, deaf=mine is not None and mine.how is How.NO_HEARTBEATS):
                left = mine.after - sent if mine is not None and mine.how is not How.NO_HEARTBEATS else None
                if left is None or len(data) < left:
                    if frozen.is_set():
                        self._over.wait()
                        return
                    target.sendall(data)
                    sent += len(data)
                    continue
                target.sendall(data[:left])
                if mine is not None and mine.how is How.FREEZE:
                    frozen.set()
                    self._over.wait()
                    return
                _end(source, target, reset=mine is not None and mine.how is How.RESET)
                return
            _end(source, target, reset=False)


def _chunks(source: socket.socket, side: Side, *, deaf: bool) -> Iterator[bytes]:
    """What arrives, as it arrives; `deaf` ones in whole frames, without the heartbeats."""
    while not deaf and (data := source.recv(_CHUNK)):
        yield data
    rest = b""
    while len(rest) < _GREETING and side is Side.CLIENT and (data := source.recv(_CHUNK)):
        rest += data
    if side is Side.CLIENT and rest:
        yield rest[:_GREETING]
        rest = rest[_GREETING:]
    while data := source.recv(_CHUNK):
        rest += data
        at = 0
        while len(rest) - at >= _ENVELOPE:
            kind, _, size = _FRAME.unpack_from(rest, at)
            if len(rest) - at < size + _ENVELOPE:
                break
            if kind != _HEARTBEAT:
                yield rest[at : at + size + _ENVELOPE]
            at += size + _ENVELOPE
        rest = rest[at:]


def _end(*sockets: socket.socket, reset: bool) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            if reset:  # an RST instead of a FIN; what is on its way is thrown away
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.shutdown(socket.SHUT_RD)  # wakes the thread that reads here, which would keep the socket open
                one.close()
            else:
                one.shutdown(socket.SHUT_RDWR)

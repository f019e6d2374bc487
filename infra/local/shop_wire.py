"""A blocking AMQP 0.9.1 publisher connection, just wide enough to publish with confirms.

aio-pika publishes 4,300 messages a second with confirms, at 230 µs of processor time each; this takes
a tenth of that, which the demo's two cores need for Airflow. Methods are pamqp's, content frames are packed here.
"""

from __future__ import annotations

import socket
import struct
import urllib.parse
from collections.abc import Iterator
from types import TracebackType
from typing import Self, TypeVar

import pamqp.frame
from pamqp import commands
from pamqp.base import Frame
from pamqp.common import FieldTable

from shop import Sent
from shop_content import content

__all__ = ["PublishFailed", "Wire"]

_TIMEOUT = 60.0  # seconds without a byte from the broker
_CHANNEL = 1
_HEAD = struct.Struct(">BHI")
_CONFIRM = struct.Struct(">HHQB")
_ACK, _NACK = (60, 80), (60, 120)

F = TypeVar("F", bound=Frame)


class PublishFailed(Exception):
    """The broker is away, or refused, returned or did not confirm a message."""


class Wire:
    """One connection and channel in confirm mode. Delivery tags count from 1 in sending order.

    Raises `PublishFailed` from every method; afterwards the connection is of no use.
    """

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._host, self._port = parts.hostname or "localhost", parts.port or 5672
        self._user, self._password = (
            urllib.parse.unquote(parts.username or ""),
            urllib.parse.unquote(parts.password or ""),
        )
        self._vhost = urllib.parse.unquote(parts.path[1:]) or "/"
        self._frame_max = 131_072
        self._received = bytearray()
        self._tag = 0
        self._outstanding: dict[int, None] = {}  # tags in sending order

    def __enter__(self) -> Self:
        try:
            self._socket = socket.create_connection((self._host, self._port), timeout=_TIMEOUT)
        except OSError as error:
            raise PublishFailed(f"no broker at {self._host}:{self._port}: {error}") from error
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._call(0, commands.Connection.Close(200, "done", 0, 0), commands.Connection.CloseOk)
        finally:
            self._socket.close()

    @property
    def unconfirmed(self) -> int:
        """The lowest delivery tag that is not confirmed yet; one past the last sent when all are."""
        return next(iter(self._outstanding), self._tag + 1)

    def send(self, exchange: str, messages: tuple[Sent, ...]) -> int:
        """Send messages, mandatory and persistent, without waiting; returns the last one's delivery tag."""
        self._write(b"".join(content(sent, exchange, _CHANNEL, self._frame_max) for sent in messages))
        first, self._tag = self._tag + 1, self._tag + len(messages)
        self._outstanding.update(dict.fromkeys(range(first, self._tag + 1)))
        return self._tag

    def confirm(self, tag: int) -> None:
        """Wait until every message up to `tag` is confirmed."""
        while self.unconfirmed <= tag:
            self._read()
            for channel, payload in self._frames():
                self._confirmed(channel, payload)

    def _confirmed(self, channel: int, payload: bytes) -> None:
        if len(payload) != _CONFIRM.size or (method := struct.unpack_from(">HH", payload)) not in {_ACK, _NACK}:
            raise self._unexpected(_method(channel, payload))
        if method == _NACK:
            raise PublishFailed("the broker could not keep a message (nack)")
        _, _, tag, multiple = _CONFIRM.unpack(payload)
        if not multiple:
            self._outstanding.pop(tag, None)
            return
        while self._outstanding and (lowest := next(iter(self._outstanding))) <= tag:
            del self._outstanding[lowest]

    def _open(self) -> None:
        self._write(b"AMQP\x00\x00\x09\x01")
        self._expect(commands.Connection.Start)
        answer = f"\0{self._user}\0{self._password}"
        capabilities: FieldTable = {"publisher_confirms": True, "authentication_failure_close": True}
        properties: FieldTable = {"product": "lakepost shop", "capabilities": capabilities}
        start = commands.Connection.StartOk(properties, "PLAIN", answer, "en_US")
        tune = self._call(0, start, commands.Connection.Tune)
        self._frame_max = min(tune.frame_max or self._frame_max, self._frame_max)
        tuned, opened = commands.Connection.TuneOk(1, self._frame_max, 0), commands.Connection.Open(self._vhost)
        self._write(pamqp.frame.marshal(tuned, 0) + pamqp.frame.marshal(opened, 0))
        self._expect(commands.Connection.OpenOk)
        self._call(_CHANNEL, commands.Channel.Open(), commands.Channel.OpenOk)
        self._call(_CHANNEL, commands.Confirm.Select(), commands.Confirm.SelectOk)

    def _call(self, channel: int, request: Frame, answer: type[F]) -> F:
        self._write(pamqp.frame.marshal(request, channel))
        return self._expect(answer)

    def _expect(self, kind: type[F]) -> F:
        while True:
            for channel, payload in self._frames():
                frame = _method(channel, payload)
                if not isinstance(frame, kind):
                    raise self._unexpected(frame)
                return frame
            self._read()

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        """Whole frames that have arrived, taken off the buffer one by one: channel and payload."""
        while len(self._received) >= _HEAD.size:
            _, channel, size = _HEAD.unpack_from(self._received)
            end = _HEAD.size + size + 1
            if len(self._received) < end:
                return
            payload = bytes(self._received[_HEAD.size : end - 1])
            del self._received[:end]
            yield channel, payload

    def _read(self) -> None:
        try:
            data = self._socket.recv(65_536)
        except OSError as error:
            raise PublishFailed(f"no answer from the broker: {error}") from error
        if not data:
            raise PublishFailed("the broker closed the connection")
        self._received += data

    def _write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise PublishFailed(f"the broker takes no more bytes: {error}") from error

    @staticmethod
    def _unexpected(frame: Frame) -> PublishFailed:
        if isinstance(frame, commands.Basic.Return):
            return PublishFailed(f"no queue takes routing key {frame.routing_key!r} from {frame.exchange!r}")
        said = getattr(frame, "reply_text", "")
        return PublishFailed(f"the broker answered {frame.name} {said}".rstrip())


def _method(channel: int, payload: bytes) -> Frame:
    """A method frame's payload as pamqp's object."""
    _, _, frame = pamqp.frame.unmarshal(_HEAD.pack(1, channel, len(payload)) + payload + b"\xce")
    if not isinstance(frame, Frame):
        raise PublishFailed(f"the broker sent {frame!r}")
    return frame

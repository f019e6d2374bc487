"""Publishing what no client library would: properties as raw bytes, over a bare socket."""

from __future__ import annotations

import socket
import struct
from urllib.parse import urlsplit

import pamqp.frame
from pamqp import commands
from pamqp.base import Frame
from pamqp.header import ProtocolHeader


def short(text: bytes) -> bytes:
    """A short string."""
    return bytes([len(text)]) + text


def long(content: bytes) -> bytes:
    """A long string, or the frame around a table or an array."""
    return struct.pack(">I", len(content)) + content


class RawPublisher:
    """One connection and channel in confirm mode; `publish` takes flags and properties as bytes."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._wire = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=20)
        self._wire.sendall(ProtocolHeader().marshal())
        self._said("Connection.Start")
        sasl = f"\0{parts.username}\0{parts.password}"
        self._say(0, commands.Connection.StartOk(mechanism="PLAIN", response=sasl, locale="en_US"))
        self._said("Connection.Tune")
        self._say(0, commands.Connection.TuneOk(channel_max=10, frame_max=131_072, heartbeat=0))
        self._say(0, commands.Connection.Open(virtual_host="/"))
        self._said("Connection.OpenOk")
        self._say(1, commands.Channel.Open())
        self._said("Channel.OpenOk")
        self._say(1, commands.Confirm.Select())
        self._said("Confirm.SelectOk")

    def close(self) -> None:
        """Close the socket."""
        self._wire.close()

    def publish(self, exchange: bytes, routing_key: bytes, flags: int, properties: bytes, body: bytes) -> None:
        """Publish one message and wait until the broker has confirmed it."""
        method = struct.pack(">HHH", 60, 40, 0) + short(exchange) + short(routing_key) + b"\0"
        header = struct.pack(">HHQH", 60, 0, len(body), flags) + properties
        frames = [(1, method), (2, header)] + ([(3, body)] if body else [])
        self._wire.sendall(b"".join(struct.pack(">BHI", kind, 1, len(p)) + p + b"\xce" for kind, p in frames))
        self._said("Basic.Ack")

    def _say(self, channel: int, what: Frame) -> None:
        self._wire.sendall(pamqp.frame.marshal(what, channel))

    def _said(self, name: str) -> None:
        kind, channel, size = struct.unpack(">BHI", self._exactly(7))
        _, _, what = pamqp.frame.unmarshal(struct.pack(">BHI", kind, channel, size) + self._exactly(size + 1))
        assert what.name == name, what

    def _exactly(self, size: int) -> bytes:
        received = b""
        while len(received) < size:
            chunk = self._wire.recv(size - len(received))
            assert chunk, "the broker closed the connection"
            received += chunk
        return received

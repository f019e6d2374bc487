"""Deliveries straight from the socket, everything else to aio-pika and its engine aiormq.

aiormq spends three awaited reads, two queue hops and a task on each message (20,000 a second) and has no way to
stop reading. So the transport that it is given keeps the content frames of the consuming channel for itself, as they
stand in the buffer that the socket is read into: a fiftieth of the cost, a hard bound on what is held (reading
pauses), and no message can break the client, since `content` decodes anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from array import array
from collections import deque
from collections.abc import Callable
from typing import Any

from aiormq.connection import TransportFactory
from yarl import URL

from ingest.sources.chunk import Chunk, canonical, scan, waits

__all__ = ["Inbox", "Transport"]

_FRAME = struct.Struct(">BHI")  # kind, channel, size of the payload
_ENVELOPE = _FRAME.size + 1  # bytes around a payload
_METHOD, _HEADER, _BODY, _END = 1, 2, 3, 0xCE
_DELIVER, _QOS_OK, _CLOSE = (struct.pack(">HH", *method) for method in ((60, 60), (60, 11), (10, 50)))
_HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"
_TLS_ALERT = b"\x15\x03"
_PULSE = 5.0  # seconds between the heartbeats that stand for swallowed frames
_BUFFER = 1 << 20  # bytes
_LEAST = 1 << 16  # bytes that a read should have room for


class _Buffer:
    """Bytes that are filled from the front. Chunks refer to them, so it never grows: a new one takes its place."""

    def __init__(self, size: int, begun: bytes = b"") -> None:
        self.data = bytearray(size)
        self.data[: len(begun)] = begun
        self.end = len(begun)

    def room(self, size: int) -> bool:
        """Whether `size` more bytes find room."""
        return len(self.data) - self.end >= size


class Inbox(asyncio.StreamReader):
    """The connection's reader. Deliveries of `channel` collect in `received`; other frames go on to aiormq.

    `tag` is the last one received: the broker counts from 1 on. `woken` is called when something was received or the
    connection ended. Reading pauses while more than `room` bytes are held: `held` counts what was received here and not
    yet `release`d.
    """

    def __init__(self, woken: Callable[[], None]) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self.received: deque[Chunk] = deque()
        self.tag = 0
        self.held = 0
        self.ended = False
        self.farewell = ""  # why the broker closed the connection, in its words
        self._woken = woken
        self._most: float = float("inf")
        self._channel = 0
        self._queue = ""
        self._filling, self._at = _Buffer(_BUFFER), 0  # where the first byte that was not looked at stands
        self._aside = _Buffer(0)  # for messages of other frames than `scan` knows
        self._method = self._header = b""
        self._bodies: list[bytes] = []
        self._missing = 0
        self._pipe: asyncio.Transport | None = None
        self._is_paused = self._is_discarding = False
        self._last_pulse = 0.0

    def connect(self, pipe: asyncio.Transport) -> None:
        """Take the transport whose reading is paused and resumed."""
        self._pipe = pipe

    def collect(self, channel: int, queue: str) -> None:
        """From now on deliveries on `channel` are ours; they come from `queue`."""
        self._channel, self._queue = channel, queue

    def limit(self, room: float) -> None:
        """Hold about `room` bytes at most: what one read of the socket brings may come on top."""
        self._most = room
        self._throttle()

    def release(self, size: int) -> None:
        """`size` bytes of what was received are no longer held."""
        self.held -= size
        self._throttle()

    def discard(self) -> None:
        """Keep nothing from now on, so that what is under way to us does not stand before a farewell."""
        self._is_discarding = True
        self.received.clear()
        self.held = 0
        self._throttle()

    def room(self) -> memoryview:
        """Where the next bytes of the socket belong; `filled` tells how many came."""
        buffer = self._filling
        if not buffer.room(_LEAST):
            rest = bytes(buffer.data[self._at : buffer.end])
            self._filling, self._at = buffer, _ = _Buffer(max(_BUFFER, 4 * len(rest)), rest), 0
        return memoryview(buffer.data)[buffer.end :]

    def filled(self, size: int) -> None:
        """Take messages and other frames out of what came."""
        self._filling.end += size
        others, before = bytearray(), self.tag
        at = self._split(self._filling.data, self._at, self._filling.end, others)
        came, self._at = at > self._at, at
        if others:
            self.feed_data(others)
        elif came:
            self._pulse()
        if self.tag > before:
            self._throttle()
            self._woken()

    def feed_eof(self) -> None:
        """The broker closed the connection."""
        super().feed_eof()
        self.ended = True
        self._woken()

    def set_exception(self, exc: Exception) -> None:
        """The connection broke."""
        super().set_exception(exc)
        self.ended = True
        self._woken()

    @property
    def was_told_by_tls(self) -> bool:
        """Whether what the broker said last is the alert of a TLS port that was not spoken TLS to."""
        return self._filling.data.startswith(_TLS_ALERT, self._at, self._filling.end)

    def _split(self, data: bytearray, at: int, end: int, others: bytearray) -> int:
        """Take what stands whole from `at` on, frames that are not ours into `others`; returns where it ends."""
        while True:
            if not self._method:
                at = self._scanned(data, at, end)
                if waits(data, at, end, self._channel):
                    return at
            if end - at < _ENVELOPE:
                return at
            kind, channel, length = _FRAME.unpack_from(data, at)
            stop = at + _ENVELOPE + length
            if stop > end:
                return at
            ours = channel == self._channel and channel and data[stop - 1] == _END
            if not (ours and self._took(kind, bytes(data[at + 7 : stop - 1]))):
                others += data[at:stop]
                if channel == 0 and data.startswith(_CLOSE, at + 7):  # code, then a short string
                    self.farewell = data[at + 14 : at + 14 + data[at + 13]].decode("utf-8", "backslashreplace")
            at = stop

    def _scanned(self, data: bytearray, at: int, end: int) -> int:
        """Take the messages from `at` on that stand there whole, in three frames each; returns where they end."""
        starts = array("q")
        stop = scan(data, at, end, self._channel, starts)
        if starts:
            self._keep(Chunk(data, starts, stop, self._queue))
        return stop

    def _took(self, kind: int, payload: bytes) -> bool:
        """Whether the frame belongs to a delivery. They follow one another: method, header, bodies."""
        if kind == _BODY:
            self._bodies.append(payload)
            self._missing -= len(payload)
        elif kind == _HEADER:
            self._header = payload
            self._missing = int.from_bytes(payload[4:12], "big")
        elif kind == _METHOD and payload.startswith(_DELIVER):
            self._method = payload
            return True
        else:
            return kind == _METHOD and payload == _QOS_OK
        if self._missing <= 0 and self._method:
            self._set_aside(canonical(self._method, self._header, b"".join(self._bodies)))
            self._method = b""
            self._bodies.clear()
        elif self._is_discarding:
            self._bodies.clear()
        return True

    def _set_aside(self, message: bytes) -> None:
        if not self._aside.room(len(message)):
            self._aside = _Buffer(max(_BUFFER, len(message)))
        start = self._aside.end
        self._aside.end += len(message)
        self._aside.data[start : self._aside.end] = message
        self._keep(Chunk(self._aside.data, array("q", [start]), self._aside.end, self._queue))

    def _keep(self, chunk: Chunk) -> None:
        self.tag += len(chunk)
        if chunk.last_tag != self.tag:  # what is acknowledged would not be what was kept
            self.set_exception(ConnectionError(f"delivery {self.tag} came as number {chunk.last_tag}"))
        if not self._is_discarding:
            self.held += chunk.size
            if not (self.received and self.received[-1].joined(chunk)):
                self.received.append(chunk)

    def _throttle(self) -> None:
        full = self.held >= self._most and not self._is_discarding
        if full == self._is_paused or self._pipe is None or self._pipe.is_closing():
            return
        self._is_paused = full
        if full:
            self._pipe.pause_reading()
            self._pulse_while_paused()
        else:
            self._pipe.resume_reading()

    def _pulse(self) -> None:
        """Let aiormq see a frame: without any for three heartbeats it takes the connection for dead.

        The broker sends no heartbeats while it sends deliveries, and those aiormq does not see.
        """
        now = asyncio.get_running_loop().time()
        if now - self._last_pulse > _PULSE:
            self._last_pulse = now
            super().feed_data(_HEARTBEAT)

    def _pulse_while_paused(self) -> None:
        if self._is_paused and self._pipe is not None and not self._pipe.is_closing():
            self._pulse()
            asyncio.get_running_loop().call_later(_PULSE * 1.1, self._pulse_while_paused)


class _Protocol(asyncio.StreamReaderProtocol, asyncio.BufferedProtocol):
    """Has the socket read into the inbox's own buffer."""

    def __init__(self, inbox: Inbox, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(inbox, loop=loop)
        self._inbox = inbox

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's
        """Where to read into."""
        return self._inbox.room()

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        self._inbox.filled(nbytes)


class Transport(TransportFactory):
    """Opens the socket for aiormq, with an `Inbox` as its reader.

    With TLS the certificate must be of `server_name`, or else of the URL's host. `objection_seconds` are left to the
    broker to object to ours before anything is said: it does so after the handshake (TLS 1.3), and hangs up.
    """

    def __init__(self, woken: Callable[[], None], server_name: str = "", objection_seconds: float = 0.0) -> None:
        self._woken, self._server_name, self._objection_seconds = woken, server_name, objection_seconds
        self._writer: asyncio.StreamWriter | None = None
        self.inbox = Inbox(woken)

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the URL's host and port; TLS for `amqps`. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        tls = await kwargs["ssl_context_provider"].get_context() if url.scheme == "amqps" else None
        protocol = _Protocol(self.inbox, loop)
        name = (self._server_name or url.host) if tls else None
        pipe, _ = await loop.create_connection(
            lambda: protocol, url.host or "", url.port or 0, ssl=tls, server_hostname=name
        )
        self.inbox.connect(pipe)
        self._writer = asyncio.StreamWriter(pipe, protocol, self.inbox, loop)
        if tls and self._objection_seconds:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._objection_seconds):
                    await self.inbox.read(1)
        return self.inbox, self._writer

    def abort(self) -> None:
        """Drop the connection without a farewell; the broker gives everything unacknowledged again."""
        if self._writer is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._writer.transport.abort()

"""The emulator on a socket: HTTP in, an answer out, and the faults that were asked for in between."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Final

from aiohttp import web

from cosmos.auth import authorize
from cosmos.control import Control
from cosmos.errors import Refused, bad_request
from cosmos.faults import Fault, Faults
from cosmos.service import Service
from cosmos.wire import Call, Reply, call_of, refusal

__all__ = ["serving"]

_LOG = logging.getLogger(__name__)

_HEADERS: Final = {
    "server": "Microsoft-HTTPAPI/2.0",
    "x-ms-gatewayversion": "version=2.14.0",
    "x-ms-serviceversion": "version=2.14.0.0",
    "x-ms-schemaversion": "1.18",
}
_LINE_LIMIT: Final = 256 * 1024  # bytes of a path or header: ids, keys and session tokens are long
_BODY_LIMIT: Final = 16 * 1024 * 1024  # bytes of any request; what the service limits more, it says so itself


class Server:
    """Answers of one service."""

    def __init__(self, service: Service) -> None:
        self._service, self._faults = service, Faults()
        self._control = Control(service, self._faults)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > _BODY_LIMIT:
                return web.Response(status=413)
        headers = {name.lower(): value for name, value in request.headers.items()}
        base = f"{request.scheme}://{headers.get('host', request.host)}"
        call = call_of(request.method, request.raw_path, headers, bytes(body), base)
        if call.path[:1] == ("_emulator",):
            return _response(self._guarded(self._control.answer, call), call)
        fault = None
        try:
            authorize(self._service.store.key, call.verb, call.path, call.headers)
            fault = self._faults.take(call.kind, call.path[3] if len(call.path) > 3 else None)  # noqa: PLR2004
            reply = await self._befallen(call, fault)
        except Refused as refused:
            reply = refusal(refused, call.activity)
        except Exception:  # noqa: BLE001 - as the service would: told, and the next request is served
            _LOG.exception("%s %s", call.verb, "/".join(call.path))
            reply = refusal(Refused(500, "The emulator failed, and says why on standard error."), call.activity)
        self._control.usage.add(call.kind, reply)
        if fault is not None and fault.cut is not None:
            return await _cut(request, fault, _response(reply, call))
        return _response(reply, call)

    async def _befallen(self, call: Call, fault: Fault | None) -> Reply:
        if fault is not None:
            if fault.delay:
                await asyncio.sleep(fault.delay)
            if refused := fault.refusal():
                raise refused
            if fault.cut == "before":
                return Reply(500)
        return self._service.answer(call)

    def _guarded(self, answer: Callable[[Call], Reply], call: Call) -> Reply:
        try:
            return answer(call)
        except Refused as refused:
            return refusal(refused, call.activity)
        except (TypeError, ValueError) as error:
            return refusal(bad_request(f"{'/'.join(call.path)}: {error}"), call.activity)


async def _cut(request: web.BaseRequest, fault: Fault, response: web.Response) -> web.StreamResponse:
    """End the connection: without an answer, or in the middle of its body."""
    if fault.cut == "middle" and isinstance(response.body, bytes) and response.body:
        half = web.StreamResponse(status=response.status, headers=response.headers)
        half.content_length = len(response.body)
        await half.prepare(request)
        await half.write(response.body[: len(response.body) // 2])
    if request.transport is not None:
        request.transport.abort()
    return response


def _response(reply: Reply, call: Call) -> web.Response:
    headers = {
        **_HEADERS,
        "x-ms-activity-id": call.activity,
        "x-ms-request-charge": f"{reply.charge:.2f}",
        "date": formatdate(usegmt=True),
        **reply.headers,
    }
    if reply.body:
        headers["content-type"] = "application/json"
    return web.Response(status=reply.status, body=reply.body or None, headers=headers)


@asynccontextmanager
async def serving(service: Service, host: str, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Answer on `host`; the port that was taken (`port`, or a free one for 0) is the value."""
    # Whom a fault makes wait is not waited for.
    server = web.Server(Server(service).handle, access_log=None, max_line_size=_LINE_LIMIT, max_field_size=_LINE_LIMIT)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()

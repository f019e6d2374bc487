"""`python -m cosmos --data DIR --port N`: a local Cosmos DB account, until it is interrupted."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
import sys
from pathlib import Path

from cosmos.server import serving
from cosmos.service import Service
from cosmos.store import Store

_WEEK = 7 * 24 * 3600


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cosmos", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the account; made when missing")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1: the admin endpoint asks for no key")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--ranges", type=int, default=1, help="partition key ranges of a new container; default 1")
    parser.add_argument(
        "--retention",
        type=int,
        default=_WEEK,
        metavar="SECONDS",
        help="of all versions and deletes; default 7 days; 0: no continuous backup",
    )
    parser.add_argument("--tls-cert", type=Path, help="PEM file: serve https")
    parser.add_argument("--tls-key", type=Path, help="PEM file of the certificate's key")
    parser.add_argument("--tied", action="store_true", help="end when standard input does")
    parser.add_argument("--json", action="store_true", help="say endpoint and key as one line of JSON")
    return parser.parse_args()


async def _main(arguments: argparse.Namespace) -> None:
    store = Store(arguments.data)
    tls = None
    if arguments.tls_cert:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(arguments.tls_cert, arguments.tls_key)
    service = Service(store, retention=arguments.retention or None, ranges=arguments.ranges)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if arguments.tied:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    async with serving(service, arguments.host, arguments.port, tls) as port:
        endpoint = f"{'https' if tls else 'http'}://{arguments.host}:{port}/"
        if arguments.json:
            print(json.dumps({"endpoint": endpoint, "key": store.key}), flush=True)
        else:
            print(f"endpoint: {endpoint}\nkey:      {store.key}", flush=True)
        await stop.wait()
    store.close()


def main() -> int:
    """Serve; 1 when another process holds the folder."""
    arguments = _arguments()
    try:
        asyncio.run(_main(arguments))
    except BlockingIOError:
        print(f"{arguments.data} is in use by another emulator: stop that one first", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

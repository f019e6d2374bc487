"""The session of the SDK's transport."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from ingest.sources.cosmos_session import session

_PAGE = b"x" * 600_000


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(_PAGE)))
        self.end_headers()
        self.wfile.write(_PAGE)

    def log_message(self, *_: object) -> None:
        pass


def test_an_answer_is_read_in_one_piece() -> None:
    """Each piece costs a turn of the interpreter, for which other threads may have it for five milliseconds."""
    with HTTPServer(("127.0.0.1", 0), _Server) as server, session() as asking:
        threading.Thread(target=server.handle_request, daemon=True).start()
        answer = asking.get(f"http://127.0.0.1:{server.server_port}/", stream=True, timeout=10)
        assert [len(piece) for piece in answer.iter_content(1024)] == [len(_PAGE)]

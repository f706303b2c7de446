"""An HTTP service in a thread, for tests that have no event loop: it answers, refuses, hangs and floods."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Answering(ThreadingHTTPServer):
    """`/ok` answers, `/no` refuses and repeats the credentials, `/hang` never answers, `/flood` never ends."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hanging = 0  # requests for /hang that the other side has not given up
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The server's root, without a trailing slash."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Answering
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        match self.path:
            case "/hang":
                self._hang()
            case "/flood":
                self._flood()
            case path:
                said = {"ok": path == "/ok", "you_sent": self.headers["Authorization"]}
                self._say(200 if path == "/ok" else 402, json.dumps(said).encode())

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hang(self) -> None:
        with self.server.lock:
            self.server.hanging += 1
        try:
            with suppress(OSError):
                self.connection.recv(1)  # returns when the other side closes
        finally:
            with self.server.lock:
                self.server.hanging -= 1
        self.close_connection = True

    def _flood(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            while True:
                self.wfile.write(b"x" * 65536)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@contextmanager
def answering_http() -> Iterator[Answering]:
    """Yield a running service; it is ended with the block."""
    server = Answering()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""A Lambda API in a thread that does what the payload orders: answer, refuse, hang, flood."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class OrderedLambda(ThreadingHTTPServer):
    """`hanging`: invocations that the other side has not given up."""

    daemon_threads = True

    def __init__(self, repeats: str) -> None:
        """`repeats` is said in every answer, as a function that knows a secret would."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repeats = repeats
        self.hanging = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The API's root."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: OrderedLambda
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0))).get("order")
        match order:
            case "hang":
                self._hang()
            case "flood":
                self._flood()
            case _:
                sent = self.headers["Authorization"]
                said = {"errorType": "Refusal", "errorMessage": self.server.repeats, "sent": sent}
                self._say(json.dumps(said).encode(), "Handled" if order == "no" else "")

    def _say(self, body: bytes, error: str) -> None:
        self.send_response(200)
        if error:
            self.send_header("X-Amz-Function-Error", error)
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
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            while True:
                self.wfile.write(b"x" * 65536)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@contextmanager
def ordered_lambda(repeats: str) -> Iterator[OrderedLambda]:
    """Yield a running API; it is ended with the block."""
    server = OrderedLambda(repeats)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

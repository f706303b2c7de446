"""HTTP services in threads, for tests that have no event loop: what all of them do, whatever they answer."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar


class Threaded(ThreadingHTTPServer):
    """`hanging`: requests that wait for ever and that the other side has not given up."""

    daemon_threads = True

    def __init__(self, handler: type[Answers]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.hanging = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The server's root, without a trailing slash."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are what these tests are about."""


class Answers(BaseHTTPRequestHandler, ABC):
    """The ways to answer: say, hang, flood."""

    server: Threaded
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer; the body is not read yet."""
        self.answer()

    def do_GET(self) -> None:
        """Answer."""
        self.answer()

    @abstractmethod
    def answer(self) -> None:
        """What this service does with a request."""

    def body(self) -> bytes:
        """The whole request body."""
        return self.rfile.read(int(self.headers["Content-Length"] or 0))

    def say(self, status: int, body: bytes, **headers: str) -> None:
        """Answer with these headers, whose names have `_` for `-`."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hang(self) -> None:
        """Never answer; end when the other side closes."""
        with self.server.lock:
            self.server.hanging += 1
        try:
            with suppress(OSError):
                self.connection.recv(1)  # returns when the other side closes
        finally:
            with self.server.lock:
                self.server.hanging -= 1
        self.close_connection = True

    def flood(self) -> None:
        """Answer for as long as the other side reads."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            while True:
                self.wfile.write(b"x" * 65536)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


Server = TypeVar("Server", bound=Threaded)


@contextmanager
def served(server: Server) -> Iterator[Server]:
    """Yield the running service; it is ended with the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""The demo's HTTP service: a payment server on a port of this machine that works, overloads and declines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, ClassVar

#: How often /refunds/… answers 503 before it works.
OVERLOADED = 2


class _Handler(BaseHTTPRequestHandler):
    """Answers POST; counts the calls of each path for /refunds."""

    protocol_version = "HTTP/1.1"
    calls: ClassVar[Counter[str]]
    lock: ClassVar[Lock]

    def do_POST(self) -> None:
        """Answer one call of the demo."""
        data = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        with self.lock:
            self.calls[self.path] += 1
            count = self.calls[self.path]
        self._reply(*_answer(self.path, count, data))

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_words: Any) -> None:
        """Say nothing: the demo shows the jobs, not the server."""


def _answer(path: str, count: int, data: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    if path.startswith("/refunds/"):
        return (503, {"error": "overloaded"}) if count <= OVERLOADED else (200, {"status": "refunded"})
    if path == "/declined":
        return 402, {"error": "card declined"}
    return 200, {"id": f"ch_{count}", "status": "paid", "amount": data.get("amount")}


@contextmanager
def payment_server() -> Iterator[str]:
    """Serve on a free port of 127.0.0.1 for as long as the block runs; yield the base URL."""
    handler = type("Handler", (_Handler,), {"calls": Counter(), "lock": Lock()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

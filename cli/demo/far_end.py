"""The far end of an incident: an HTTP server on this machine that is down, slow or deadly until it is mended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

#: What the far end does before its answer, in seconds; None: it answers only when it is mended.
_SLOW: dict[str, float] = {"/settlements": 2.0, "/render": 0.5, "/transcode": 0.05}

#: A call that waits for the mending is let go after this long, so that no thread stays for ever. Seconds.
LONGEST_HOLD = 600.0


@dataclass(slots=True)
class FarEnd:
    """What the server knows. `strike` ends the worker that called: it stands for the kernel that is out of memory."""

    incident: str
    ledger: Path  # one line of JSON a call that was answered: path, status, Idempotency-Key
    strike: Callable[[], None]
    mended: Event = field(default_factory=Event)
    over: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    def answer(self, path: str, data: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and body of one call, after the time that it takes."""
        self.over.wait(_SLOW.get(path, 0.0))
        if path == "/declined":
            return 402, {"error": "card declined"}
        if not self.mended.is_set():
            return self._broken(path, data)
        return 200, {"status": "done"}

    def _broken(self, path: str, data: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.incident == "api-down":
            return 503, {"error": "service unavailable"}
        if path == "/exports":
            self.mended.wait(LONGEST_HOLD)
        if path == "/transcode" and data.get("codec") == "av1":
            self.strike()
            self.mended.wait(LONGEST_HOLD)
        return 200, {"status": "done"}

    def note(self, path: str, status: int, key: str) -> None:
        """Write down an answered call."""
        line = json.dumps({"path": path, "status": status, "idempotency_key": key}) + "\n"
        with self.lock, self.ledger.open("a", encoding="utf-8") as file:
            file.write(line)


class _Server(ThreadingHTTPServer):
    """Dozens of workers' connections at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, far_end: FarEnd) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.far_end = far_end


class _Handler(BaseHTTPRequestHandler):
    """Answers POST as the far end does."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Answer one call; a caller that was killed meanwhile hears nothing."""
        data = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        status, body = self.server.far_end.answer(self.path, data)
        payload = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)
        except OSError:
            self.close_connection = True
            return
        self.server.far_end.note(self.path, status, self.headers.get("Idempotency-Key", ""))

    def log_message(self, *_words: Any) -> None:
        """Say nothing: the ledger has what was called."""


@contextmanager
def serving(far_end: FarEnd) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1 for as long as the block runs; yield the base URL."""
    server = _Server(far_end)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        far_end.over.set()
        far_end.mended.set()
        server.shutdown()
        server.server_close()
        thread.join()

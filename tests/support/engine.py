"""A container engine as far as `validate --online` speaks to one: its socket, and two of its paths."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import unquote


@dataclass
class Engine:
    """What the engine knows: images that it has, the status that an image's registry answers, and what was asked."""

    url: str
    local: frozenset[str] = frozenset()
    registry: Mapping[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def status(self, path: str) -> int:
        """The engine's answer to GET /images/NAME/json and GET /distribution/NAME/json."""
        self.asked.append(path)
        where, _, rest = unquote(path).removeprefix("/").partition("/")
        image = rest.removesuffix("/json")
        if where == "images":
            return 200 if image in self.local else 404
        return self.registry.get(image, 404) if where == "distribution" else 400


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    engine: Engine


class _Answer(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        body = json.dumps({"message": "as the engine says it"}).encode()
        self.send_response(self.server.engine.status(self.path))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@contextmanager
def engine(
    folder: Path, local: frozenset[str] = frozenset(), registry: Mapping[str, int] | None = None
) -> Iterator[Engine]:
    """Yield an engine that answers on a socket in `folder`."""
    path = folder / "engine.sock"
    found = Engine(f"unix://{path}", local, registry or {})
    with _Server(str(path), _Answer) as server:
        server.engine = found
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
    path.unlink()

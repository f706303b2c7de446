"""A container engine as far as `validate --online` speaks to one: its socket, who it is, and two of its paths."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import unquote

IMAGE_ID = "sha256:" + "cd" * 32
IDENTITY: Mapping[str, Any] = {
    "version": {"Version": "20.10.0", "ApiVersion": "1.41", "Components": []},
    "info": {"CgroupDriver": "systemd", "Runtimes": {"runc": {}}},
}


@dataclass
class Engine:
    """What the engine knows: images that it has, the status that an image's registry answers, and what was asked."""

    url: str
    local: frozenset[str] = frozenset()
    registry: Mapping[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, Any]:
        """Return status and body of GET /version and /info, and of /images/NAME/json and /distribution/NAME/json."""
        path = re.sub(r"^/v1\.\d+/", "/", unquote(path))
        where, _, rest = path.removeprefix("/").partition("/")
        if where in IDENTITY:
            return 200, IDENTITY[where]
        self.asked.append(path)
        image = rest.removesuffix("/json")
        status = (200 if image in self.local else 404) if where == "images" else self.registry.get(image, 404)
        return status, {"Id": IMAGE_ID} if status == 200 else {"message": "as the engine says it"}


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    engine: Engine


class _Answer(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        status, answer = self.server.engine.answer(self.path)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
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

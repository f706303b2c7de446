"""The image of the incident `image-missing`: put on this host's container engine, and taken off it, over its socket.

The runner never loads images, so this speaks the engine's API itself: two calls of Docker API 1.41.
"""

from __future__ import annotations

import io
import shutil
import socket
import tarfile
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote

from ...core.errors import RunnerUnavailable

REPOSITORY = "specql-jobs-demo/thumbs"
TAG = "1"
IMAGE = f"{REPOSITORY}:{TAG}"

USUAL = "unix:///var/run/docker.sock"
CALL_SECONDS = 30.0


class _Engine(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=CALL_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the engine's socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CALL_SECONDS)
        self.sock.connect(self._path)


def require_means(docker_host: str) -> None:
    """Raise RunnerUnavailable unless the engine has a socket on this host and there is a program for an image."""
    _socket_path(docker_host)
    _busybox()


def push(docker_host: str) -> None:
    """Put the image on the engine, as a push and a pull would; blocks."""
    path = f"/v1.41/images/create?fromSrc=-&repo={quote(REPOSITORY, safe='')}&tag={TAG}"
    _call(docker_host, "POST", path, _archive(), {200})


def remove(docker_host: str) -> None:
    """Take the image off the engine, if it is there; blocks."""
    _call(docker_host, "DELETE", f"/v1.41/images/{quote(IMAGE, safe='')}?force=true", b"", {200, 404})


def _call(docker_host: str, method: str, path: str, body: bytes, good: set[int]) -> None:
    engine = _Engine(_socket_path(docker_host))
    try:
        engine.request(method, path, body, {"Content-Type": "application/x-tar"})
        answer = engine.getresponse()
        said = answer.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        raise _unable(f"the container engine does not answer ({type(error).__name__})", "specql-jobs doctor") from None
    finally:
        engine.close()
    if answer.status not in good or '"error"' in said:
        raise _unable(f"the container engine said {answer.status}: {said.strip()[:200]}", "specql-jobs doctor")


def _socket_path(docker_host: str) -> str:
    url = docker_host or USUAL
    if not url.startswith("unix://"):
        raise _unable(
            "this incident wants a container engine of this host, and DOCKER_HOST names a distant one",
            "unset DOCKER_HOST, or try another incident: specql-jobs demo incident",
        )
    return url.removeprefix("unix://")


def _archive() -> bytes:
    """A root file system of one static program, as a tar."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for folder in ("bin", "tmp", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        tar.add(_busybox(), "bin/busybox")
    return made.getvalue()


def _busybox() -> Path:
    found = shutil.which("busybox")
    if found is None or b"/ld-" in Path(found).read_bytes()[:4096]:  # with a loader it would need its libraries too
        raise _unable("there is no static busybox to make an image of", "apt-get install busybox-static")
    return Path(found)


def _unable(message: str, hint: str) -> RunnerUnavailable:
    return RunnerUnavailable(message, hint=hint)

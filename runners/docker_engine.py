"""The way to a container engine: one client, a bounded pool for its blocking calls, and what the engine is.

Anything that speaks Docker's API serves (API 1.41 or later; rootless engines and podman's socket too). Where the engine
shares this host's file system and control groups is looked up, never assumed: bind mounts and measuring depend on it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .capture import cut, safe_text

if TYPE_CHECKING:
    from docker import APIClient

T = TypeVar("T")

DEFAULT_URL = "unix:///var/run/docker.sock"
POOL = 16  # blocking calls at a time; a call takes milliseconds, a container's start some hundred
CALL_SECONDS = 30.0  # an engine that does not answer for that long is as good as down
LONGEST_MESSAGE = 500  # bytes of the engine's own words


class EngineError(Exception):
    """The engine said no, or nothing: `status` is its HTTP status, None where it could not be reached."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status

    @property
    def down(self) -> bool:
        """Whether no answer came at all."""
        return self.status is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an engine is and can hold."""

    name: str  # product and version
    api: str
    runtimes: frozenset[str]
    cgroup_driver: str
    cgroup_version: str
    options: frozenset[str]  # seccomp, rootless, userns, apparmor, selinux
    limits_swap: bool
    limits_pids: bool
    storage: str
    root_dir: str
    has_init: bool
    same_files: bool  # the engine sees this process's file system
    same_groups: bool  # and its control groups


class Engine:
    """One engine and its client, made when first needed. Threads of its own: the event loop is never blocked."""

    def __init__(self, url: str = "", seconds: float = CALL_SECONDS) -> None:
        """`url` is that of DOCKER_HOST: unix:///path or tcp://host:port. `seconds`: patience with one call."""
        self.url = url or DEFAULT_URL
        self._seconds = seconds
        self._pool: ThreadPoolExecutor | None = None
        self._client: APIClient | None = None
        self._facts: Facts | None = None
        self._connecting = asyncio.Lock()

    @property
    def socket_path(self) -> str:
        """The engine's socket on this host, "" for one that is reached over TCP."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else ""

    def has_socket(self) -> bool:
        """Whether there is anything at the socket's path."""
        return bool(self.socket_path) and Path(self.socket_path).exists()

    async def facts(self) -> Facts:
        """Return what the engine is, asking once; raise EngineError."""
        async with self._connecting:
            if self._facts is None:
                self._facts = await self._in_thread(self._connect)
            return self._facts

    async def do(self, work: Callable[[Any], T]) -> T:
        """Return what `work` makes of the client, in a thread; raise EngineError."""
        await self.facts()
        return await self._in_thread(lambda: work(self._client))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(POOL, "docker")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, _translated, work)
        except EngineError as error:
            if error.down:
                self._facts = None
            raise

    def _connect(self) -> Facts:
        problem = _unusable(self.url)
        if problem:
            raise EngineError(problem)
        from docker import APIClient  # noqa: PLC0415 - 145 ms, needed by docker jobs only

        # First, because the SDK forgets to close a socket that cannot connect.
        files, groups = _shared(self.socket_path, self._seconds)
        if self._client is not None:
            self._client.close()
        self._client = APIClient(self.url, version="auto", timeout=self._seconds, max_pool_size=POOL)
        return _read_facts(self._client.info(), self._client.version(), files=files, groups=groups)

    async def aclose(self) -> None:
        """Let go of the engine; calls under way end by themselves."""
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown)
            self._pool = None
        if self._client is not None:
            self._client.close()
            self._client = self._facts = None


def _unusable(url: str) -> str:
    if url.startswith(("unix://", "tcp://", "http://")):
        return ""
    kind = url.partition("://")[0]
    return f"DOCKER_HOST begins with {kind[:20]}://, and only unix:// and tcp:// engines are supported"


def _translated(work: Callable[[], T]) -> T:
    """Do it, and tell every failure of SDK, transport and engine as an EngineError."""
    from docker.errors import APIError, DockerException  # noqa: PLC0415 - see Engine._connect
    from requests.exceptions import RequestException  # noqa: PLC0415 - the SDK's transport

    try:
        return work()
    except APIError as error:
        raise EngineError(_words(str(error.explanation or error)), error.status_code) from None
    except (DockerException, RequestException, OSError) as error:
        raise EngineError(f"the container engine cannot be reached: {_words(_reason(error))}") from None


def _reason(error: BaseException) -> str:
    """The innermost cause: the SDK wraps `Connection refused` four times."""
    while error.__context__ is not None:
        error = error.__context__
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__


def _words(text: str) -> str:
    return cut(" ".join(safe_text(text).split()), LONGEST_MESSAGE)


# ---- what the engine is --------------------------------------------------------------------------------------------


def _read_facts(info: dict[str, Any], version: dict[str, Any], *, files: bool, groups: bool) -> Facts:
    parts = {part.get("Name"): part.get("Version") for part in version.get("Components") or ()}
    options = {word.removeprefix("name=") for text in info.get("SecurityOptions") or () for word in text.split(",")}
    return Facts(
        name=f"{(version.get('Platform') or {}).get('Name') or 'Docker Engine'} {version.get('Version', '?')}",
        api=str(version.get("ApiVersion", "?")),
        runtimes=frozenset(info.get("Runtimes") or ()),
        cgroup_driver=str(info.get("CgroupDriver", "")),
        cgroup_version=str(info.get("CgroupVersion", "1")),
        options=frozenset(options),
        limits_swap=bool(info.get("SwapLimit")),
        limits_pids=bool(info.get("PidsLimit", True)),
        storage=str(info.get("Driver", "?")),
        root_dir=str(info.get("DockerRootDir") or ""),
        has_init=bool(parts.get("docker-init")),
        same_files=files,
        same_groups=groups,
    )


def _shared(path: str, seconds: float) -> tuple[bool, bool]:
    """Whether the process behind a socket has our mounts and our control groups; a remote one has neither."""
    if not path:
        return False, False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(seconds)
        probe.connect(path)
        pid = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    return _same_namespace(pid, "mnt"), _same_namespace(pid, "cgroup")


def _same_namespace(pid: int, kind: str) -> bool:
    try:
        return pid > 0 and os.stat(f"/proc/{pid}/ns/{kind}").st_ino == Path(f"/proc/self/ns/{kind}").stat().st_ino
    except OSError:
        return False

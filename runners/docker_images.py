"""Whether an image exists, for `validate --online`: asked of the container engine, which asks the image's registry.

Two requests over the engine's unix socket and no more: nothing is pulled, and nothing of a job leaves this machine.
"""

from __future__ import annotations

from types import TracebackType
from urllib.parse import quote

import httpx

from ..core.errors import Unavailable

DEFAULT_ENGINE = "unix:///var/run/docker.sock"
SECONDS = 5.0  # a registry far away may take that long


class EngineImages:
    """The images that one container engine has or can find. Use as an async context manager."""

    def __init__(self, url: str = "") -> None:
        """`url` is DOCKER_HOST's value; "" is the engine's usual place."""
        self._url = url or DEFAULT_ENGINE
        socket = self._url.removeprefix("unix://") if self._url.startswith("unix://") else ""
        transport = httpx.AsyncHTTPTransport(uds=socket) if socket else None
        self._client = (
            httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=SECONDS, trust_env=False)
            if transport
            else None
        )

    async def __aenter__(self) -> EngineImages:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def has(self, image: str) -> bool:
        """Whether the engine has the image, or its registry does; raise Unavailable when neither can tell."""
        name = quote(image, safe="/:@")
        if await self._status(f"/images/{name}/json") == httpx.codes.OK:
            return True
        status = await self._status(f"/distribution/{name}/json")
        if status in (httpx.codes.OK, httpx.codes.NOT_FOUND):
            return bool(status == httpx.codes.OK)
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise Unavailable("the image's registry wants a login to say whether it exists")
        raise Unavailable(f"the container engine could not ask the image's registry (status {status})")

    async def _status(self, path: str) -> int:
        """Only the status counts; the body, which may be long, is not read."""
        if self._client is None:
            raise Unavailable("DOCKER_HOST names no unix:// socket: an engine elsewhere is not asked")
        try:
            async with self._client.stream("GET", path) as response:
                return response.status_code
        except (httpx.HTTPError, OSError):
            raise Unavailable(f"no container engine answers at {self._url}") from None

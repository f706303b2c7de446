"""`/healthz` and `/readyz` for process supervisors: is the loop turning, and does the worker claim?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

#: A probe that has not sent its request line by then is dropped.
REQUEST_TIMEOUT = 5.0  # seconds
LONGEST_REQUEST = 4096  # bytes of request line

_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Health:
    """Answers probes on one address. `ready` says whether the worker claims at this moment."""

    def __init__(self, host: str, port: int, ready: Callable[[], bool]) -> None:
        self._host = host
        self._port = port
        self._ready = ready
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; return the port (the one chosen, where 0 was asked for). Raise OSError when it is taken."""
        self._server = await asyncio.start_server(self._answer, self._host, self._port, limit=LONGEST_REQUEST)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A probe that is open when the worker ends is cancelled; asyncio would print that as a traceback.
        with suppress(TimeoutError, ValueError, OSError, asyncio.CancelledError):
            line = await asyncio.wait_for(reader.readline(), REQUEST_TIMEOUT)
            writer.write(self._response(line.decode("latin-1")))
            await writer.drain()
        writer.close()

    def _response(self, line: str) -> bytes:
        status, body = self._verdict(*[*line.split(), "", ""][:2])
        head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: text/plain\r\n"
        return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()

    def _verdict(self, method: str, path: str) -> tuple[int, str]:
        if method != "GET":
            return 405, "only GET\n"
        if path == "/healthz":
            return 200, "ok\n"
        if path == "/readyz":
            return (200, "ready\n") if self._ready() else (503, "not claiming\n")
        return 404, "there is /healthz and /readyz\n"

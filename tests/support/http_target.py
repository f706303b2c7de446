"""A real HTTP server on 127.0.0.1 for tests: scripted answers, a record of requests, and misbehaviour on raw sockets.

async with HttpTarget() as target:
    target.script("/charges", reply(402, {"error": "no"}))
    ... one request ...
    assert target.requests[0].header("x-job-lease") == "7"
"""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.waiting import until_async


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return the only header of that name; several are joined by " | ", none is an empty text."""
        return " | ".join(value for found, value in self.headers if found.lower() == name)

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Wire:
    """The connection that a request came over."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def hung_up(self) -> None:
        """Wait until the other side closes."""
        with suppress(ConnectionError):
            await self.reader.read()


Script = Callable[[Seen, Wire], Awaitable[None]]


def reply(status: int = 200, body: Any = None, **headers: str) -> Script:
    """Return a well-formed answer; a str or bytes body is sent as it is, anything else as JSON."""
    if isinstance(body, bytes | str):
        kind, data = "text/plain; charset=utf-8", body.encode() if isinstance(body, str) else body
    else:
        kind, data = "application/json", b"" if body is None else json.dumps(body).encode()
    fields = {"Content-Type": kind, "Content-Length": str(len(data))}
    fields |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return raw(f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode() + data)


def gzipped(data: bytes, **headers: str) -> Script:
    """Return a well-formed answer whose body is compressed."""
    return reply(200, gzip.compress(data), content_encoding="gzip", content_type="application/json", **headers)


def raw(data: bytes, *, close: bool = False) -> Script:
    """Return exactly these bytes, then keep the connection or end it."""

    async def script(_seen: Seen, wire: Wire) -> None:
        wire.writer.write(data)
        await wire.writer.drain()
        if close:
            wire.writer.close()

    return script


def drip(head: bytes, piece: bytes, pause: float = 0.02) -> Script:
    """Return `head`, then one `piece` after another for as long as anybody listens."""

    async def script(_seen: Seen, wire: Wire) -> None:
        wire.writer.write(head)
        hung_up = asyncio.ensure_future(wire.hung_up())
        while not hung_up.done():
            wire.writer.write(piece)
            await wire.writer.drain()
            await asyncio.wait({hung_up}, timeout=pause)

    return script


async def silence(_seen: Seen, wire: Wire) -> None:
    """Never answer; end when the other side hangs up."""
    await wire.hung_up()


async def reset(_seen: Seen, wire: Wire) -> None:
    """Break the connection off without an answer."""
    wire.writer.transport.abort()


async def echo(seen: Seen, wire: Wire) -> None:
    """Answer with what arrived, headers included."""
    data = {"method": seen.method, "target": seen.target, "headers": dict(seen.headers), "body": seen.body.decode()}
    await reply(200, data)(seen, wire)


class HttpTarget:
    """The server: `script` says what a path answers; anything else gets `otherwise`, {"ok": true}."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[Seen] = []
        self.connections = 0
        self.open = 0
        self.port = 0  # chosen by the system
        self._tls = tls
        self._host = host
        self.otherwise = reply(200, {"ok": True})
        self._scripts: dict[str, list[Script]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def script(self, path: str, *scripts: Script) -> None:
        """Answer requests for `path` in this order; the last one stays."""
        self._scripts[path] = list(scripts)

    @property
    def url(self) -> str:
        """The server's root, without a trailing slash."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    async def hung_up(self, most: int = 0) -> None:
        """Wait until at most `most` connections are open."""
        await until_async(self._has(lambda: self.open <= most), f"at most {most} open connections")

    async def asked(self, count: int = 1) -> None:
        """Wait until `count` requests have arrived."""
        await until_async(self._has(lambda: len(self.requests) >= count), f"{count} requests")

    @staticmethod
    def _has(condition: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
        async def look() -> bool:
            return condition()

        return look

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._host, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        self.connections += 1
        self.open += 1
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass  # the other side hung up, or the test is over
        finally:
            self.open -= 1
            self._running.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            seen = await _read(reader)
            self.requests.append(seen)
            scripts = self._scripts.get(seen.target.partition("?")[0], [self.otherwise])
            await (scripts.pop(0) if len(scripts) > 1 else scripts[0])(seen, Wire(reader, writer))


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _version = head[0].split(" ")
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in head[1:] if line))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Seen(method, target, headers, await reader.readexactly(length))


def authority(folder: Path) -> tuple[ssl.SSLContext, str]:
    """Return a server's TLS context for `localhost` under a throw-away authority, and that authority's file."""
    key, certificate = folder / "key.pem", folder / "ca.pem"
    subprocess.run(
        [
            *(shutil.which("openssl") or "openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,DNS:api.test"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, str(certificate)

"""Connections that go only where the judge allows: names are resolved here, every answer is judged, then pinned.

httpcore is used beneath httpx's client on purpose: there are then no cookies, proxies, .netrc or automatic decoding to
switch off. TLS names and certificates stay bound to the host name, whatever address was chosen.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import certifi
import httpcore

from ..core.contract import Endpoint, Footprint, Violation

Judge = Callable[[Footprint], tuple[Violation, ...]]
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
SocketOptions = Iterable[Any] | None

CONNECT_SECONDS = 10.0  # per address, so that one dead address does not eat the whole deadline
MOST_TRIED = 4  # addresses of one name
#: Below the 5 s after which common servers (Node, uvicorn) close an idle connection.
KEEPALIVE_SECONDS = 4.0
MOST_IDLE = 32  # kept connections per service


class DestinationRefused(Exception):
    """Policy does not allow a host or one of its addresses; nothing was sent there."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__("; ".join(violation.message for violation in violations))
        self.violations = violations


class NameUnknown(Exception):
    """The host has no usable address; the message is a sentence."""


@dataclass(slots=True)
class Gate:
    """One execution's judge for destinations, and its count of bytes on the wire."""

    judge: Judge
    scheme: str = "https"  # of the request under way
    bytes_sent: int = 0
    bytes_received: int = 0
    _body_follows: bool = False
    _held: bytes = b""
    _admitted: set[Endpoint] = field(default_factory=set)

    def check(self, endpoint: Endpoint) -> None:
        """Raise DestinationRefused unless policy allows the endpoint."""
        if endpoint in self._admitted:
            return
        violations = self.judge(Footprint(endpoints=(endpoint,)))
        if violations:
            raise DestinationRefused(violations)
        self._admitted.add(endpoint)

    def begin(self, *, body_follows: bool) -> None:
        """Expect a request's head next, and whether its body comes after it."""
        self._body_follows, self._held = body_follows, b""

    def outgoing(self, buffer: bytes) -> bytes:
        """Return what is to be sent now: a head whose body follows waits for it (two packets cost 0.1 ms more)."""
        if self._body_follows:
            self._body_follows, self._held = False, buffer
            return b""
        held, self._held = self._held, b""
        return held + buffer if held else buffer


#: httpcore passes no context down to its network backend; each execution runs in a task of its own.
current_gate: ContextVar[Gate] = ContextVar("current_gate")


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Return all addresses of `host`, as the system resolves it; raise socket.gaierror."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Connects to an address only after all addresses of the name were judged."""

    def __init__(self, resolve: Resolver) -> None:
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, judge every answer, and connect to the first that takes the connection."""
        gate = current_gate.get()
        endpoints = [Endpoint(gate.scheme, host, port, address) for address in await self._addresses(host, port)]
        for endpoint in endpoints:
            gate.check(endpoint)
        return await self._first(endpoints[:MOST_TRIED], timeout, local_address, socket_options)

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass
        try:
            answers = [str(ip_address(answer)) for answer in await self._resolve(host, port)]
        except (OSError, UnicodeError, ValueError):
            raise NameUnknown(f"the name {host} cannot be resolved") from None
        if not answers:
            raise NameUnknown(f"the name {host} has no address")
        return answers

    async def _first(
        self, endpoints: list[Endpoint], seconds: float | None, local_address: str | None, options: SocketOptions
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for endpoint in endpoints:
            try:
                stream = await self._network.connect_tcp(
                    endpoint.address, endpoint.port, seconds, local_address, options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return PinnedStream(stream, endpoint)
        assert failure is not None
        raise failure


class PinnedStream(httpcore.AsyncNetworkStream):
    """A connection that remembers where it goes: a kept one is judged again for each job that would use it."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, endpoint: Endpoint) -> None:
        self._stream = stream
        self._endpoint = endpoint
        self.spoiled = False  # more came than was asked for: not to be used again

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's signature
        """Read, and count."""
        data = await self._stream.read(max_bytes, timeout)
        current_gate.get().bytes_received += len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's signature
        """Write, if this job may reach this address."""
        gate = current_gate.get()
        gate.check(self._endpoint)
        data = gate.outgoing(buffer)
        gate.bytes_sent += len(data)
        if data:
            await self._stream.write(data, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        """Begin TLS under the host's name."""
        return PinnedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._endpoint)

    def get_extra_info(self, info: str) -> Any:
        """Pass on what httpcore asks about the socket; it drops an idle connection that has something to read."""
        if info == "is_readable" and self.spoiled:
            return True
        return self._stream.get_extra_info(info)


def drop_surplus(response: httpcore.Response) -> None:
    """Spoil the connection if bytes came after the answer: they would be taken for the answer to the next request."""
    stream = response.extensions.get("network_stream")
    if isinstance(stream, PinnedStream) and _surplus(response, stream):
        stream.spoiled = True


def _surplus(response: httpcore.Response, stream: PinnedStream) -> bool:
    """Whether something unread is left; True where it cannot be known."""
    tls = stream.get_extra_info("ssl_object")
    if tls is not None and tls.pending():
        return True
    try:
        # httpcore shows its parser's buffer to nobody; a test fails if these names change.
        parser = response.stream._stream._connection._h11_state  # type: ignore[union-attr] # noqa: SLF001
        return bool(parser.trailing_data[0])
    except AttributeError:
        return True


# ---- TLS and pools --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tls:
    """How certificates are verified and shown. Paths are absolute; empty means: the system's, or none."""

    verify: bool = True
    ca_file: str = ""
    client_cert: str = ""
    client_key: str = ""


class TlsUnusable(Exception):
    """A TLS file cannot be loaded; the message is a sentence."""


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return the context for `tls`; reads files (20 ms), so it is made once per service, off the event loop."""
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or fallback_store())
        if tls.client_cert:
            context.load_cert_chain(tls.client_cert, tls.client_key or None)
    except OSError as error:
        reason = error.strerror or "it is not a usable PEM file"
        raise TlsUnusable(f"ca_file or client_cert cannot be loaded: {reason}") from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def fallback_store() -> str | None:
    """Return the bundled certificates where the system has none, else None (the system's are used)."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        return None
    return certifi.where()


class Pools:
    """One pool of connections per service and TLS setting, made when first used."""

    def __init__(self, resolve: Resolver) -> None:
        self._backend = PinnedBackend(resolve)
        self._pools: dict[tuple[str, Tls], httpcore.AsyncConnectionPool] = {}
        self._making = asyncio.Lock()

    async def pool(self, service: str, tls: Tls) -> httpcore.AsyncConnectionPool:
        """Return the service's pool; raise TlsUnusable."""
        found = self._pools.get((service, tls))
        return found or await self._make(service, tls)

    async def _make(self, service: str, tls: Tls) -> httpcore.AsyncConnectionPool:
        async with self._making:
            if (service, tls) not in self._pools:
                self._pools[service, tls] = httpcore.AsyncConnectionPool(
                    ssl_context=await asyncio.to_thread(tls_context, tls),
                    max_connections=None,  # the worker bounds how many jobs run
                    max_keepalive_connections=MOST_IDLE,
                    keepalive_expiry=KEEPALIVE_SECONDS,
                    network_backend=self._backend,
                )
            return self._pools[service, tls]

    async def aclose(self) -> None:
        """Close every connection."""
        pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            await pool.aclose()

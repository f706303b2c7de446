"""`localhost_ports`: chosen ports of this host on the private loopback of a job, and no other way out of it.

The worker listens inside the job's network and relays each connection to the same port of its own 127.0.0.1. Nothing in
the sandbox takes part, so nothing in it can widen this; with the job's end the listeners and connections are closed.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

_ENTRY = Path(__file__).with_name("shell_ports_entry.py")
_ENTRY_SECONDS = 10.0

#: Connections that one job may have to the host at a time; more are closed at once.
MOST_CONNECTIONS = 64
_CONNECT_SECONDS = 5.0
_PIECE = 65536  # bytes


@asynccontextmanager
async def relayed(pid: int, ports: tuple[int, ...]) -> AsyncIterator[None]:
    """Have the ports of this host answer in the network of process `pid`; raise OSError where that cannot be."""
    if not ports:
        yield
        return
    listeners = await asyncio.to_thread(_listeners, pid, ports)
    relay = _Relay()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(relay.close)
        for port, listener in zip(ports, listeners, strict=True):
            server = await asyncio.start_server(relay.to(port), sock=listener)
            stack.callback(server.close)
        yield


def _listeners(pid: int, ports: tuple[int, ...]) -> list[socket.socket]:
    """Return sockets that listen in the network of `pid`, made by a program that enters it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        words = [sys.executable, "-I", "-S", str(_ENTRY), str(pid), str(theirs.fileno()), *map(str, ports)]
        done = subprocess.run(  # noqa: S603 - our own program, with numbers for arguments
            words, pass_fds=(theirs.fileno(),), env={}, capture_output=True, timeout=_ENTRY_SECONDS, check=False
        )
        if done.returncode != 0:
            said = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"])[-1]
            raise OSError(0, f"localhost_ports cannot be opened in the sandbox: {said[:200]}")
        _, descriptors, _, _ = socket.recv_fds(ours, 1, len(ports), socket.MSG_CMSG_CLOEXEC)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


class _Relay:
    """The connections of one job, each two pumps."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def to(self, port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        """Return what asyncio calls for each connection to that port."""

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(self._tasks) >= MOST_CONNECTIONS:
                writer.close()
                return
            task = asyncio.ensure_future(_connection(port, reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return connected

    async def close(self) -> None:
        """End every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _connection(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        writer.close()
        return
    try:
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
    finally:
        for each in (writer, far_writer):
            each.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of one direction; the other may go on."""
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

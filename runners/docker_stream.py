"""A container's streams: its input fed, its output taken apart and kept within bounds, all on the event loop.

The engine sends stdout and stderr over one connection in frames: one byte for the stream, three empty, four of length,
then the data.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .capture import CHUNK, Kept

_HEADER = struct.Struct(">BxxxL")
_STDERR = 2


def attach(client: Any, container_id: str) -> socket.socket:
    """Return a connection to the streams of a container that has not started. Blocks; called in a thread."""
    taken = client.attach_socket(container_id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    # Ours alone: the SDK leaves its own to the garbage collector.
    own = socket.socket(fileno=os.dup(taken.fileno()))
    taken._sock.close()  # noqa: SLF001 - io's SocketIO has no other name for what it reads from
    taken.close()
    own.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return own


class Streams:
    """Both streams of one container until they end; `flooded` is done once there was more than `flood` bytes."""

    def __init__(self, connection: socket.socket, keep: int, flood: int) -> None:
        self.stdout, self.stderr = Kept(keep), Kept(keep)
        self._connection = connection
        self._flood = flood
        self._buffer = bytearray()
        self._left = 0  # bytes of the present frame that are still to come
        self._into: Callable[[bytes], None] = self.stdout.store
        self.flooded: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def listen(self) -> None:
        """Read until the engine closes the streams."""
        loop = asyncio.get_running_loop()
        with suppress(OSError):  # the connection is cut when the container is removed under it
            while data := await loop.sock_recv(self._connection, CHUNK):
                self._take(data)

    async def feed(self, data: bytes) -> None:
        """Send the input and close it; a program that does not read is not waited for by anyone."""
        with suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(self._connection, data)
            self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let go of the connection; what was kept stays."""
        self._connection.close()
        self.flooded.cancel()

    def _take(self, data: bytes) -> None:
        self._buffer += data
        while self._buffer:
            if not self._left and not self._next_frame():
                return
            piece = bytes(self._buffer[: self._left])
            del self._buffer[: len(piece)]
            self._left -= len(piece)
            self._into(piece)
        if self.stdout.total + self.stderr.total > self._flood and not self.flooded.done():
            self.flooded.set_result(None)

    def _next_frame(self) -> bool:
        """Read a frame's head, if it has come whole."""
        if len(self._buffer) < _HEADER.size:
            return False
        stream, self._left = _HEADER.unpack_from(self._buffer)
        del self._buffer[: _HEADER.size]
        self._into = self.stderr.store if stream == _STDERR else self.stdout.store
        return bool(self._left) or bool(self._buffer)

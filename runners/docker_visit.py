"""A visitor's shell in a container: its terminal in the place of the two streams."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from .docker_engine import Engine, EngineError
from .docker_stream import Streams
from .terminal import Size, lent


class TerminalStreams(Streams):
    """The container's terminal connected with this process's own until it ends; nothing of it is kept."""

    def __init__(self, connection: socket.socket, engine: Engine, container: str) -> None:
        super().__init__(connection, 0, 0)
        self._far = connection
        self._engine = engine
        self._container = container
        self._resizing: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Relay keys and screen until the container's terminal ends."""
        with lent(self._far.fileno(), self._sized) as ended:
            await ended

    async def feed(self, data: bytes) -> None:
        """Send no input: the keys are it."""

    def _sized(self, wanted: Size) -> None:
        task = asyncio.ensure_future(self._resize(wanted))
        self._resizing.add(task)
        task.add_done_callback(self._resizing.discard)

    async def _resize(self, wanted: Size) -> None:
        """A container that has just ended, or not begun, takes no size."""
        rows, columns = wanted
        with suppress(EngineError):
            await self._engine.do(lambda client: client.resize(self._container, rows, columns))

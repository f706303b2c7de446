"""A way to Postgres that can lose answers or be cut: a TCP relay in front of the tests' server, on 127.0.0.1 only."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

CHUNK = 65536  # bytes


class Relay:
    """Passes bytes on in both directions until it is told otherwise."""

    def __init__(self, dsn: str) -> None:
        self._target = conninfo_to_dict(dsn)
        self._given = dsn
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._mute = False
        self._hold_at: bytes | None = None
        self._gate = _open_gate()  # closed: nothing passes, and nobody is told
        self.held = asyncio.Event()
        self.dsn = ""

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.dsn = make_conninfo(self._given, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()

    def mute(self) -> None:
        """Lose every answer from now on; questions still reach the server."""
        self._mute = True

    def hold_at(self, words: bytes) -> None:
        """Freeze when a client next says `words`, before they are passed on; `held` is set then."""
        self._hold_at = words
        self.held.clear()

    def let_go(self) -> None:
        """Pass on what was held or frozen, and whatever comes."""
        self._hold_at = None
        self._gate.set()

    def freeze(self) -> None:
        """Keep what comes in both directions on every connection, new ones too; whoever sends it sees it taken."""
        self._gate.clear()

    async def break_off(self) -> None:
        """Close every connection; new ones work, and hear answers again."""
        await self._end_all()
        self._mute = False
        self.let_go()

    def swallow(self) -> None:
        """Freeze the connections that there are, for good; new ones work."""
        self._gate.clear()
        self._gate = _open_gate()

    async def cut(self) -> None:
        """Close every connection and stop listening: to the client the server seems gone."""
        if self._server is not None:
            self._server.close()
        await self._end_all()

    async def _end_all(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task, gate = asyncio.current_task(), self._gate
        assert task is not None
        self._tasks.add(task)
        try:
            far_reader, far_writer = await self._connect()
            try:
                with suppress(OSError):
                    await _until_one_ends(
                        self._pass_on(reader, far_writer, gate), self._pass_on(far_reader, writer, gate, answers=True)
                    )
            finally:
                far_writer.close()
        except asyncio.CancelledError:
            pass  # cut: a stream server's handler may end by itself only
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._target.get("host") or "127.0.0.1"), self._target.get("port") or 5432
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(port))

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event, *, answers: bool = False
    ) -> None:
        while data := await reader.read(CHUNK):
            await gate.wait()
            if not answers and self._hold_at is not None and self._hold_at in data:
                gate.clear()
                self.held.set()
                await gate.wait()
            if not (answers and self._mute):
                writer.write(data)
                await writer.drain()


def _open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


async def _until_one_ends(*ways: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""The far end of a storm's jobs: it keeps, outside the database, every execution that really happened.

An execution begins with a request and ends with its answer or when the other side hangs up; the answer carries the
execution's number, so that what the database holds can be traced to the one execution that it came from.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

LONGEST_HEAD = 65536  # bytes of a request's head


@dataclass(slots=True)
class Execution:
    """One request: which job under which lease, and whether its answer was sent."""

    number: int
    job: str
    lease: int
    answered: bool = False


class Ledger:
    """An HTTP server that writes down each request before it does anything else, and answers `delay` seconds later."""

    def __init__(self, delay: float) -> None:
        self.executions: list[Execution] = []
        self.overlaps: list[tuple[Execution, Execution]] = []  # two at work on one job at the same time
        self._open: dict[str, list[Execution]] = defaultdict(list)
        self._delay = delay
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=LONGEST_HEAD)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fields = _fields(await reader.readuntil(b"\r\n\r\n"))
        await reader.readexactly(int(fields.get(b"content-length", b"0")))
        execution = self._begin(fields[b"x-job-id"].decode(), int(fields[b"x-job-lease"]))
        try:
            execution.answered = await self._answer(execution, reader, writer)
        finally:
            self._open[execution.job].remove(execution)
        if not execution.answered:
            raise ConnectionResetError

    def _begin(self, job: str, lease: int) -> Execution:
        execution = Execution(len(self.executions) + 1, job, lease)
        self.executions.append(execution)
        self.overlaps += [(other, execution) for other in self._open[job]]
        self._open[job].append(execution)
        return execution

    async def _answer(self, execution: Execution, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Return whether the other side was still there when the work was done."""
        if self._delay:
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), self._delay)  # a client that waits says nothing more
                return False
        body = b'{"execution": %d}' % execution.number
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)
        await writer.drain()
        return True


def _fields(head: bytes) -> dict[bytes, bytes]:
    lines = head.split(b"\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines if line)}

"""PgQueuer on asyncpg and uvloop, in the peers' environment."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from side import Side, Tally


class PgQueuerSide(Side):
    """Its entry point takes one job at a time; `concurrency` is the batch it dequeues."""

    async def install(self, dsn: str) -> None:
        """Make PgQueuer's tables."""
        await Queries(AsyncpgDriver(await asyncpg.connect(dsn))).install()

    async def enqueuer(self, dsn: str, how: str) -> Callable[[range], Awaitable[Any]]:
        """Enqueue by its own call, which takes lists."""
        queries = Queries(AsyncpgDriver(await asyncpg.connect(dsn)))

        def add(numbers: range) -> Awaitable[Any]:
            payloads = [b'{"n": %d}' % n for n in numbers]
            return queries.enqueue(["noop"] * len(payloads), payloads, [0] * len(payloads))

        return add

    async def work(self, dsn: str, concurrency: int, tally: Tally, words: frozenset[str]) -> None:
        """Work in batches of `concurrency`."""
        queue = PgQueuer(AsyncpgDriver(await asyncpg.connect(dsn)))

        @queue.entrypoint("noop")
        async def noop(job: Any) -> None:
            tally.note(json.loads(job.payload)["n"])

        await queue.run(dequeue_timeout=timedelta(seconds=30), batch_size=concurrency)


def in_uvloop(work: Coroutine[Any, Any, Any]) -> None:
    """Run in uvloop, PgQueuer's fastest."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


if __name__ == "__main__":
    PgQueuerSide().run(sys.argv[1:], in_uvloop)

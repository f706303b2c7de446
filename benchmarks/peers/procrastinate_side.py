"""Procrastinate on psycopg and uvloop, in the peers' environment."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop
from procrastinate import App, PsycopgConnector
from side import Side, Tally


class ProcrastinateSide(Side):
    """It claims one job at a time, `concurrency` of them at once."""

    async def _app(self, dsn: str, tally: Tally | None = None) -> tuple[App, Any]:
        app = App(connector=PsycopgConnector(conninfo=dsn, min_size=4, max_size=20))

        @app.task(name="noop")
        async def noop(n: int) -> None:
            if tally is not None:
                tally.note(n)

        await app.open_async()
        return app, noop

    async def install(self, dsn: str) -> None:
        """Make Procrastinate's tables."""
        app, _ = await self._app(dsn)
        await app.schema_manager.apply_schema_async()
        await app.close_async()

    async def enqueuer(self, dsn: str, how: str) -> Callable[[range], Awaitable[Any]]:
        """Defer by its own calls: one, or a batch in one statement."""
        _, noop = await self._app(dsn)
        if how == "single":
            return lambda numbers: noop.defer_async(n=numbers[0])
        return lambda numbers: noop.batch_defer_async(*({"n": n} for n in numbers))

    async def work(self, dsn: str, concurrency: int, tally: Tally, words: frozenset[str]) -> None:
        """Work with `concurrency` jobs at once."""
        app, _ = await self._app(dsn, tally)
        await app.run_worker_async(concurrency=concurrency, install_signal_handlers=False)


def in_uvloop(work: Coroutine[Any, Any, Any]) -> None:
    """Run in uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # it logs every job, and that its app stands in the main module
    ProcrastinateSide().run(sys.argv[1:], in_uvloop)

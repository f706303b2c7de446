"""A connection that comes back: reconnects with backoff after Postgres restarts, and gives up after its patience."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..clock import monotonic
from ..log import log_event
from ..store.db import FAILURES, Connection, connect, in_our_words, is_connection_loss, is_passing, sever
from ..store.store import Store

T = TypeVar("T")

FIRST_WAIT = 0.1  # seconds, doubled up to LONGEST_WAIT
LONGEST_WAIT = 2.0

Prepare = Callable[[Store], Awaitable[None]]
Notice = Callable[[Exception], None]


class Link:
    """One named connection of a worker; what the session is called begins with `whose`.

    `prepare` runs on every new connection (settings, LISTEN, the session lock); `notice` hears of every failure.
    `patience`: seconds of nothing but failures before they are raised. It may be lowered at any time.
    """

    whose = "specql-jobs worker"

    def __init__(
        self, dsn: str, name: str, *, patience: float, prepare: Prepare | None = None, notice: Notice | None = None
    ) -> None:
        self._dsn = dsn
        self._name = name
        self._prepare = prepare
        self._notice = notice
        self._connection: Connection | None = None
        self._newest: Connection | None = None  # perhaps not prepared yet
        self._was_there = False  # patience is for a database that went away, not for one that never answered
        self._failing_since: float | None = None
        self._wait = 0.0  # seconds before the next try; the first is at once
        self.patience = patience

    async def store(self) -> Store:
        """Return a store on a live connection; wait for the database to come back; raise DatabaseUnavailable."""
        while self._connection is None or self._connection.broken or self._connection.closed:
            try:
                await self._connect()
            except FAILURES as error:
                if not self._was_there:
                    raise in_our_words(error) from None
                await self.lost(error)
        return Store(self._connection)

    async def ask(self, verb: Callable[[Store], Awaitable[T]]) -> T:
        """Return what the verb returns, asked again after what passes by itself. For verbs safe to repeat."""
        while True:
            store = await self.store()
            try:
                answer = await verb(store)
            except FAILURES as error:
                await self.lost(error)
            else:
                self.answered()
                return answer

    def trust(self) -> None:
        """Wait for the database from the first try on: it has answered this worker on another connection."""
        self._was_there = True

    def answered(self) -> None:
        """Forget earlier failures."""
        self._failing_since, self._wait = None, 0.0

    async def lost(self, error: Exception) -> None:
        """Make ready to ask again after `error`; raise it, in our words, when that is no use or patience has ended."""
        if self._notice:
            self._notice(error)
        if is_connection_loss(error):
            log_event("database_lost", connection=self._name, error=type(error).__name__)
            await self.close()
        elif is_passing(error):
            log_event("statement_failed", connection=self._name, error=type(error).__name__)
        else:
            raise in_our_words(error) from None
        await self._pause(error)

    def sever(self) -> None:
        """Take the connection for dead: what waits for its answer fails, and asks again on another one."""
        if self._newest is not None and not self._newest.closed:
            sever(self._newest)

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _pause(self, error: Exception) -> None:
        """Wait longer after each failure in a row: what always fails may not spin."""
        now = monotonic()
        self._failing_since = now if self._failing_since is None else self._failing_since
        if now + self._wait - self._failing_since > self.patience:
            raise in_our_words(error) from None
        await asyncio.sleep(self._wait)
        self._wait = min(max(self._wait * 2, FIRST_WAIT), LONGEST_WAIT)

    async def _connect(self) -> None:
        connection = self._newest = await connect(self._dsn, f"{self.whose} {self._name}")
        try:
            if self._prepare:
                await self._prepare(Store(connection))
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        self._was_there = True

"""A connection that comes back: reconnects with backoff after Postgres restarts, and gives up after its patience."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..clock import monotonic
from ..log import log_event
from ..store.db import FAILURES, Connection, connect, is_connection_loss
from ..store.store import Store

T = TypeVar("T")

FIRST_WAIT = 0.1  # seconds, doubled up to LONGEST_WAIT
LONGEST_WAIT = 2.0

Prepare = Callable[[Store], Awaitable[None]]


class Link:
    """One named connection of a worker. `prepare` runs on every new connection (settings, LISTEN, the session lock)."""

    def __init__(self, dsn: str, name: str, *, patience: float, prepare: Prepare | None = None) -> None:
        self._dsn = dsn
        self._name = name
        self._patience = patience  # seconds without a database before DatabaseUnavailable
        self._prepare = prepare
        self._connection: Connection | None = None
        self._was_there = False  # patience is for a database that went away, not for one that never answered

    async def store(self) -> Store:
        """Return a store on a live connection; wait for the database to come back; raise DatabaseUnavailable."""
        if self._connection is not None and not self._connection.broken and not self._connection.closed:
            return Store(self._connection)
        return await self._reconnect()

    async def ask(self, verb: Callable[[Store], Awaitable[T]]) -> T:
        """Return what the verb returns, on a fresh connection again when this one is lost. For verbs safe to repeat."""
        while True:
            store = await self.store()
            try:
                return await verb(store)
            except FAILURES as error:
                await self.lost(error)

    async def lost(self, error: Exception) -> None:
        """Drop the connection after `error`; re-raise it when the connection was not to blame."""
        if not is_connection_loss(error):
            raise error
        log_event("database_lost", connection=self._name, error=type(error).__name__)
        await self.close()

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _reconnect(self) -> Store:
        deadline, wait = monotonic() + self._patience, FIRST_WAIT
        while True:
            try:
                return await self._connect()
            except FAILURES as error:
                if not (self._was_there and is_connection_loss(error)) or monotonic() + wait > deadline:
                    raise
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    async def _connect(self) -> Store:
        connection = await connect(self._dsn, f"specql-jobs worker {self._name}")
        store = Store(connection)
        try:
            if self._prepare:
                await self._prepare(store)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        self._was_there = True
        return store

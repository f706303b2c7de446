"""Callbacks: an operator's functions, called with a job's result in the transaction that settles it.

A function in the database calls each under a savepoint and writes down what failed: whatever a callback does, the job's
result stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import tuple_row

from ..log import log_event
from .db import Connection, connect, is_connection_loss, is_locked, queries
from .locks import set_again

#: Why callbacks are put off, as their row says until they are called.
SLOW = "the callbacks of its batch took too long together"
BROKEN = "its batch could not be settled together with the callbacks"
HURRY = "its worker was stopping"
HELD = "somebody holds the row of its job"


async def end_session(dsn: str, pid: int) -> None:
    """End another session of ours when two timeouts of callbacks have passed: one that ends no other way.

    A callback may catch its own cancellation and go on; what ends a session cannot be caught.
    """
    async with await connect(dsn, "specql-jobs worker callbacks watch") as connection:
        row = await (await connection.execute(queries("callbacks.sql")["limits"].encode())).fetchone()
        await asyncio.sleep(2 * row["timeout_ms"] / 1000 if row else 0)
        log_event("callback_stuck", backend=pid)
        # Behind a pooler the number is the pooler's own, and may be another program's session here.
        ours = "FROM pg_stat_activity WHERE pid = %s AND application_name LIKE 'specql-jobs worker %%'"
        await connection.execute(f"SELECT pg_terminate_backend(pid) {ours}".encode(), (pid,))


class Caller:
    """Calls the callbacks of one transaction over one connection, and tells of them when it is committed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._called = False
        self._results: list[tuple[UUID, Sequence[Any]]] = []  # job; function, state, attempts, error
        self._put_off: dict[str, int] = {}

    async def call(self, ids: Sequence[UUID], put_off: str = "") -> None:
        """Call what is registered for jobs that this transaction has just ended; `put_off` says why that must wait.

        A transaction is held for one timeout, however many callbacks it has: the one that was running then and those
        behind it are put off, and called one by one.
        """
        if put_off:
            await self._later(ids, put_off)
            return
        due = await self._rows("due", {"ids": list(ids)}) if ids else []
        if not due:
            return
        self._called = True
        waiting = [row[0] for row in due]
        await self._limit(due[0][1])
        for job, *result in await self._rows("run", {"ids": waiting, "alone": len(waiting) == 1}):
            if result[1] == "interrupted":
                await self._later(waiting[waiting.index(job) :], SLOW)
            else:
                self._results.append((job, result))
        await self._connection.execute("SET LOCAL statement_timeout TO DEFAULT")

    async def rerun(self) -> bool:
        """Call one that is due again, in a transaction of its own; return whether there was one.

        That it was tried is committed first: a callback that ends its own connection is not tried for ever.
        """
        taken = await self._taken()
        if not taken:
            return False
        job, lease, timeout = taken[0]
        try:
            async with self._connection.transaction():
                await self._rows("hold", {"job": job})
                await self._limit(timeout)
                self._called = True
                self._results += [(job, row) for row in await self._rows("rerun", {"job": job, "lease": lease})]
        except psycopg.Error as error:
            if is_connection_loss(error):
                raise
            held = is_locked(error) and not self._called
            if held:
                await self._rows("put_back", {"job": job, "lease": lease, "why": HELD})
            why = HELD if held else error.diag.message_primary or type(error).__name__
            log_event("callback_waiting", job_id=str(job), error=why)
            self._results.clear()
        await self.done()
        return True

    async def _taken(self) -> list[tuple[Any, ...]]:
        try:
            return await self._rows("take", {})
        except psycopg.Error as error:
            if not is_locked(error):
                raise
        return []  # somebody holds what is to be given up; it is looked at again

    async def done(self) -> None:
        """Tell what came of the callbacks, and rid the session of what they may have left in it."""
        for job, (function, state, attempts, error) in self._results:
            if state == "done" and not attempts:  # at the first call: nothing to tell
                continue
            log_event(f"callback_{state}", job_id=str(job), function=function, attempts=attempts, error=error)
        for why, count in self._put_off.items():
            log_event("callbacks_put_off", count=count, reason=why)
        if self._called:
            await self._clean()

    async def _clean(self) -> None:
        """The transaction is committed: a session that cannot be cleaned is closed, and no failure of its settle."""
        try:
            await self._connection.execute(f"{queries('callbacks.sql')['clean']};\n{set_again()}".encode())
        except psycopg.Error:
            await self._connection.close()

    async def _limit(self, timeout_ms: int) -> None:
        """A callback has its timeout, and waits for locks as the database or the role says: not as a settle does."""
        limits = f"SET LOCAL statement_timeout = {int(timeout_ms)}; SET LOCAL lock_timeout TO DEFAULT"
        await self._connection.execute(limits.encode())

    async def _later(self, ids: Sequence[UUID], why: str) -> None:
        put_off = await self._rows("put_off", {"ids": list(ids), "why": why})
        if put_off:
            self._put_off[why] = len(put_off)

    async def _rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        async with self._connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(queries("callbacks.sql")[name].encode(), parameters, prepare=True)
            return await cursor.fetchall()

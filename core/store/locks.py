"""How long a session that settles waits for locks: little for a row, so that one job's row keeps no other waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .db import SESSION, Connection

#: How long a settlement waits for a row that somebody holds, before it lets the others of its batch go first.
ROW_LOCK_TIMEOUT = "250ms"

_WAIT_BRIEFLY = f"SET lock_timeout = '{ROW_LOCK_TIMEOUT}'"


async def wait_briefly(connection: Connection) -> None:
    """Wait no longer than ROW_LOCK_TIMEOUT for any lock from now on."""
    await connection.execute(_WAIT_BRIEFLY.encode())


@asynccontextmanager
async def waiting_for_locks(connection: Connection) -> AsyncIterator[None]:
    """Wait for locks for as long as it takes, within the block."""
    await connection.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        await wait_briefly(connection)


def set_again() -> str:
    """Return the statements that make a settling session's settings again, after RESET ALL."""
    return ";\n".join([*(f"SET {name} = '{value}'" for name, value in SESSION.items()), _WAIT_BRIEFLY])

"""Whether a pooler stands between us and PostgreSQL, and whether it leaves a worker a session of its own."""

from __future__ import annotations

from ..errors import ConfigError
from .db import Connection, connect


async def stands_between(connection: Connection) -> bool:
    """Whether the connection ends at a pooler: the server's process is not the one that it names."""
    return await _process(connection) != connection.info.backend_pid


async def require_session(connection: Connection, dsn: str) -> None:
    """Raise ConfigError where each transaction of a connection may be given another session.

    The lock that proves a worker's life, its wake-ups and its settings belong to a session. A pooler shows by the
    process that it says the connection has; its mode, when somebody takes the session between two of our statements.
    """
    before = await _process(connection)
    if before == connection.info.backend_pid:
        return
    async with await connect(dsn, "specql-jobs pooler test") as other, other.transaction():
        await _process(other)
        if await _process(connection) != before:
            raise ConfigError(
                "a pooler gives each transaction another session (transaction mode); the lock that proves a worker's "
                "life, its wake-ups and its settings would be lost",
                hint="connect the worker directly, or with pool_mode = session for this database and user",
                code="E215",
                name="pooler-mode",
            )


async def _process(connection: Connection) -> int:
    row = await (await connection.execute("SELECT pg_backend_pid() AS pid")).fetchone()
    assert row is not None
    return int(row["pid"])

"""Following the queue: who wants to be told of changes, which jobs are still open, and output beyond a cursor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from .db import Connection, queries, translate

Row = dict[str, Any]

#: Followers say on this channel, every ASKING seconds, that they are there. Anyone may: its payload is ignored.
FOLLOW = "specql_jobs_follow"
#: Workers that heard of a follower say on this one that jobs have ended.
CHANGED = "specql_jobs_changed"
#: What else a follower hears: jobs that became ready while a worker waited, and requests to stop.
_HEARD = (CHANGED, "specql_jobs_ready", "specql_jobs_cancel")

ASKING = 5.0  # seconds

#: Chunks of captured output that one look fetches; each is bounded by the worker. The next look goes on behind them.
MOST_CHUNKS = 500

#: Where the reading of a job's output stands: lease and chunk of the last one seen.
Cursor = tuple[int, int]


async def listen(connection: Connection) -> None:
    """Hear of changes on this connection from now on; a standby tells nothing, and is looked at by the clock alone."""
    with suppress(psycopg.errors.ReadOnlySqlTransaction):
        for channel in _HEARD:
            await connection.execute(f"LISTEN {channel}".encode())


async def ask(connection: Connection) -> None:
    """Let every worker know that somebody follows; from a standby nobody hears it."""
    with suppress(psycopg.errors.ReadOnlySqlTransaction):
        await connection.execute(f"NOTIFY {FOLLOW}".encode())


async def tell(connection: Connection) -> None:
    """Let every follower know that something has changed."""
    await connection.execute(f"NOTIFY {CHANGED}".encode())


async def hear(connection: Connection, seconds: float) -> bool:
    """Wait for word of a change, at most so long; return whether it came."""
    return bool([note async for note in connection.notifies(timeout=seconds, stop_after=1)])


async def now(connection: Connection) -> datetime:
    """Return the database's time."""
    (row,) = await _rows(connection, "now", {})
    at: datetime = row["at"]
    return at


async def open_jobs(connection: Connection, ids: Sequence[UUID]) -> list[UUID]:
    """Return which of the jobs have not ended."""
    return [row["id"] for row in await _rows(connection, "open_jobs", {"ids": list(ids)})]


async def first_pending(connection: Connection, ids: Sequence[UUID]) -> UUID | None:
    """Return the first of the jobs that is pending, in the order given."""
    return next((row["id"] for row in await _rows(connection, "first_pending", {"ids": list(ids)})), None)


async def standings(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Return by id where each job stands: names, status, attempts, when and with which error it ended."""
    return {row["id"]: row for row in await _rows(connection, "standings", {"ids": list(ids)})}


async def logged_attempts(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    """Return by id the attempts that left output, oldest first: `lease_seq`, and `attempt` where that is known."""
    found: dict[UUID, list[Row]] = {id_: [] for id_ in ids}
    for row in await _rows(connection, "logged_attempts", {"ids": list(ids)}):
        found[row["job_id"]].append(row)
    return found


async def output_after(connection: Connection, cursors: Mapping[UUID, Cursor]) -> list[Row]:
    """Return captured output behind each job's cursor, in the order in which it was kept: MOST_CHUNKS at most."""
    given = {
        "ids": list(cursors),
        "leases": [lease for lease, _ in cursors.values()],
        "chunks": [chunk for _, chunk in cursors.values()],
        "limit": MOST_CHUNKS,
    }
    return await _rows(connection, "output_after", given)


async def _rows(connection: Connection, name: str, parameters: Row) -> list[Row]:
    try:
        return await (await connection.execute(queries("following.sql")[name].encode(), parameters)).fetchall()
    except psycopg.Error as error:
        raise translate(error) from None

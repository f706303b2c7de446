"""How the queue's tables are doing: counts, sizes, dead rows, vacuum, held snapshots. Reads only, quick at any size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg

from ..errors import Conflict
from ..job import Status
from . import waits
from .db import Connection, translate
from .statements import Questions, Row

#: Up to so many pages (80 MB) every row is counted; above, statuses of ended jobs are estimated.
COUNTED_PAGES = 10_000

#: Pending and failed jobs are counted up to here: beyond it the exact number changes nobody's mind. 0.3 s each, warm.
MOST_PENDING = 1_000_000
MOST_FAILED = 200_000

#: A migration holds the table: an answer is owed all the same.
LOCK_TIMEOUT = "2s"

_rows = Questions("health.sql").fetch


@dataclass(frozen=True, slots=True)
class Count:
    """How many jobs; not `exact` where it comes from the statistics or is a least number. `jobs` None: not known."""

    jobs: int | None
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One look. Rows have the columns of the queries of the same names in health.sql."""

    jobs: Mapping[str, Count]
    ready: int
    oldest_ready_seconds: float | None
    workers: Row
    pauses: list[waits.PauseInForce]
    unattended: bool  # jobs are due, not paused, and no worker is alive
    tables: list[Row]
    indexes: list[Row]
    snapshots: list[Row]
    transactions: int  # since the table was last frozen
    freeze_at: int
    sees_all: bool  # whether other roles' sessions are shown to this role
    long_external: int = 0  # running for over an hour, started by another program


async def look(connection: Connection, counted_pages: int = COUNTED_PAGES) -> Health:
    """Return the state of the queue's tables; raise Conflict while another session has locked them."""
    async with reading(connection):
        return await _look(connection, counted_pages)


@asynccontextmanager
async def reading(connection: Connection) -> AsyncIterator[None]:
    """Have the block in a transaction that only reads and soon gives up; raise Conflict where the table is locked."""
    try:
        async with connection.transaction():
            await connection.execute("SET TRANSACTION READ ONLY")
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())
            yield
    except psycopg.errors.LockNotAvailable:
        raise Conflict(
            "another session has locked jobs.tb_job_run: a migration, or somebody's LOCK TABLE",
            hint="SELECT pid, query FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks "
            "WHERE relation = 'jobs.tb_job_run'::regclass AND mode = 'AccessExclusiveLock');",
        ) from None
    except psycopg.Error as error:
        raise translate(error) from None


async def _look(connection: Connection, counted_pages: int) -> Health:
    (pending,) = await _rows(connection, "pending", {"most": MOST_PENDING})
    (server,) = await _rows(connection, "server")
    (workers,) = await _rows(connection, "workers")
    attended = await waits.attendance(connection)
    (external,) = await _rows(connection, "external")
    return Health(
        jobs=await _counts(connection, pending["pending"], counted_pages),
        ready=pending["ready"],
        oldest_ready_seconds=pending["oldest_ready_seconds"],
        workers=workers,
        pauses=await waits.pauses(connection),
        unattended=attended.open and not workers["alive"],
        tables=await _rows(connection, "tables"),
        indexes=await _rows(connection, "indexes"),
        snapshots=await _rows(connection, "snapshots"),
        **server,
        **external,
    )


async def _counts(connection: Connection, pending: int, counted_pages: int) -> dict[str, Count]:
    (seen,) = await _rows(connection, "shares")
    if seen["pages"] <= counted_pages:
        found = {row["status"]: row["jobs"] for row in await _rows(connection, "every_status")}
        return {status.value: Count(found.get(status, 0), exact=True) for status in Status}
    (running,) = await _rows(connection, "running")
    (failed,) = await _rows(connection, "failed", {"most": MOST_FAILED})
    return _estimated(seen) | {
        "pending": Count(pending, exact=pending < MOST_PENDING),
        "running": Count(running["running"], exact=True),
        "failed": Count(failed["failed"], exact=failed["failed"] < MOST_FAILED),
    }


def _estimated(seen: Row) -> dict[str, Count]:
    """What the statistics say: none of a status that ANALYZE did not meet, unknown where it never ran."""
    if seen["statuses"] is None:
        return {status.value: Count(None, exact=False) for status in Status}
    shares = dict(zip(seen["statuses"], seen["shares"], strict=True))
    return {status.value: Count(round(seen["rows"] * shares.get(status, 0.0)), exact=False) for status in Status}

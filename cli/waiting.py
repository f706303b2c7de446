"""Waiting for jobs to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..core.clock import monotonic
from .following import LATEST, Follower

if TYPE_CHECKING:
    from ..core.store.db import Connection

#: Seconds between two looks: short at first, because most jobs are, then easy on the database.
FIRST_LOOK = 0.02
LONGEST_LOOK = 1.0


async def looks(seconds: float) -> AsyncIterator[bool]:
    """Yield whenever it is time for a look, seldomer and seldomer; True at the last one, when `seconds` are over."""
    deadline = monotonic() + seconds
    pause = FIRST_LOOK
    while True:
        last = monotonic() >= deadline
        yield last
        if last:
            return
        await asyncio.sleep(min(pause, max(deadline - monotonic(), 0.0)))
        pause = min(pause * 1.5, LONGEST_LOOK)


async def wait_for(follower: Follower, ids: Sequence[UUID], seconds: float) -> None:
    """Return once every job has ended, in whatever way, or after `seconds`; 0 looks once. A deleted job has ended."""
    from ..core.store import following  # noqa: PLC0415 - psycopg costs 170 ms

    deadline = monotonic() + seconds
    left = list(ids)
    while left := await follower.ask(lambda connection: following.open_jobs(connection, left)):
        follower.announce()
        rest = deadline - monotonic()
        if rest <= 0:
            return
        await follower.change(most=min(rest, LATEST))


async def endings(connection: Connection, ids: Sequence[UUID]) -> dict[str, dict[str, Any]]:
    """Return status, output, error and usage of each job, by its id."""
    from ..core.store import report  # noqa: PLC0415 - psycopg costs 170 ms

    return {str(id_): _ended(row) for id_, row in (await report.jobs(connection, ids)).items()}


def _ended(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": row["status"],
        "attempts": row["attempts"],
        "output": row["output_data"],
        "error": error_of(row),
        "resource_usage": row["resource_usage"],
    }


def error_of(row: dict[str, Any]) -> dict[str, Any] | None:
    """Return category and message of a job's last error, if there was one."""
    failed = row["error_category"] or row["error_message"]
    return {"category": row["error_category"], "message": row["error_message"]} if failed else None

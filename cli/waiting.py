"""Waiting for jobs to end, by looking at their rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..core.clock import monotonic
from ..core.job import Status

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


async def wait_for(connection: Connection, ids: Sequence[UUID], seconds: float) -> dict[str, dict[str, Any]]:
    """Return status, output and error of each job once all have ended, or as they are after `seconds`."""
    from ..core.store import report  # noqa: PLC0415 - psycopg costs 170 ms

    rows: dict[UUID, dict[str, Any]] = {}
    async for _ in looks(seconds):
        rows = await report.jobs(connection, ids)
        if all(Status(row["status"]).terminal for row in rows.values()):
            break
    return {str(id_): _ended(row) for id_, row in rows.items()}


def _ended(row: dict[str, Any]) -> dict[str, Any]:
    failed = row["error_category"] or row["error_message"]
    error = {"category": row["error_category"], "message": row["error_message"]} if failed else None
    return {
        "status": row["status"],
        "attempts": row["attempts"],
        "output": row["output_data"],
        "error": error,
        "resource_usage": row["resource_usage"],
    }

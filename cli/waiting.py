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

#: Seconds between two looks without a notification: short at first, because most jobs are, then easy on the database.
FIRST_LOOK = 0.02
LONGEST_LOOK = 1.0


async def wait_for(follower: Follower, ids: Sequence[UUID], seconds: float) -> None:
    """Return once every job has ended, in whatever way, or after `seconds`; 0 looks once. A deleted job has ended.

    While nothing happens, the reason is said.
    """
    from ..core.store import following  # noqa: PLC0415 - psycopg costs 170 ms
    from .stillness import Stillness  # noqa: PLC0415 - with it

    deadline, still = monotonic() + seconds, Stillness(follower)
    left = list(ids)
    while left := await follower.ask(lambda connection: following.open_jobs(connection, left)):
        follower.announce()
        rest = deadline - monotonic()
        if rest <= 0:
            return
        await still.look(left)
        await follower.change(most=min(rest, LATEST))


async def met(follower: Follower, change: int, seconds: float) -> tuple[list[UUID], bool]:
    """Return the jobs of a bulk change, and whether somebody still goes on with it after `seconds`.

    Raise NotFound for a change that the ledger has not; jobs that were deleted since are left out.
    """
    from ..core.store import changes, report  # noqa: PLC0415 - psycopg costs 170 ms
    from .output.change_state import state_of  # noqa: PLC0415 - with it

    deadline = monotonic() + seconds
    while going := await follower.ask(lambda connection: changes.known_entry(connection, change)):
        rest = deadline - monotonic()
        if state_of(going) not in ("running", "canary") or rest <= 0:
            break
        await follower.change(most=min(rest, LATEST))
    members = await follower.ask(lambda connection: changes.members(connection, change, None))
    ids = [each["id"] for each in members]
    there = await follower.ask(lambda connection: report.existing(connection, ids))
    return [id_ for id_ in ids if id_ in there], state_of(going) in ("running", "canary")


async def endings(connection: Connection, ids: Sequence[UUID]) -> dict[str, dict[str, Any]]:
    """Return status, output, error and usage of each job, by its id."""
    from ..core.store import report  # noqa: PLC0415 - psycopg costs 170 ms

    return {str(id_): _ended(row) for id_, row in (await report.jobs(connection, ids)).items()}


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

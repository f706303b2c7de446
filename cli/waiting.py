"""Waiting for jobs to end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..core.clock import monotonic
from .following import LATEST, Follower

if TYPE_CHECKING:
    from ..core.store.db import Connection


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

"""Whether the queue of an incident is healthy again: what is still wrong, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...core.store import gates
from ...core.store.db import Connection
from ..output.text import amount
from .incidents import Incident

#: Jobs by operation and status; those that are not yet due, and were never tried, are as they should be.
_JOBS = """
SELECT operation, status, count(*)::int AS jobs
  FROM jobs.tb_job_run
 WHERE status <> 'pending' OR attempts > 0 OR crash_count > 0 OR run_at <= now()
 GROUP BY 1, 2 ORDER BY 1, 2
"""


async def wrongs(incident: Incident, connection: Connection, *, mended: bool) -> list[str]:
    """Return what is still wrong; nothing when all is well."""
    rows = await (await connection.execute(_JOBS)).fetchall()
    paused = await gates.pauses(connection)
    outside = [] if mended else [f"outside nothing has changed yet: demo incident {incident.name} --mend"]
    return [*outside, *_paused(paused), *_standing(incident, rows)]


def _paused(pauses: Sequence[dict[str, Any]]) -> list[str]:
    return [f"a pause is still in force ({len(pauses)} of them: specql-jobs resume)"] if pauses else []


def _standing(incident: Incident, rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        if row["status"] not in incident.may_end(row["operation"]):
            yield f"{amount(row['jobs'], 'job')} of {incident.service}.{row['operation']} {_is(row)} {row['status']}"


def _is(row: dict[str, Any]) -> str:
    return "is" if row["jobs"] == 1 else "are"

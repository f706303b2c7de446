"""`wait`: until jobs have ended, in whatever way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ...core.clock import monotonic
from ...core.errors import UsageError
from ...core.job import Status
from ...core.selector import parse_duration
from ..context import settings_for
from ..exits import Exit, Finished, Problem
from ..leaf import command, group
from ..options import Target
from ..output.console import Console
from ..selectors import complete, read_ids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from ..following import Follower

app = group("Wait until jobs have ended.")

DEFAULT_TIMEOUT = "10m"
#: A database that is away is waited for as long as the jobs are, but not shorter than this.
SHORTEST_PATIENCE = 5.0  # seconds


@command(
    app,
    "wait 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d",
    "wait 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d --timeout 1h -o json",
    "wait 0193c1 --timeout 0",
    "specql-jobs enqueue mail.send --batch recipients.jsonl -q | specql-jobs wait - --timeout 30m",
)
async def wait(
    console: Console,
    ids: Annotated[list[str], Argument(metavar="ID...", help="Ids, or unique beginnings; -: ids on stdin")],
    target: Target,
    lasts: Annotated[str, Option("--timeout", metavar="DUR", help="At most so long; 0 looks once")] = DEFAULT_TIMEOUT,
) -> None:
    """Wait until every job has completed, failed or been cancelled.

    Exit codes: 0 all have completed, 1 some have not, 3 an id is unknown, 8 the time is up and some are still open.
    """
    seconds, typed = 0.0 if lasts == "0" else parse_duration(lasts), read_ids(ids, prefixes=True)
    if not (typed.whole or typed.prefixes):
        raise UsageError(
            "stdin named no job", hint="did the command before the pipe fail?", code="E205", name="selector-missing"
        )
    from ..following import PATIENCE, follower  # noqa: PLC0415 - psycopg costs 170 ms

    started = monotonic()
    patience = min(PATIENCE, max(seconds, SHORTEST_PATIENCE))
    async with follower(console, settings_for(console, target), patience=patience) as following:
        whole = await following.ask(lambda connection: complete(connection, typed))
        jobs = await _waited(following, whole, seconds)
    data = {"jobs": jobs, "elapsed_ms": round((monotonic() - started) * 1000)}
    problem = _unfinished(jobs, lasts)
    console.answer(
        data, lambda: "" if console.quiet else "\n".join(_line(console, each) for each in jobs), problem=problem
    )
    if problem is not None:
        raise Finished(problem.exit_code)
    raise Finished(Exit.NEGATIVE if any(each["status"] != Status.COMPLETED for each in jobs) else Exit.OK)


async def _waited(following: Follower, ids: Sequence[UUID], seconds: float) -> list[dict[str, Any]]:
    """Return where the jobs stand after the waiting; raise NotFound for an unknown id, before it and after."""
    from ...core.store.following import standings  # noqa: PLC0415 - psycopg costs 170 ms
    from ..output.job_json import timestamp  # noqa: PLC0415 - with it
    from ..waiting import error_of, wait_for  # noqa: PLC0415 - the same
    from .show import refuse_unknown  # noqa: PLC0415 - the same

    for waiting in (True, False):
        rows = await following.ask(lambda connection: standings(connection, ids))
        refuse_unknown([id_ for id_ in ids if id_ not in rows])
        if waiting:
            await wait_for(following, ids, seconds)
    return [
        {
            "id": str(id_),
            "status": rows[id_]["status"],
            "service": rows[id_]["service_name"],
            "operation": rows[id_]["operation"],
            "attempts": rows[id_]["attempts"],
            "ended_at": timestamp(rows[id_]["completed_at"]),
            "error": error_of(rows[id_]),
        }
        for id_ in ids
    ]


def _line(console: Console, job: dict[str, Any]) -> str:
    from ..output.job_text import STATUS_COLOURS  # noqa: PLC0415 - after the query
    from ..output.text import one_line  # noqa: PLC0415 - the same

    status = console.painted(f"{job['status']:<9}", STATUS_COLOURS[job["status"]])
    error = f"  {job['error']['category'] or 'error'}: {job['error']['message'] or ''}" if job["error"] else ""
    return f"{job['id']}  {status}  " + one_line(f"{job['service']}.{job['operation']}{error}")


def _unfinished(jobs: list[dict[str, Any]], timeout: str) -> Problem | None:
    left = [each["id"] for each in jobs if not Status(each["status"]).terminal]
    if not left:
        return None
    are = "job has" if len(left) == 1 else "jobs have"
    message = f"{len(left)} {are} not ended within {timeout}" if timeout != "0" else f"{len(left)} {are} not ended yet"
    return Problem("E800", "still-pending", message, f"specql-jobs show {left[0]}", Exit.PENDING, retryable=True)

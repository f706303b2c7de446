"""`wait`: until jobs have ended, in whatever way."""

from __future__ import annotations

from collections import Counter
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
from ..selectors import Ids, complete, read_ids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from ..following import Follower

app = group("Wait until jobs have ended.")

DEFAULT_TIMEOUT = "10m"
#: A database that is away is waited for as long as the jobs are, but not shorter than this.
SHORTEST_PATIENCE = 5.0  # seconds
#: More jobs of a change than these are not told one by one.
MOST_LINES = 20


@command(
    app,
    "wait 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d",
    "wait 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d --timeout 1h -o json",
    "wait 0193c1 --timeout 0",
    "wait --change 12 --timeout 1h",
    "specql-jobs enqueue mail.send --batch recipients.jsonl -q | specql-jobs wait - --timeout 30m",
)
async def wait(
    console: Console,
    target: Target,
    ids: Annotated[
        list[str] | None, Argument(metavar="[ID]...", help="Ids, or unique beginnings; -: ids on stdin")
    ] = None,
    change: Annotated[
        int | None, Option("--change", min=1, metavar="N", help="All jobs of a bulk change: changes list has its id")
    ] = None,
    lasts: Annotated[str, Option("--timeout", metavar="DUR", help="At most so long; 0 looks once")] = DEFAULT_TIMEOUT,
) -> None:
    """Wait until every job has completed, failed or been cancelled.

    Where nothing happens for 3 s it says why. With --change it also waits for jobs that the change has still to
    meet; of more than 20 jobs the text has numbers, and those that did not complete.

    Exit codes: 0 all have completed, 1 some have not, 3 an id is unknown, 8 the time is up and some are still open.
    """
    seconds, typed = 0.0 if lasts == "0" else parse_duration(lasts), _typed(ids, change)
    from ..following import PATIENCE, follower  # noqa: PLC0415 - psycopg costs 170 ms
    from ..waiting import met  # noqa: PLC0415 - with it

    started = monotonic()
    patience = min(PATIENCE, max(seconds, SHORTEST_PATIENCE))
    async with follower(console, settings_for(console, target), patience=patience) as following:
        if typed is not None:
            whole, going = [*await following.ask(lambda connection: complete(connection, typed))], False
        else:
            whole, going = await met(following, change or 0, seconds)
        jobs = await _waited(following, whole, max(started + seconds - monotonic(), 0.0))
    data = {"jobs": jobs, "elapsed_ms": round((monotonic() - started) * 1000)}
    problem = _going(change) if going else _unfinished(jobs, lasts)
    console.answer(data, lambda: "" if console.quiet else _text(console, jobs, change), problem=problem)
    if problem is not None:
        raise Finished(problem.exit_code)
    raise Finished(Exit.NEGATIVE if any(each["status"] != Status.COMPLETED for each in jobs) else Exit.OK)


def _typed(ids: list[str] | None, change: int | None) -> Ids | None:
    """The ids that were typed, or None where a change has them."""
    if (change is None) == (not ids):
        raise UsageError(
            "ids or --change, one of them", hint="specql-jobs wait ID    or: specql-jobs wait --change N", code="E205",
            name="selector-missing",
        )  # fmt: skip
    if change is not None:
        return None
    typed = read_ids(ids, prefixes=True)
    if not (typed.whole or typed.prefixes):
        raise UsageError(
            "stdin named no job", hint="did the command before the pipe fail?", code="E205", name="selector-missing"
        )
    return typed


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


def _text(console: Console, jobs: list[dict[str, Any]], change: int | None) -> str:
    """Each job; of a large change the numbers, and some of those that did not complete."""
    if change is None or len(jobs) <= MOST_LINES:
        return "\n".join(_line(console, each) for each in jobs)
    other = [each for each in jobs if each["status"] != Status.COMPLETED]
    counts = Counter(each["status"] for each in jobs).most_common()
    numbers = ", ".join(f"{count:,} {status}" for status, count in counts)
    rest = len(other) - MOST_LINES
    more = [f"and {rest:,} more: specql-jobs changes show {change}"] if rest > 0 else []
    return "\n".join([numbers, *(_line(console, each) for each in other[:MOST_LINES]), *more])


def _line(console: Console, job: dict[str, Any]) -> str:
    from ..output.job_text import STATUS_COLOURS  # noqa: PLC0415 - after the query
    from ..output.text import one_line  # noqa: PLC0415 - the same

    status = console.painted(f"{job['status']:<9}", STATUS_COLOURS[job["status"]])
    error = f"  {job['error']['category'] or 'error'}: {job['error']['message'] or ''}" if job["error"] else ""
    return f"{job['id']}  {status}  " + one_line(f"{job['service']}.{job['operation']}{error}")


def _going(change: int | None) -> Problem:
    """A change that goes on by itself: a canary that has not decided, jobs that are still to be met."""
    message, hint = f"change {change} is still being made", f"specql-jobs changes show {change}"
    return Problem("E800", "still-pending", message, hint, Exit.PENDING, retryable=True)


def _unfinished(jobs: list[dict[str, Any]], timeout: str) -> Problem | None:
    left = [each["id"] for each in jobs if not Status(each["status"]).terminal]
    if not left:
        return None
    are = "job has" if len(left) == 1 else "jobs have"
    message = f"{len(left)} {are} not ended within {timeout}" if timeout != "0" else f"{len(left)} {are} not ended yet"
    return Problem("E800", "still-pending", message, f"specql-jobs show {left[0]}", Exit.PENDING, retryable=True)

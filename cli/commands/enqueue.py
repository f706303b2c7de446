"""`enqueue`: put jobs in the queue, their input checked first."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from typer import Argument, Option

from ...core.errors import InvalidInput, UsageError
from ...core.job import DependencyFailure, NewJob
from ...core.selector import parse_duration, parse_time
from ..batch_lines import problems, read_deadline, read_inputs, read_jobs, read_key
from ..context import database, load_registry, settings_for
from ..exits import Exit, Finished, Problem
from ..job_input import fields_hint, read_input
from ..leaf import command, group
from ..operations import resolve
from ..optional_value import optional_value
from ..options import JobInput, Sources, Target
from ..output.console import Console
from ..output.listed import remember_jobs
from ..selectors import Ids, complete, read_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...core.registry.model import Operation, Registry
    from ...core.settings import Settings
    from ...core.store.db import Connection
    from ...core.store.store import Enqueued

app = group("Put jobs in the queue.")

DEFAULT_WAIT = "10m"

#: Keys of a batch whose job has other input: so many are named.
MOST_WARNINGS = 5


@dataclass(frozen=True, slots=True)
class Wanted(JobInput):
    """One operation and its input; no operation where the lines of a batch name theirs."""

    operation: Annotated[str, Argument(metavar="[SERVICE.OPERATION]", help="As the registry names it")] = ""


@dataclass(frozen=True, slots=True)
class Placing:
    """When and as what the jobs are queued, and what they wait for."""

    at: Annotated[str, Option("--at", metavar="TIME", help="Not before: 2026-11-23T09:00, …Z or @epoch")] = ""
    delay: Annotated[str, Option("--in", metavar="DUR", help="Not before this much later: 15m, 2h")] = ""
    priority: Annotated[
        int, Option("--priority", min=-(2**31) + 1, max=2**31 - 1, metavar="N", help="Higher runs first")
    ] = 0
    key: Annotated[str, Option("--key", metavar="KEY", help="Idempotency key: the same key is the same job")] = ""
    tenant: Annotated[str, Option("--tenant", metavar="UUID", help="Tenant id")] = ""
    correlation: Annotated[str, Option("--correlation", metavar="ID", help="Correlation id")] = ""
    batch: Annotated[
        str,
        Option(
            "--batch", metavar="FILE", help="One input a line (JSONL), or without SERVICE.OPERATION one job; -: stdin"
        ),
    ] = ""
    after: Annotated[
        list[str] | None,
        Option("--after", metavar="ID[,ID…]", help="Wait until these jobs have completed; may be repeated"),
    ] = None
    on_failed_dependency: Annotated[
        DependencyFailure,
        Option("--on-failed-dependency", help="If one of these fails or is cancelled: fail too, be skipped, or run"),
    ] = DependencyFailure.FAIL
    deadline: Annotated[
        str, Option("--deadline", metavar="DUR", help="No attempt starts later than this after the job is due: 2h")
    ] = ""
    wait: Annotated[
        str, Option("--wait", metavar="[=DUR]", help=f"Wait until the jobs have ended, at most DUR ({DEFAULT_WAIT})")
    ] = ""


@command(
    app,
    """enqueue payments.charge --input '{"amount": 1200, "currency": "eur"}'""",
    "enqueue payments.charge --input @charge.json --key order-42 --wait",
    "enqueue reports.rebuild --set month=2026-10 --in 2h --priority 5 -q",
    "enqueue mail.send --batch recipients.jsonl",
    "enqueue reports.mail --after 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d --on-failed-dependency skip --deadline 2h",
    "enqueue --batch pipeline.jsonl",
    cls=optional_value("--wait", DEFAULT_WAIT, lambda word: re.fullmatch(r"\d[\d.smhdw]*", word) is not None),
)
async def enqueue(
    console: Console,
    job_input: Wanted,
    placing: Placing,
    sources: Sources,
    target: Target,
) -> None:
    """Check the input against the registry and insert jobs: all of them or none.

    A repeated --key inserts nothing; a warning says so where its job has other input.
    """
    seconds = parse_duration(placing.wait) if placing.wait else None
    settings = settings_for(console, target)
    registry = load_registry(sources, settings)
    new, after = _new_jobs(registry, job_input, placing), _ids(placing)
    from ...core.store.store import Store  # noqa: PLC0415 - psycopg costs 170 ms

    async with database(console, settings) as connection:
        before = await complete(connection, after)
        queued = await Store(connection).enqueue([replace(job, depends_on=(*before, *job.depends_on)) for job in new])
        await _note_other_inputs(console, connection, new, queued)
        data = [_json(job, done) for job, done in zip(new, queued, strict=True)]
    if seconds is not None:
        data = await _waited(console, settings, data, seconds)
    _answer(console, data, waited=seconds is not None)


async def _waited(
    console: Console, settings: Settings, data: list[dict[str, Any]], seconds: float
) -> list[dict[str, Any]]:
    from ..following import follower  # noqa: PLC0415 - psycopg costs 170 ms
    from ..waiting import endings, wait_for  # noqa: PLC0415 - the same

    named = data[0]["id"] if len(data) == 1 else f"{len(data)} jobs"
    console.say(f"queued {named}; waiting for the end")
    ids = [UUID(each["id"]) for each in data]
    async with follower(console, settings) as following:
        await wait_for(following, ids, seconds)
        ended = await following.ask(lambda connection: endings(connection, ids))
    return [each | ended.get(each["id"], {}) for each in data]


def _ids(placing: Placing) -> Ids:
    return read_ids([word for text in placing.after or () for word in text.split(",")], prefixes=True)


def _new_jobs(registry: Registry, job_input: JobInput, placing: Placing) -> list[NewJob]:
    shared = _placed(placing) | {
        "on_dependency_failure": placing.on_failed_dependency,
        "deadline_seconds": read_deadline(placing.deadline) if placing.deadline else None,
    }
    if placing.batch and (job_input.input or job_input.set or placing.key):
        raise UsageError("--batch brings its own inputs", hint="leave out --input, --set and --key")
    if not job_input.operation:
        if not placing.batch:
            raise UsageError(
                "no SERVICE.OPERATION was given", hint="write payments.charge, or --batch with a file of jobs"
            )
        return read_jobs(registry, placing.batch, shared)
    service, operation = resolve(registry, job_input.operation)
    inputs = read_inputs(operation, placing.batch) if placing.batch else [_checked(operation, job_input)]
    return [
        NewJob(service.name, operation.name, json.dumps(each), execution_type=service.execution_type, **shared)
        for each in inputs
    ]


def _placed(placing: Placing) -> dict[str, Any]:
    if placing.at and placing.delay:
        raise UsageError("--at and --in together", hint="give one of them")
    return {
        "run_at": _not_before(placing.at) if placing.at else None,
        "delay_seconds": parse_duration(placing.delay) if placing.delay else None,
        "priority": placing.priority,
        "idempotency_key": read_key(placing.key),
        "tenant_id": _tenant(placing.tenant),
        "correlation_id": placing.correlation or None,
    }


def _not_before(text: str) -> datetime:
    if re.fullmatch(r"\d[\d.smhdw]*", text):
        raise UsageError(f"--at {text!r} is not a time", hint=f"from now on: --in {text}; at a time: 2026-11-23T09:00")
    return parse_time(text)


def _tenant(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise UsageError(f"--tenant {text!r} is not a UUID", hint="tenant ids look like job ids") from None


def _checked(operation: Operation, job_input: JobInput) -> object:
    data = read_input(job_input, operation.input_schema)
    wrong = problems(operation, data)
    if wrong:
        name = f"{operation.service}.{operation.name}"
        message = f"the input does not fit {name}: {'; '.join(wrong)}"
        raise InvalidInput(message, problems=wrong, hint=fields_hint(operation.input_schema))
    return data


async def _note_other_inputs(
    console: Console, connection: Connection, new: Sequence[NewJob], queued: Sequence[Enqueued]
) -> None:
    """Warn of keys whose job was there already and has other input: what was typed just now is not executed."""
    from ...core.store import report  # noqa: PLC0415 - psycopg costs 170 ms

    repeated = [(job, done) for job, done in zip(new, queued, strict=True) if done.duplicate]
    if not repeated:
        return
    inputs = [job.input_data for job, _ in repeated]
    other = await report.other_inputs(connection, [done.id for _, done in repeated], inputs)
    for job, done in [repeated[place] for place in other[:MOST_WARNINGS]]:
        found = f"the job of key {job.idempotency_key} has other input, which stays; this one was not queued"
        console.warn(f"{found}: specql-jobs show {done.id}")
    if len(other) > MOST_WARNINGS:
        console.warn(f"and {len(other) - MOST_WARNINGS} more keys whose job has other input")


# ---- what is said ----------------------------------------------------------------------------------------------------


def _json(job: NewJob, done: Enqueued) -> dict[str, Any]:
    return {
        "id": str(done.id),
        "status": str(done.status),
        "service": job.service_name,
        "operation": job.operation,
        "duplicate": done.duplicate,
    }


def _answer(console: Console, data: list[dict[str, Any]], *, waited: bool) -> None:
    problem = _unfinished(data) if waited else None
    if len(data) > 1 and not waited and not console.is_json:
        console.say(f"{len(data):,} jobs were queued")
    remember_jobs(console, data)
    console.answer({"jobs": data}, lambda: "\n".join(_text(console, each) for each in data), problem=problem)
    if problem is not None:
        raise Finished(problem.exit_code)
    raise Finished(Exit.NEGATIVE if waited and any(each["status"] != "completed" for each in data) else Exit.OK)


def _unfinished(data: list[dict[str, Any]]) -> Problem | None:
    waiting = [each for each in data if each["status"] in ("pending", "running")]
    if not waiting:
        return None
    message = (
        f"{len(waiting)} of {len(data)} jobs have not ended yet; they stay in the queue"
        if len(data) > 1
        else "the job has not ended yet; it stays in the queue"
    )
    return Problem(
        "E800", "still-pending", message, f"specql-jobs show {waiting[0]['id']}", Exit.PENDING, retryable=True
    )


def _text(console: Console, job: dict[str, Any]) -> str:
    if console.quiet:
        return str(job["id"])
    line = f"{job['id']}  {job['status']:<9}  {job['service']}.{job['operation']}"
    if job["duplicate"]:
        line += "  (this key's job was there already)"
    if job.get("error"):
        line += f"  {job['error']['category']}: {job['error']['message']}"
    if job.get("output") is not None:
        line += f"  {json.dumps(job['output'])}"
    return line

"""`enqueue`: put jobs in the queue, their input checked first."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from typer import Option

from ...core.errors import InvalidInput, UsageError
from ...core.job import NewJob
from ...core.selector import parse_duration, parse_time
from ..context import database, load_registry, settings_for
from ..exits import Exit, Finished, Problem
from ..job_input import fields_hint, read_input, read_text
from ..leaf import command, group
from ..operations import resolve
from ..optional_value import optional_value
from ..options import JobInput, Sources, Target
from ..output.console import Console

if TYPE_CHECKING:
    from ...core.registry.model import Operation, Registry
    from ...core.store.store import Enqueued

app = group("Put jobs in the queue.")

DEFAULT_WAIT = "10m"
#: One statement, one transaction.
LARGEST_BATCH = 10_000
#: Bad lines named in one message.
MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Placing:
    """When and as what the jobs are queued."""

    at: Annotated[str, Option("--at", metavar="TIME", help="Not before: 2026-11-23T09:00, …Z or @epoch")] = ""
    delay: Annotated[str, Option("--in", metavar="DUR", help="Not before this much later: 15m, 2h")] = ""
    priority: Annotated[
        int, Option("--priority", min=-(2**31), max=2**31 - 1, metavar="N", help="Higher runs first")
    ] = 0
    key: Annotated[str, Option("--key", metavar="KEY", help="Idempotency key: the same key is the same job")] = ""
    tenant: Annotated[str, Option("--tenant", metavar="UUID", help="Tenant id")] = ""
    correlation: Annotated[str, Option("--correlation", metavar="ID", help="Correlation id")] = ""
    batch: Annotated[str, Option("--batch", metavar="FILE", help="One input object a line (JSONL); - for stdin")] = ""
    wait: Annotated[
        str, Option("--wait", metavar="[=DUR]", help=f"Wait until the jobs have ended, at most DUR ({DEFAULT_WAIT})")
    ] = ""


@command(
    app,
    """enqueue payments.charge --input '{"amount": 1200, "currency": "eur"}'""",
    "enqueue payments.charge --input @charge.json --key order-42 --wait",
    "enqueue reports.rebuild --set month=2026-10 --in 2h --priority 5 -q",
    "enqueue mail.send --batch recipients.jsonl",
    cls=optional_value("--wait", DEFAULT_WAIT, lambda word: re.fullmatch(r"\d[\d.smhdw]*", word) is not None),
)
async def enqueue(
    console: Console,
    job_input: JobInput,
    placing: Placing,
    sources: Sources,
    target: Target,
) -> None:
    """Check the input against the registry and insert jobs: all of them or none. A repeated --key inserts nothing."""
    seconds = parse_duration(placing.wait) if placing.wait else None
    settings = settings_for(console, target)
    registry = load_registry(sources, settings)
    new = _new_jobs(registry, job_input, placing)
    from ...core.store.store import Store  # noqa: PLC0415 - psycopg costs 170 ms
    from ..waiting import wait_for  # noqa: PLC0415 - asyncio, 55 ms

    async with database(console, settings) as connection:
        queued = await Store(connection).enqueue(new)
        data = [_json(job, done) for job, done in zip(new, queued, strict=True)]
        if seconds is not None:
            named = data[0]["id"] if len(data) == 1 else f"{len(data)} jobs"
            console.say(f"queued {named}; waiting for the end")
            ended = await wait_for(connection, [each.id for each in queued], seconds)
            data = [each | ended[each["id"]] for each in data]
    _answer(console, data, waited=seconds is not None)


def _new_jobs(registry: Registry, job_input: JobInput, placing: Placing) -> list[NewJob]:
    service, operation = resolve(registry, job_input.operation)
    if placing.batch and (job_input.input or job_input.set or placing.key):
        raise UsageError("--batch brings its own inputs", hint="leave out --input, --set and --key")
    inputs = _batch(operation, placing.batch) if placing.batch else [_checked(operation, job_input)]
    shared = _placed(placing)
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
        "idempotency_key": placing.key or None,
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
    problems = _problems(operation, data)
    if problems:
        name = f"{operation.service}.{operation.name}"
        message = f"the input does not fit {name}: {'; '.join(problems)}"
        raise InvalidInput(message, problems=problems, hint=fields_hint(operation.input_schema))
    return data


def _problems(operation: Operation, data: object) -> tuple[str, ...]:
    from ...core.registry.schemas import for_input  # noqa: PLC0415 - jsonschema

    return for_input(operation).check(data)


def _batch(operation: Operation, name: str) -> list[object]:
    """Return the batch's inputs; raise InvalidInput naming every bad line, so that nothing is inserted by halves."""
    found: list[object] = []
    bad: list[str] = []
    for number, line in enumerate(_lines(name), start=1):
        if line.strip():
            data, problem = _line(operation, line)
            found.append(data)
            bad += [f"line {number}: {problem}"] if problem else []
    if bad:
        more = f"; and {len(bad) - MOST_PROBLEMS} more lines" if len(bad) > MOST_PROBLEMS else ""
        message = f"nothing was enqueued; {'; '.join(bad[:MOST_PROBLEMS])}{more}"
        raise InvalidInput(message, problems=tuple(bad), hint="mend these lines and run the command again")
    if not 0 < len(found) <= LARGEST_BATCH:
        hint = "write one input object a line" if not found else "split the file"
        raise UsageError(f"a batch has 1 to {LARGEST_BATCH} lines, {name} has {len(found)}", hint=hint)
    return found


def _lines(name: str) -> list[str]:
    # Only line feeds end a line: JSON strings may hold U+2028.
    return read_text(Path("/dev/stdin" if name == "-" else name)).split("\n")


def _line(operation: Operation, line: str) -> tuple[object, str]:
    from ...core.registry.schemas import parse_input  # noqa: PLC0415 - jsonschema

    try:
        data = parse_input(line)
    except InvalidInput as error:
        return None, error.message
    return data, "; ".join(_problems(operation, data))


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
        console.say(f"{len(data)} jobs were queued")
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

"""The lines of `enqueue --batch`: inputs of one operation, or whole jobs that may wait for each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..core.errors import InvalidInput, SpecqlJobsError, UsageError
from ..core.job import DependencyFailure, NewJob
from ..core.selector import parse_duration
from ..core.ticks import RESERVED
from .job_input import read_text
from .operations import resolve
from .output.text import amount

if TYPE_CHECKING:
    from ..core.registry.model import Operation, Registry

#: One statement, one transaction.
LARGEST_BATCH = 10_000
#: Bad lines named in one message.
MOST_PROBLEMS = 20

#: What a line of jobs may say, and as what.
KEYS: Mapping[str, type] = {
    "operation": str,
    "input": dict,
    "ref": str,
    "after": list,
    "on_failed_dependency": str,
    "key": str,
    "priority": int,
    "deadline": str,
}
_WORDS = {str: "a text", dict: "an object", list: "a list of refs and ids", int: "a whole number"}


def problems(operation: Operation, data: object) -> tuple[str, ...]:
    """Return why the data does not fit the operation's input_schema; nothing where it does."""
    from ..core.registry.schemas import for_input  # noqa: PLC0415 - jsonschema

    return for_input(operation).check(data)


def read_inputs(operation: Operation, name: str) -> list[object]:
    """Return the batch's inputs; raise InvalidInput naming every bad line, so that nothing is inserted by halves."""
    found: list[object] = []
    bad: list[str] = []
    for number, line in _lines(name):
        data, problem = _input(operation, line)
        found.append(data)
        bad += [f"line {number}: {problem}"] if problem else []
    return _whole(found, bad, name, "write one input object a line")


def read_jobs(registry: Registry, name: str, shared: Mapping[str, Any]) -> list[NewJob]:
    """Return the batch's jobs, each a line that names its operation; raise InvalidInput naming every bad line.

    `shared` is what the command line says for all of them. A line may wait for an earlier one by its ref, or its key.
    """
    refs: dict[str, UUID] = {}
    found: list[NewJob] = []
    bad: list[str] = []
    for number, line in _lines(name):
        try:
            found.append(_job(registry, line, refs, shared))
        except SpecqlJobsError as error:
            bad.append(f"line {number}: {error.message}")
    return _whole(found, bad, name, 'write one job a line: {"operation": "pay.charge", "input": {}, "ref": "a"}')


def _whole(found: list[Any], bad: list[str], name: str, hint: str) -> list[Any]:
    if bad:
        more = f"; and {amount(len(bad) - MOST_PROBLEMS, 'more line')}" if len(bad) > MOST_PROBLEMS else ""
        message = f"nothing was enqueued; {'; '.join(bad[:MOST_PROBLEMS])}{more}"
        raise InvalidInput(message, problems=tuple(bad), hint="mend these lines and run the command again")
    if not 0 < len(found) <= LARGEST_BATCH:
        hint = hint if not found else "split the file"
        raise UsageError(f"a batch has 1 to {LARGEST_BATCH} lines, {name} has {len(found)}", hint=hint)
    return found


def _lines(name: str) -> Iterator[tuple[int, str]]:
    # Only line feeds end a line: JSON strings may hold U+2028.
    text = read_text(Path("/dev/stdin" if name == "-" else name))
    return ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def _input(operation: Operation, line: str) -> tuple[object, str]:
    from ..core.registry.schemas import parse_input  # noqa: PLC0415 - jsonschema

    try:
        data = parse_input(line)
    except InvalidInput as error:
        return None, error.message
    return data, "; ".join(problems(operation, data))


# ---- a line that is a job --------------------------------------------------------------------------------------------


def _job(registry: Registry, line: str, refs: dict[str, UUID], shared: Mapping[str, Any]) -> NewJob:
    from ..core.store.store import new_job_id  # noqa: PLC0415 - psycopg costs 170 ms

    stated = _stated(line)
    service, operation = resolve(registry, stated.get("operation", ""))
    data = stated.get("input", {})
    if wrong := problems(operation, data):
        raise InvalidInput(f"the input does not fit {service.name}.{operation.name}: {'; '.join(wrong)}")
    own: dict[str, Any] = {
        "id": new_job_id(),
        "depends_on": tuple(_earlier(word, refs) for word in stated.get("after", ())),
        **_placed(stated),
    }
    _remember(stated.get("ref") or stated.get("key"), own["id"], refs)
    kind = service.execution_type
    return NewJob(service.name, operation.name, json.dumps(data), execution_type=kind, **{**shared, **own})


def _stated(line: str) -> dict[str, Any]:
    from ..core.registry.schemas import parse_input  # noqa: PLC0415 - jsonschema

    stated: object = parse_input(line)
    if not isinstance(stated, dict):
        raise InvalidInput("it is not a JSON object")
    for key, value in stated.items():
        if key not in KEYS:
            raise InvalidInput(f"unknown key {key[:80]!r}; a job has {', '.join(KEYS)}")
        if not isinstance(value, KEYS[key]) or isinstance(value, bool):
            raise InvalidInput(f"{key} is not {_WORDS[KEYS[key]]}")
    return stated


def _earlier(word: object, refs: Mapping[str, UUID]) -> UUID:
    if isinstance(word, str) and word in refs:
        return refs[word]
    try:
        return UUID(str(word))
    except ValueError:
        raise InvalidInput(f"after: {str(word)[:80]!r} is neither the ref of an earlier line nor a job's id") from None


def _remember(ref: str | None, id_: UUID, refs: dict[str, UUID]) -> None:
    if ref in refs:
        raise InvalidInput(f"ref {ref[:80]!r} stands on an earlier line too")
    if ref:
        refs[ref] = id_


def _placed(stated: Mapping[str, Any]) -> dict[str, Any]:
    """What a line says of when and how its job is queued; what it leaves out, the command line says."""
    placed: dict[str, Any] = {}
    if "key" in stated:
        placed["idempotency_key"] = read_key(stated["key"])
    if "priority" in stated:
        if not -(2**31) < stated["priority"] < 2**31:
            raise InvalidInput("priority is out of bounds")
        placed["priority"] = stated["priority"]
    if "deadline" in stated:
        placed["deadline_seconds"] = read_deadline(stated["deadline"])
    if "on_failed_dependency" in stated:
        placed["on_dependency_failure"] = _choice(stated["on_failed_dependency"])
    return placed


def read_key(text: str) -> str | None:
    """Return an idempotency key, None where there is none; raise UsageError for one that only schedules make."""
    if text.startswith(RESERVED):
        message = f"the key {text[:80]!r} begins with {RESERVED}, as only the keys of schedules' jobs do"
        raise UsageError(message, hint="choose another: a job with the key of a coming tick would take its place")
    return text or None


def read_deadline(text: str) -> float:
    """Return a deadline's seconds; raise UsageError where it is no duration, or none at all."""
    seconds = parse_duration(text)
    if seconds <= 0:
        raise UsageError(f"the deadline {text!r} is over before it begins", hint="write 30m or 2h")
    return seconds


def _choice(word: str) -> DependencyFailure:
    try:
        return DependencyFailure(word)
    except ValueError:
        raise InvalidInput(f"on_failed_dependency is fail, skip or run, not {word[:80]!r}") from None

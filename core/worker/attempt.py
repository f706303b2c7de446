"""One attempt of one job, as a pipeline over values: resolve -> validate -> plan -> judge -> execute -> settle.

`perform` is the half that `specql-jobs run` shares; `attempt` adds what a queue row needs around it. Nothing here
raises for a job's failure: whatever happens becomes one Settlement.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..clock import monotonic
from ..contract import ExecutionContext, Failed, Interrupted, JobResult, PlanError, Refused, StopSignal, Succeeded
from ..errors import Denied, InvalidInput, NotFound, SpecqlJobsError
from ..job import Category, JobRecord
from ..lifecycle import DEFAULT_MAX_ATTEMPTS, Origin, RetryPolicy, Settlement, settle
from ..log import log_event
from ..policy import judge
from ..secrets import Secrets
from .budget import Budget, is_limited
from .planner import Draft, Planner, Prepared

#: Settings of a job whose operation could not be resolved: nothing is known, so nothing is retried.
_UNRESOLVED = RetryPolicy(max_retries=0)


#: Made once: json.dumps builds an encoder per call when it is given options.
_ENCODE = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode

#: What a failed target said is kept for people up to here, in bytes of JSON.
LARGEST_ERROR_OUTPUT = 65536


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every attempt of one worker shares. Replaced whole when the registry is reloaded."""

    planner: Planner
    secrets: Secrets
    worker_id: str = ""
    budget: Budget | None = None  # None: a job outside the queue, which no hourly limit counts


class Performed(NamedTuple):
    """What came of an attempt and, of a success, the JSON of its output: what was checked is what is stored."""

    result: JobResult
    output_text: str | None = None


async def attempt(job: JobRecord, document: str | None, around: Surroundings, stop: StopSignal) -> Settlement:
    """Take one claimed job to its settlement. `document` is its input as JSON text, None when it cannot be read."""
    try:
        prepared = around.planner.prepared(job.service_name, job.operation)
    except SpecqlJobsError as error:
        return _unprepared(job, error, around)
    result, text = await _performed(prepared, job, document, around, stop)
    chance = random.random()  # noqa: S311 - jitter
    origin = around.planner.origin(prepared, job)
    limit = prepared.max_attempts(job)
    left = prepared.seconds_left(job, monotonic())
    retry = prepared.service.retry
    return settle(job, result, retry, limit, chance, origin=origin, output_text=text, seconds_left=left)


async def _performed(
    prepared: Prepared, job: JobRecord, document: str | None, around: Surroundings, stop: StopSignal
) -> Performed:
    left = prepared.seconds_left(job, monotonic())
    if left is not None and left <= 0:
        message = "the job's deadline had passed before this attempt could start; nothing was executed"
        return Performed(_failed(Category.TIMEOUT, message))
    try:
        data = prepared.read(_readable(document))
        draft = around.planner.draft(prepared, job, data, left)
    except InvalidInput as error:
        return Performed(_failed(Category.INVALID_INPUT, around.secrets.redact(error.message)))
    except PlanError as error:
        return Performed(_failed(error.category, around.secrets.redact(error.message)))
    if around.budget is None or draft.violations or not is_limited(draft):
        return await _execute(draft, around, stop)
    return await _within_budget(around.budget, draft, around, stop)


async def _within_budget(budget: Budget, draft: Draft, around: Surroundings, stop: StopSignal) -> Performed:
    """Perform what the policy limits by the hour (invocations or cost) under a reservation."""
    reserved = await budget.reserve(draft)
    if isinstance(reserved, Interrupted):
        return Performed(JobResult(reserved))
    performed = await _execute(draft, around, stop)
    await budget.settle(reserved, performed.result.usage)
    return performed


async def perform(draft: Draft, around: Surroundings, stop: StopSignal) -> JobResult:
    """Execute a judged plan and check its output; a refused plan touches nothing."""
    return (await _execute(draft, around, stop)).result


async def _execute(draft: Draft, around: Surroundings, stop: StopSignal) -> Performed:
    if draft.violations:
        return Performed(JobResult(Refused(draft.violations)))
    call = draft.call
    stop.timeout_seconds, stop.expected_by = call.timeout_seconds, monotonic() + call.timeout_seconds
    context = ExecutionContext(
        job_id=call.job_id,
        timeout_seconds=call.timeout_seconds,
        secrets=around.secrets,
        lease_seq=call.lease_seq,
        attempt=call.attempt,
        worker_id=around.worker_id,
        stop=stop,
        judge=lambda footprint: judge(footprint, call.policy),
    )
    result = await _run(draft, context)
    if isinstance(result.outcome, Succeeded):
        checked, text = _checked(draft, result.outcome, around.secrets)
        return Performed(result if checked is result.outcome else replace(result, outcome=checked), text)
    return Performed(_redacted(result, around.secrets))


async def _run(draft: Draft, context: ExecutionContext) -> JobResult:
    try:
        return await draft.prepared.runner.execute(draft.plan, context)
    except Denied as error:  # a secret that is not set on this host
        return JobResult(Failed(Category.INFRASTRUCTURE, error.message, retryable=True))
    except Exception as error:  # noqa: BLE001 - a runner's bug must end as an outcome, not end the worker
        name = f"{draft.prepared.service.name}.{draft.prepared.operation.name}"
        log_event("runner_bug", job_id=str(context.job_id), operation=name, error=type(error).__name__, exc_info=error)
        message = f"the {draft.prepared.runner.execution_type} runner failed with {type(error).__name__} (a bug)"
        return JobResult(Failed(Category.INTERNAL, message, retryable=True))


def _checked(draft: Draft, outcome: Succeeded, secrets: Secrets) -> tuple[Succeeded | Failed, str | None]:
    """Return the outcome, and its JSON, if its output fits output_schema and can be stored, else the failure."""
    output, text, problem = storable(outcome.output, _largest_output(draft), secrets)
    problems = (problem,) if problem else _misfits(draft.prepared, output, text)
    if problems:
        return Failed(Category.INVALID_OUTPUT, f"the output is not usable: {'; '.join(problems)}"), None
    return outcome if output is outcome.output else Succeeded(output), None if output is None else text


def _largest_output(draft: Draft) -> int:
    """The plan states what it would accept; a runner that states nothing gets the policy's cap."""
    return draft.footprint.output_bytes or draft.call.policy.max_output_bytes


def _misfits(prepared: Prepared, output: Any, text: str) -> tuple[str, ...]:
    return prepared.output.check_encoded(output, text) if prepared.output else ()


def storable(output: Any, limit: int, secrets: Secrets) -> tuple[Any, str, str]:
    """Return output that jsonb accepts and that holds no secret, its JSON, and "" or why there is none.

    `limit` is in bytes of JSON.

    jsonb refuses NUL and lone surrogates; they become U+FFFD rather than make a finished job unfinishable.
    """
    try:
        text = _ENCODE(output)
    except (TypeError, ValueError, RecursionError) as error:
        return None, "", f"it is not JSON: {error}"
    if len(text) > limit:
        return None, "", f"it is {len(text)} bytes of JSON, at most {limit} are allowed (max_output_bytes)"
    if secrets.redact(text) is not text:
        output = _masked(output, secrets)
        text = _ENCODE(output)
    if "\\u0000" in text or "\\ud" in text:
        output = _cleaned(output)
        text = _ENCODE(output)
    return output, text, ""


def _masked(value: Any, secrets: Secrets) -> Any:
    """Return JSON data with every secret masked; a number that holds one (a token of digits) becomes text."""
    if isinstance(value, str):
        return secrets.redact(value)
    if isinstance(value, dict):
        return {secrets.redact(str(key)): _masked(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item, secrets) for item in value]
    text = _ENCODE(value)
    clean = secrets.redact(text)
    return value if clean is text else clean


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value


def _redacted(result: JobResult, secrets: Secrets) -> JobResult:
    """Nothing that a runner says about a failure may hold a secret, or text that Postgres refuses."""
    outcome = result.outcome
    if not isinstance(outcome, Failed):
        return result
    message = _cleaned(secrets.redact(outcome.message))[:4000]
    output, _text, _why = storable(outcome.output, LARGEST_ERROR_OUTPUT, secrets)
    return replace(result, outcome=replace(outcome, message=message, output=output))


def _readable(document: str | None) -> str:
    if document is None:
        raise InvalidInput("the input cannot be read: it is larger than 1 MiB as text, or Postgres cannot print it")
    return document


def _failed(category: Category, message: str) -> JobResult:
    return JobResult(Failed(category, message))


def _unprepared(job: JobRecord, error: SpecqlJobsError, around: Surroundings) -> Settlement:
    """An operation that this registry does not have, or cannot configure: failed, for a person to see and retry."""
    category = Category.INVALID_INPUT if isinstance(error, NotFound) else Category.INFRASTRUCTURE
    message = f"{error.message} in this worker's registry" if isinstance(error, NotFound) else error.message
    limit = job.max_attempts or DEFAULT_MAX_ATTEMPTS
    origin = Origin(registry_digest=around.planner.registry.digest)
    return settle(job, _failed(category, message), _UNRESOLVED, limit, 0.0, origin=origin)

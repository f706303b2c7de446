"""Values to a statement's parameters, and rows to values. One array per column: a batch is one statement."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from ..contract import LogChunk, Violation
from ..job import JobRecord, NewJob
from ..lanes import Claimed, Limits, News, Portion
from ..lifecycle import Settlement

#: Made once: json.dumps builds an encoder per call when it is given options.
_ENCODE = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def of_new_jobs(ids: Sequence[UUID], new: Sequence[NewJob]) -> dict[str, Any]:
    """Return the parameters of `enqueue`."""
    return {
        "ids": ids,
        "services": [job.service_name for job in new],
        "operations": [job.operation for job in new],
        "types": _stated([job.execution_type for job in new]),
        "inputs": [job.input_data for job in new],
        "run_ats": _stated([job.run_at for job in new]),
        "delays": _stated([job.delay_seconds for job in new]),
        "priorities": [job.priority for job in new],
        "keys": _stated([job.idempotency_key for job in new]),
        "tenants": _stated([job.tenant_id for job in new]),
        "correlations": _stated([job.correlation_id for job in new]),
        "max_attempts": _stated([job.max_attempts for job in new]),
        "timeouts": _stated([job.timeout_seconds for job in new]),
        "parents": _stated([job.parent_id for job in new]),
        "deadlines": _stated([job.deadline_seconds for job in new]),
    }


def of_dependencies(new: Sequence[tuple[UUID, NewJob]], actual: Mapping[UUID, UUID]) -> dict[str, Any]:
    """Return the parameters of `depend`, a pair for each edge; `actual`: ids whose key had another job already."""
    edges = [(id_, actual.get(each, each), job.on_dependency_failure) for id_, job in new for each in job.depends_on]
    jobs, dependencies, choices = zip(*edges, strict=True)
    return {"jobs": list(jobs), "dependencies": list(dependencies), "choices": list(choices)}


def _stated(values: list[Any]) -> list[Any] | None:
    """Return the column, or None where no row states anything: unnest() fills up a column that is shorter."""
    return values if any(value is not None for value in values) else None


def record(row: tuple[Any, ...], now: float) -> JobRecord:
    """Return one row of `claim` as a job: its first columns are the record's first fields, in that order.

    `now` in monotonic seconds: the last columns say how long the job has been due, and what is left to its deadline.
    """
    return JobRecord._make((*row[:12], None, None, now - row[17], None if row[18] is None else now + row[18]))


def claimed(row: tuple[Any, ...], now: float) -> Claimed:
    """Return one row of `claim` with its documents."""
    job = record(row, now)
    if row[15] is not None or row[16] is not None:
        job, _ = with_documents(job, None, row[15], row[16])
    return Claimed(job, row[14], row[12], row[13])


def of_portions(portions: Sequence[Portion]) -> dict[str, Any]:
    """Return the lanes of a claim; `service` and `type` are those of a claim from one service."""
    return {
        "places": [portion.lane.place for portion in portions],
        "services": [portion.lane.service for portion in portions],
        "operations": [portion.lane.operation for portion in portions],
        "tenants": [portion.lane.tenant for portion in portions],
        "types": [portion.execution_type for portion in portions],
        "after": [portion.after for portion in portions],
        "quotas": [portion.quota for portion in portions],
        "service": portions[0].lane.service,
        "type": portions[0].execution_type,
    }


def of_limits(limits: Limits) -> dict[str, Any]:
    """Return what a claim from one service is limited to."""
    return {
        "most_running": limits.max_concurrency,
        "most_a_minute": limits.rate_per_minute,
        "tenant_running": limits.tenant_concurrency,
        "tenant_a_minute": limits.tenant_rate_per_minute,
    }


def of_news(news: Sequence[News]) -> dict[str, Any]:
    """Return the parameters of `note_outcomes`."""
    return {
        "services": [item.service for item in news],
        "answered": [item.answered for item in news],
        "failed": [item.failed for item in news],
        "thresholds": [item.breaker.threshold for item in news],
        "recoveries": [item.breaker.recovery_seconds for item in news],
    }


def with_documents(
    job: JobRecord, document: str | None, config: str | None, context: str | None
) -> tuple[JobRecord, str | None]:
    """Return a claimed job with what its row asks for, and its input."""
    asked, narrowed = _narrowing(config), _narrowing(context)
    return (job._replace(runner_config=asked, security_context=narrowed) if asked or narrowed else job), document


def _narrowing(text: str | None) -> dict[str, object] | None:
    """Return what a row asks for; anything that is not an object becomes a key that no policy knows: refused."""
    if text is None or text in ("{}", "null"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = "unreadable"
    return value if isinstance(value, dict) else {"(no readable object)": value}


def of_completed(settlements: Sequence[Settlement]) -> dict[str, Any]:
    """Return the parameters of `settle_completed`: one entry for each distinct origin, and its number for each job."""
    numbers: dict[tuple[int, int], int] = {}
    distinct: list[Settlement] = []
    origins: list[int] = []
    for settlement in settlements:
        key = (id(settlement.origin), settlement.max_attempts)  # by identity: an Origin's hash reads all its texts
        if key not in numbers:
            distinct.append(settlement)
            numbers[key] = len(distinct)
        origins.append(numbers[key])
    return {**_results(settlements), **_origins(distinct), "origins": origins}


def of_settled(settlements: Sequence[Settlement]) -> dict[str, Any]:
    """Return the parameters of `settle`."""
    return {
        **_results(settlements),
        **_origins(settlements),
        "statuses": [s.status for s in settlements],
        "given_back": [s.gives_attempt_back for s in settlements],
        "delays": [s.delay_seconds for s in settlements],
        "lefts": [s.seconds_left for s in settlements],
        "categories": [s.category for s in settlements],
        "messages": [s.message for s in settlements],
        "fingerprints": [s.fingerprint for s in settlements],
        "endings": [s.ending for s in settlements],
        "violations": [_violations(s.violations) for s in settlements],
    }


def _results(settlements: Sequence[Settlement]) -> dict[str, Any]:
    return {
        "ids": [s.job.id for s in settlements],
        "leases": [s.job.lease_seq for s in settlements],
        "outputs": [s.output_text or _json(s.output) for s in settlements],
        "usages": [_json(s.usage) for s in settlements],
        "logs": [_chunks(s.logs) for s in settlements],
    }


def _origins(settlements: Sequence[Settlement]) -> dict[str, Any]:
    return {
        "max_attempts": [s.max_attempts for s in settlements],
        "types": [s.origin.execution_type for s in settlements],
        "versions": [s.origin.runner_version for s in settlements],
        "policies": [s.origin.policy_digest for s in settlements],
        "sandboxes": [s.origin.sandbox for s in settlements],
    }


def _chunks(logs: Sequence[LogChunk]) -> str | None:
    """Captured output as JSON text: one statement writes it with the result that it belongs to."""
    return _json([(chunk.stream, chunk.text, chunk.truncated) for chunk in logs]) if logs else None


def _violations(found: Sequence[Violation]) -> str | None:
    """What the audit trail keeps of a refusal, as JSON text."""
    return _json([{"code": v.code, "field": v.field, "message": v.message} for v in found]) if found else None


def _json(value: Any) -> str | None:
    """JSON text that jsonb accepts. The attempt has already bounded and cleaned it (see attempt.storable)."""
    return None if value is None else _ENCODE(value)

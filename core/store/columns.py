"""Values to a statement's parameters, and rows to values. One array per column: a batch is one statement."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from ..contract import Violation
from ..job import JobRecord, NewJob
from ..lifecycle import Settlement

#: Made once: json.dumps builds an encoder per call when it is given options.
_ENCODE = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def of_new_jobs(ids: Sequence[UUID], new: Sequence[NewJob]) -> dict[str, Any]:
    """Return the parameters of `enqueue`."""
    return {
        "ids": ids,
        "services": [job.service_name for job in new],
        "operations": [job.operation for job in new],
        "types": [job.execution_type for job in new],
        "inputs": [job.input_data for job in new],
        "run_ats": [job.run_at for job in new],
        "delays": [job.delay_seconds for job in new],
        "priorities": [job.priority for job in new],
        "keys": [job.idempotency_key for job in new],
        "tenants": [job.tenant_id for job in new],
        "correlations": [job.correlation_id for job in new],
        "max_attempts": [job.max_attempts for job in new],
        "timeouts": [job.timeout_seconds for job in new],
        "parents": [job.parent_id for job in new],
        "deadlines": [job.deadline_seconds for job in new],
    }


def of_dependencies(new: Sequence[tuple[UUID, NewJob]], actual: Mapping[UUID, UUID]) -> dict[str, Any]:
    """Return the parameters of `depend`, a pair for each edge; `actual`: ids whose key had another job already."""
    edges = [(id_, actual.get(each, each), job.on_dependency_failure) for id_, job in new for each in job.depends_on]
    jobs, dependencies, choices = zip(*edges, strict=True)
    return {"jobs": list(jobs), "dependencies": list(dependencies), "choices": list(choices)}


def record(row: tuple[Any, ...], now: float) -> JobRecord:
    """Return one row of `claim` as a job: its first columns are the record's first fields, in that order.

    `now` in monotonic seconds: the last column says for how long the job has been due.
    """
    return JobRecord._make((*row[:11], None, None, now - row[13], None))


def with_documents(
    job: JobRecord, deadline: float | None, document: str | None, config: str | None, context: str | None
) -> tuple[JobRecord, str | None]:
    """Return a claimed job with its row's deadline (monotonic seconds), what its row asks for, and its input."""
    asked, narrowed = _narrowing(config), _narrowing(context)
    if asked or narrowed or deadline is not None:
        job = job._replace(runner_config=asked, security_context=narrowed, deadline=deadline)
    return job, document


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
    """Return the parameters of `settle_completed`."""
    return {
        "ids": [s.job.id for s in settlements],
        "leases": [s.job.lease_seq for s in settlements],
        "outputs": [_json(s.output) for s in settlements],
        "usages": [_json(s.usage) for s in settlements],
        "max_attempts": [s.max_attempts for s in settlements],
        "types": [s.execution_type for s in settlements],
        "versions": [s.runner_version for s in settlements],
        "policies": [s.policy_digest for s in settlements],
        "sandboxes": [s.sandbox for s in settlements],
    }


def of_settled(settlements: Sequence[Settlement]) -> dict[str, Any]:
    """Return the parameters of `settle`."""
    return of_completed(settlements) | {
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


def _violations(found: Sequence[Violation]) -> str | None:
    """What the audit trail keeps of a refusal, as JSON text."""
    return _json([{"code": v.code, "field": v.field, "message": v.message} for v in found]) if found else None


def _json(value: Any) -> str | None:
    """JSON text that jsonb accepts. The attempt has already bounded and cleaned it (see attempt.storable)."""
    return None if value is None else _ENCODE(value)

"""A job as data: the keys that `list` and `show` promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...core.job import ExecutionType
from . import job_links, job_why
from .text import amount, one_line

Row = Mapping[str, Any]


def timestamp(at: datetime | None) -> str | None:
    """Return RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def duration_ms(started: datetime | None, ended: datetime | None) -> int | None:
    """Return milliseconds between two times; None while either is missing."""
    return round((ended - started).total_seconds() * 1000) if started and ended else None


def execution_type(stored: str | None) -> str | None:
    """Return the type in lower case, aliases resolved; None while no worker has looked at the job."""
    return ExecutionType.parse(stored).value if stored else None


def summary(row: Row) -> dict[str, Any]:
    """Return one element of `list`."""
    return {
        "id": str(row["id"]),
        "status": row["status"],
        "service": row["service_name"],
        "operation": row["operation"],
        "execution_type": execution_type(row["execution_type"]),
        "attempts": row["attempts"],
        "max_attempts": row["max_attempts"],
        "created_at": timestamp(row["created_at"]),
        "run_at": timestamp(row["run_at"]),
        "started_at": timestamp(row["started_at"]),
        "completed_at": timestamp(row["completed_at"]),
        "duration_ms": duration_ms(row["started_at"], row["completed_at"]),
        "worker_id": row["worker_id"],
        "error_category": row["error_category"],
        "error_message": row["error_message"],
        "fingerprint": row["fingerprint"],
        "tenant_id": str(row["tenant_id"]) if row["tenant_id"] else None,
        "correlation_id": row["correlation_id"],
    }


@dataclass(frozen=True, slots=True)
class JobView:
    """One job with all that is kept about it."""

    row: Row
    attempts: Sequence[Row]
    changes: Sequence[Row]
    chunks: Sequence[Row]
    callbacks: Sequence[Row] = ()  # those that did not succeed with the settle
    links: Sequence[Row] = ()
    ahead: int = 0  # due jobs of higher priority, counted up to report.MOST_AHEAD


def detail(view: JobView) -> dict[str, Any]:
    """Return one element of `show`: the keys of `list`, and everything else."""
    row = view.row
    code, message = job_why.why(view)
    return summary(row) | {
        "why": {"code": code, "message": message},
        "priority": row["priority"],
        "timeout_seconds": row["timeout_seconds"],
        "lease_seq": row["lease_seq"],
        "crash_count": row["crash_count"],
        "idempotency_key": row["idempotency_key"],
        "registry_digest": row["registry_digest"],
        "runner_version": row["runner_version"],
        "cancel_requested_at": timestamp(row["cancel_requested_at"]),
        "deadline_at": timestamp(row["deadline_at"]),
        "parent_id": str(row["parent_id"]) if row["parent_id"] else None,
        "blocked_by": row["blocked_by"] if row["status"] == "pending" else 0,
        "on_dependency_failure": row["on_dependency_failure"],
        "depends_on": job_links.as_json(view.links, "depends_on"),
        "dependents": job_links.as_json(view.links, "dependents"),
        "input": row["input_data"],
        "output": row["output_data"],
        "resource_usage": row["resource_usage"] if isinstance(row["resource_usage"], Mapping) else None,
        "failed_attempts": [_attempt(each) for each in view.attempts],
        "changes": [_change(each) for each in view.changes],
        "callbacks": [_callback(each) for each in view.callbacks],
        "logs": [_chunk(each) for each in view.chunks],
        "timeline": [{"at": timestamp(at), "event": event} for at, event in timeline(view)],
        "next": job_why.next_commands(view),
    }


def _attempt(row: Row) -> dict[str, Any]:
    return {
        "attempt": row["attempt"],
        "lease_seq": row["lease_seq"],
        "worker_id": row["worker_id"],
        "started_at": timestamp(row["started_at"]),
        "ended_at": timestamp(row["ended_at"]),
        "duration_ms": duration_ms(row["started_at"], row["ended_at"]),
        "error_category": row["error_category"],
        "error_message": row["error_message"],
        "resource_usage": row["resource_usage"],
    }


def _change(row: Row) -> dict[str, Any]:
    return {
        "id": row["change_id"],
        "kind": row["kind"],
        "actor": row["actor"],
        "reason": row["reason"],
        "at": timestamp(row["created_at"]),
        "outcome": row["outcome"],
    }


def _callback(row: Row) -> dict[str, Any]:
    return {
        "function": row["function_name"],
        "outcome": row["outcome"],
        "lease_seq": row["lease_seq"],
        "state": row["state"],
        "attempts": row["attempts"],
        "next_at": timestamp(row["next_at"]) if row["state"] == "waiting" else None,
        "error_category": "callback_error" if row["error"] and row["state"] != "dropped" else None,
        "error_message": row["error"],
        "at": timestamp(row["updated_at"]),
    }


def _chunk(row: Row) -> dict[str, Any]:
    keys = ("lease_seq", "chunk", "stream", "content", "truncated")
    return {key: row[key] for key in keys}


# ---- why it is where it is -------------------------------------------------------------------------------------------


def timeline(view: JobView) -> list[tuple[datetime, str]]:
    """Return what happened to the job, oldest first."""
    row = view.row
    found = [(row["created_at"], "created")]
    found += [(each["ended_at"], _attempt_event(each)) for each in view.attempts if each["ended_at"]]
    found += [(each["created_at"], _change_event(each)) for each in view.changes]
    found += [(each["updated_at"], _callback_event(each)) for each in view.callbacks]
    if row["started_at"]:
        found.append((row["started_at"], f"attempt {job_why.tries(row)} started on {row['worker_id'] or 'a worker'}"))
    if row["completed_at"]:
        found.append((row["completed_at"], row["status"]))
    return sorted(found, key=lambda pair: pair[0])


def _attempt_event(row: Row) -> str:
    return f"attempt {row['attempt']} on {row['worker_id']} ended: {job_why.last_error(row)}"


def _change_event(row: Row) -> str:
    reason = f" ({one_line(row['reason'])})" if row["reason"] else ""
    return f"{row['kind']} by {one_line(row['actor'])}: {row['outcome']}{reason}"


def _callback_event(row: Row) -> str:
    why = f": {one_line(row['error'])}" if row["error"] else ""
    return f"callback {one_line(row['function_name'])} {row['state']}, called {amount(row['attempts'], 'time')}{why}"

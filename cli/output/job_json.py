"""A job as data: the keys that `list` and `show` promise."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...core.job import ExecutionType, Status
from .text import age, one_line

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


def detail(view: JobView) -> dict[str, Any]:
    """Return one element of `show`: the keys of `list`, and everything else."""
    row = view.row
    code, message = why(view)
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
        "input": row["input_data"],
        "output": row["output_data"],
        "resource_usage": row["resource_usage"] if isinstance(row["resource_usage"], Mapping) else None,
        "failed_attempts": [_attempt(each) for each in view.attempts],
        "changes": [_change(each) for each in view.changes],
        "callbacks": [_callback(each) for each in view.callbacks],
        "logs": [_chunk(each) for each in view.chunks],
        "timeline": [{"at": timestamp(at), "event": event} for at, event in timeline(view)],
        "next": next_commands(view),
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


def why(view: JobView) -> tuple[str, str]:
    """Return a code and one sentence on why the job is in its state."""
    code, message = _WHY[Status(view.row["status"])](view)
    return code, message + callback_state(view)


def callback_state(view: JobView) -> str:
    """Return what is to be known of the last callback, if it still has to succeed."""
    last = view.callbacks[-1] if view.callbacks else None
    if last is None or last["lease_seq"] != view.row["lease_seq"] or last["state"] not in ("waiting", "failed"):
        return ""
    state = "was given up" if last["state"] == "failed" else "waits to be called again"
    return f"; its callback {one_line(last['function_name'])} {state}: {one_line(last['error'] or '')}"


def _pending(view: JobView) -> tuple[str, str]:
    row = view.row
    wait = (row["run_at"] - row["database_now"]).total_seconds()
    if wait > 0 and row["given_back"]:
        return "limited", f"{row['service_name']} has reached its hourly limit; looked at again in {age(wait)}"
    if wait > 0 and row["error_category"]:
        return "retrying", f"attempt {row['attempts'] + 1} in {age(wait)}; last: {_last_error(row)}"
    if wait > 0:
        return "scheduled", f"due in {age(wait)}"
    return _held(row) or _waiting(row, -wait)


def _held(row: Row) -> tuple[str, str] | None:
    """Why a due job is not dispatched, where somebody or something keeps it back."""
    service = row["service_name"]
    if row["pause"]:
        return "paused", _pause(row["pause"])
    if row["breaker_seconds"] is not None:
        tried = (
            f"tried again in {age(row['breaker_seconds'])}" if row["breaker_seconds"] > 0 else "one job is being tried"
        )
        return "breaker_open", f"{service} failed {row['failures']} times in a row; {tried}"
    if row["limited_seconds"] is not None:
        limit = row["limited_by"] or "its hourly limit"
        return "limited", f"{service} has reached {limit}; looked at again in {age(row['limited_seconds'])}"
    if row["limited_by"]:
        return "limited", f"{service} has reached {row['limited_by']}, over all workers"
    return None


def _pause(pause: Row) -> str:
    what = "everything" if pause["kind"] == "all" else f"{pause['kind']} {pause['name']}"
    until = f" until {pause['until']}" if pause["until"] else ""
    reason = f": {pause['reason']}" if pause["reason"] else ""
    return f"{what} was paused by {pause['actor']}{until}{reason}"


def _waiting(row: Row, waited: float) -> tuple[str, str]:
    if not row["has_worker"]:
        return "no_worker", f"no live worker serves {row['service_name']}"
    return "ready", f"due for {age(waited)}, waiting for a free worker"


def _running(view: JobView) -> tuple[str, str]:
    row = view.row
    lasted = age((row["database_now"] - row["started_at"]).total_seconds())
    where = f"attempt {_tries(row)} on {row['worker_id']} for {lasted}"
    asked = "asked to stop; " if row["cancel_requested_at"] else ""
    if row["worker_silent_seconds"] is not None:
        return "worker_silent", f"{asked}{where}; {_silence(row)}"
    return ("cancelling" if asked else "running"), f"{asked}{where}"


def _silence(row: Row) -> str:
    """What becomes of the job: any live worker gives it back, whichever services it has."""
    heard = f"that worker was last heard from {age(row['worker_silent_seconds'])} ago"
    live = "a live worker takes the job back within seconds"
    return f"{heard}; {live if row['any_worker'] else 'no worker is alive to take the job back'}"


def _completed(view: JobView) -> tuple[str, str]:
    return "completed", f"succeeded on attempt {_tries(view.row)}"


def _failed(view: JobView) -> tuple[str, str]:
    row = view.row
    if row["error_category"] == "policy_violation":
        return "refused", _last_error(row)
    if row["max_attempts"] and row["attempts"] >= row["max_attempts"]:
        return "attempts_exhausted", f"attempts exhausted ({_tries(row)}); last: {_last_error(row)}"
    return "not_retryable", f"failed on attempt {_tries(row)} and is not retried: {_last_error(row)}"


def _cancelled(view: JobView) -> tuple[str, str]:
    change = next((each for each in reversed(view.changes) if each["kind"] == "cancel"), None)
    if change is None:
        return "cancelled", "cancelled"
    reason = f": {one_line(change['reason'])}" if change["reason"] else ""
    return "cancelled", f"cancelled by {one_line(change['actor'])}{reason}"


_WHY = {
    Status.PENDING: _pending,
    Status.RUNNING: _running,
    Status.COMPLETED: _completed,
    Status.FAILED: _failed,
    Status.CANCELLED: _cancelled,
}


def _tries(row: Row) -> str:
    return f"{row['attempts']}/{row['max_attempts']}" if row["max_attempts"] else str(row["attempts"])


def _last_error(row: Row) -> str:
    return f"{row['error_category'] or 'error'}: {one_line(row['error_message'] or 'no message')}"


# ---- what happened, and what to type ---------------------------------------------------------------------------------


def timeline(view: JobView) -> list[tuple[datetime, str]]:
    """Return what happened to the job, oldest first."""
    row = view.row
    found = [(row["created_at"], "created")]
    found += [(each["ended_at"], _attempt_event(each)) for each in view.attempts if each["ended_at"]]
    found += [(each["created_at"], _change_event(each)) for each in view.changes]
    found += [(each["updated_at"], _callback_event(each)) for each in view.callbacks]
    if row["started_at"]:
        found.append((row["started_at"], f"attempt {_tries(row)} started on {row['worker_id'] or 'a worker'}"))
    if row["completed_at"]:
        found.append((row["completed_at"], row["status"]))
    return sorted(found, key=lambda pair: pair[0])


def _attempt_event(row: Row) -> str:
    return f"attempt {row['attempt']} on {row['worker_id']} ended: {_last_error(row)}"


def _change_event(row: Row) -> str:
    reason = f" ({one_line(row['reason'])})" if row["reason"] else ""
    return f"{row['kind']} by {one_line(row['actor'])}: {row['outcome']}{reason}"


def _callback_event(row: Row) -> str:
    why = f": {one_line(row['error'])}" if row["error"] else ""
    return f"callback {one_line(row['function_name'])} {row['state']}, called {row['attempts']} times{why}"


def next_commands(view: JobView) -> list[str]:
    """Return the commands that make sense for the job now."""
    row = view.row
    id_ = row["id"]
    again = [f"specql-jobs db callbacks retry {id_}"] if callback_state(view) else []
    if row["status"] in ("failed", "cancelled"):
        group = [f"specql-jobs list --fingerprint {shlex.quote(row['fingerprint'])}"] if row["fingerprint"] else []
        return [f"specql-jobs retry {id_}", *again, *group]
    if row["status"] == "pending":
        worker = ["specql-jobs worker --registry FILE"] if not row["has_worker"] else []
        return [*worker, f"specql-jobs cancel {id_}"]
    if row["status"] == "running":
        rescue = row["worker_silent_seconds"] is not None and not row["any_worker"]
        worker = ["specql-jobs worker --registry FILE"] if rescue else []
        return worker if row["cancel_requested_at"] else [*worker, f"specql-jobs cancel {id_}"]
    return again

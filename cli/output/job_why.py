"""Why a job is in its state: one code and one sentence, and the command to type next."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import TYPE_CHECKING

from ...core.job import Status
from . import category_next, job_links
from .text import age, amount, moment, one_line

if TYPE_CHECKING:
    from .job_json import JobView, Row


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
    if row["blocked_by"]:
        return "blocked", job_links.waits_for(view.links, row["blocked_by"])
    if wait > 0 and row["given_back"]:
        return "limited", f"{row['service_name']} has reached its hourly limit; looked at again in {age(wait)}"
    if wait > 0 and row["error_category"]:
        return "retrying", f"attempt {row['attempts'] + 1} in {age(wait)}; last: {last_error(row)}"
    if wait > 0:
        return "scheduled", f"due in {age(wait)}"
    return _held(row) or _waiting(row, -wait, view.ahead)


def _held(row: Row) -> tuple[str, str] | None:
    """Why a due job is not dispatched, where somebody or something keeps it back."""
    service = row["service_name"]
    if row["pause"]:
        return "paused", pause_words(row["pause"])
    if row["breaker_seconds"] is not None:
        tried = (
            f"tried again in {age(row['breaker_seconds'])}" if row["breaker_seconds"] > 0 else "one job is being tried"
        )
        return "breaker_open", f"{service} failed {amount(row['failures'], 'time')} in a row; {tried}"
    if row["limited_seconds"] is not None:
        limit = row["limited_by"] or "its hourly limit"
        return "limited", f"{service} has reached {limit}; looked at again in {age(row['limited_seconds'])}"
    if row["limited_by"]:
        return "limited", f"{service} has reached {row['limited_by']}, over all workers"
    return None


def pause_words(pause: Row) -> str:
    """Say what was paused, by whom, until when and why."""
    what = "everything" if pause["kind"] == "all" else f"{pause['kind']} {pause['name']}"
    until = f" until {_clock(pause['until'])}" if pause["until"] else ""
    reason = f": {pause['reason']}" if pause["reason"] else ""
    return f"{what} was paused by {pause['actor']}{until}{reason}"


def _clock(at: datetime | str) -> str:
    """A time to the second; rows that came as JSON have it as text."""
    return moment(datetime.fromisoformat(at) if isinstance(at, str) else at)


def _waiting(row: Row, waited: float, ahead: int = 0) -> tuple[str, str]:
    if not row["has_worker"]:
        return "no_worker", f"no live worker serves {row['service_name']}"
    return "ready", f"due for {age(waited)}, waiting for a free worker{_behind(ahead)}"


def _behind(ahead: int) -> str:
    """What a worker takes before a job, where some have a higher priority."""
    from ...core.store.report import MOST_AHEAD  # noqa: PLC0415 - psycopg, whose rows these are

    if not ahead:
        return ""
    if ahead == 1:
        return "; 1 due job has a higher priority and goes first"
    return f"; {ahead:,}{' or more' if ahead >= MOST_AHEAD else ''} due jobs have a higher priority and go first"


def kept_back(row: Row) -> str:
    """Say what would keep the job back were it due, and what to type; "" where nothing would."""
    held = _held(row) or (None if row["has_worker"] else _waiting(row, 0.0))
    return "; ".join([held[1], *_freeing(row)[:1]]) if held else ""


def waiting_words(view: JobView) -> str:
    """Say why a pending job waits, and what to type where a person may end it."""
    freeing = _freeing(view.row)[:1] if view.row["run_at"] <= view.row["database_now"] else []
    return "; ".join([why(view)[1], *freeing])


def _freeing(row: Row) -> list[str]:
    """The commands that end what keeps a due job back, in the order of _held."""
    pause = [resuming(row["pause"])] if row["pause"] else []
    tripped = row["breaker_seconds"] is not None
    breaker = [f"specql-jobs breaker reset {shlex.quote(row['service_name'])}"] if tripped else []
    return [*pause, *breaker, *([] if row["has_worker"] else ["specql-jobs worker --registry FILE"])]


def resuming(pause: Row) -> str:
    """Return the command that ends a pause."""
    return "specql-jobs resume --all" if pause["kind"] == "all" else f"specql-jobs resume {_scope_flag(pause)}"


def _scope_flag(pause: Row) -> str:
    return f"--{pause['kind']} {shlex.quote(pause['name'])}"


def _running(view: JobView) -> tuple[str, str]:
    row = view.row
    lasted = age((row["database_now"] - row["started_at"]).total_seconds())
    where = f"attempt {tries(row)} on {row['worker_id']} for {lasted}"
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
    return "completed", f"succeeded on attempt {tries(view.row)}"


def _failed(view: JobView) -> tuple[str, str]:
    row = view.row
    if row["error_category"] == "policy_violation":
        return "refused", last_error(row)
    if row["error_category"] == "dependency_failed":
        return "dependency_failed", f"never started: {one_line(row['error_message'] or '')}"
    if row["max_attempts"] and row["attempts"] >= row["max_attempts"]:
        return "attempts_exhausted", f"attempts exhausted ({tries(row)}); last: {last_error(row)}"
    return "not_retryable", f"failed on attempt {tries(row)} and is not retried: {last_error(row)}"


def _cancelled(view: JobView) -> tuple[str, str]:
    if view.row["error_category"] == "dependency_failed":
        return "dependency_failed", one_line(view.row["error_message"] or "skipped")
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


def tries(row: Row) -> str:
    """Return `2/3`, or `2` while the registry alone knows how many there may be."""
    return f"{row['attempts']}/{row['max_attempts']}" if row["max_attempts"] else str(row["attempts"])


def last_error(row: Row) -> str:
    """Return category and message on one line."""
    return f"{row['error_category'] or 'error'}: {one_line(row['error_message'] or 'no message')}"


def next_commands(view: JobView) -> list[str]:
    """Return the commands that make sense for the job now."""
    row = view.row
    id_ = row["id"]
    again = [f"specql-jobs db callbacks retry {id_}"] if callback_state(view) else []
    if row["status"] in ("failed", "cancelled"):
        group = [f"specql-jobs list --fingerprint {shlex.quote(row['fingerprint'])}"] if row["fingerprint"] else []
        first = job_links.culprits(view.links)[:1]  # what it waited for brings it back; alone it stays as it is
        retry = f"specql-jobs retry {first[0] if first else id_}"
        about = category_next.explaining(row["error_category"]) if row["status"] == "failed" else []
        return [*category_next.looks(row), retry, *again, *group, *about]
    if row["status"] == "pending" and row["blocked_by"]:
        return [f"specql-jobs cancel {id_}"]
    if row["status"] == "pending":
        return [*_freeing(row), *category_next.looks(row), f"specql-jobs cancel {id_}"]
    if row["status"] == "running":
        rescue = row["worker_silent_seconds"] is not None and not row["any_worker"]
        worker = ["specql-jobs rescue --dry-run", "specql-jobs worker --registry FILE"] if rescue else []
        return worker if row["cancel_requested_at"] else [*worker, f"specql-jobs cancel {id_}"]
    return again

"""A change of a job: as data, and as one line."""

from __future__ import annotations

from typing import Any

from ...core import clock
from .console import Console
from .job_json import Row, duration_ms, timestamp
from .job_text import STATUS_COLOURS, error_text
from .text import duration, one_line

KEYS = (
    "at",
    "event",
    "id",
    "status",
    "service",
    "operation",
    "attempt",
    "max_attempts",
    "worker_id",
    "duration_ms",
    "error_category",
    "error_message",
)
HEADERS = ("AT", "EVENT", "SERVICE.OPERATION", "ID", "TRY", "DETAIL")


def event(row: Row) -> str:
    """Return the event's word: the status, or why a pending job is pending, or that a running one was asked to stop."""
    if row["status"] == "running" and row["cancel_requested_at"]:
        return "cancelling"
    if row["status"] != "pending":
        return str(row["status"])
    return "retrying" if row["error_category"] else "enqueued"


def as_json(row: Row) -> dict[str, Any]:
    """Return one event as data."""
    values = (
        timestamp(row["at"]),
        event(row),
        str(row["id"]),
        row["status"],
        row["service_name"],
        row["operation"],
        row["attempt"],
        row["max_attempts"],
        row["worker_id"],
        duration_ms(row["started_at"], row["completed_at"]),
        row["error_category"],
        row["error_message"],
    )
    return dict(zip(KEYS, values, strict=True))


def row(row: Row) -> list[str]:
    """Return one event as table cells."""
    place = one_line(f"{row['service_name']}.{row['operation']}")
    tries = f"{row['attempt']}/{row['max_attempts'] or '-'}"
    return [str(timestamp(row["at"])), event(row), place, str(row["id"]), tries, _detail(row)]


def line(row: Row, console: Console) -> str:
    """Return one event as a line for people, in their own time zone; the date only where it is not today."""
    at = row["at"].astimezone()
    day = "" if at.date() == clock.now().astimezone().date() else f"{at:%Y-%m-%d} "
    time = f"{day}{at:%H:%M:%S}.{at.microsecond // 1000:03d}"
    word = console.painted(f"{event(row):<10}", STATUS_COLOURS[row["status"]])
    place = one_line(f"{row['service_name']}.{row['operation']}")
    tries = f"{row['attempt']}/{row['max_attempts'] or '-'}"
    return f"{time}  {word}  {place}  {row['id']}  {tries}  {_detail(row)}".rstrip()


def _detail(row: Row) -> str:
    if row["status"] == "running":
        return one_line(row["worker_id"] or "")
    lasted = duration_ms(row["started_at"], row["completed_at"])
    return error_text(row) or (duration(lasted / 1000) if lasted is not None else "")
